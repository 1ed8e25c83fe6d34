"""The buffer pool: residuals are reused, and nobody reads them afterwards."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import qproj
from qproj.execution import programs
from qproj.execution.buffers import BufferPool


def shapes(*arrays):
    return tuple((a.shape, a.dtype) for a in arrays)


def test_a_used_set_is_taken_before_a_new_one():
    pool = BufferPool(limit=1000)
    used = (jnp.ones((3, 2)), jnp.ones(4))
    pool.release(used)
    assert pool.nbytes == 40
    assert [a.shape for a in pool.acquire(shapes(jnp.ones(4)))] == [(4,)]  # another shape: a new one
    assert pool.acquire(shapes(*used)) == used
    assert pool.nbytes == 0
    fresh = pool.acquire(shapes(*used))
    assert shapes(*fresh) == shapes(*used)
    assert fresh[0] is not used[0]


def test_the_oldest_are_given_up_beyond_the_limit():
    pool = BufferPool(limit=100)
    sets = [(jnp.full(10, i, np.float32),) for i in range(4)]  # 40 bytes each
    for arrays in sets:
        pool.release(arrays)
    assert pool.nbytes == 80
    assert pool.acquire(shapes(*sets[0])) == sets[3]
    assert pool.acquire(shapes(*sets[0])) == sets[2]
    assert pool.nbytes == 0
    pool.release((jnp.ones(26, np.float32),))
    assert pool.nbytes == 0


def step(layer, x):
    x = x.clone().requires_grad_()
    values = layer(x)
    values.square().sum().backward()
    return values.detach().clone(), x.grad


@pytest.mark.parametrize("diff_method", ["adjoint", "backprop"])
def test_residuals_are_written_where_the_last_ones_were(diff_method):
    layer = qproj.QuantumLayer(8, 1, generator=torch.Generator().manual_seed(0))
    circuit, x = layer.circuit, np.zeros((64, 8), np.float32)
    program = programs.program(circuit, "fused-4", diff_method)
    weights, cotangents = layer.weights.detach().numpy(), np.ones((64, 8), np.float32)
    _, residuals = program.forward(x, weights)
    first, *_ = jax.tree.leaves(residuals)
    place = first.unsafe_buffer_pointer()
    before = program.backward(residuals, x, weights, cotangents)
    assert not first.is_deleted()
    last = program.backward(residuals, x, weights, cotangents, last=True)
    for one, other in zip(before, last, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)
    _, residuals = program.forward(x + 1, weights)
    assert place in [a.unsafe_buffer_pointer() for a in jax.tree.leaves(residuals)]
    assert first.is_deleted()


def test_graphs_that_are_alive_together_share_nothing():
    """Two forwards before either backward, and one kept for a second: no one's residuals are another's."""
    layer = qproj.QuantumLayer(8, 1, generator=torch.Generator().manual_seed(0))
    data = torch.randn(3, 64, 8, generator=torch.Generator().manual_seed(1))
    expected = [step(layer, x) for x in data]
    inputs = [x.clone().requires_grad_() for x in data]
    values = [layer(x) for x in inputs]
    values[1].square().sum().backward(retain_graph=True)
    inputs[1].grad = None
    values[0].square().sum().backward()
    between = step(layer, data[0])
    values[2].square().sum().backward()
    values[1].square().sum().backward()
    for x, value, (wanted, gradient) in zip(inputs, values, expected, strict=True):
        assert torch.equal(value, wanted)
        torch.testing.assert_close(x.grad, gradient, atol=1e-6, rtol=0)
    assert torch.equal(between[1], expected[0][1])


def test_small_residuals_need_no_storage():
    layer = qproj.QuantumLayer(2, 1)
    program = programs.program(layer.circuit, "fused-2", "backprop")
    x = np.zeros((4, 2), np.float32)
    weights = layer.weights.detach().numpy()
    values, residuals = program.forward(x, weights)
    first, *_ = jax.tree.leaves(residuals)
    program.backward(residuals, x, weights, np.ones_like(values), last=True)
    program.forward(x, weights)
    assert not first.is_deleted()


def test_what_backward_has_read_is_handed_over_unless_the_graph_is_kept(monkeypatch):
    monkeypatch.setattr(programs, "_BUFFERS", BufferPool(limit=1 << 30))
    layer = qproj.QuantumLayer(8, 1, diff_method="adjoint", generator=torch.Generator().manual_seed(0))
    values = layer(torch.zeros(64, 8))
    values.sum().backward(retain_graph=True)
    assert programs._BUFFERS.nbytes == 0
    values.sum().backward()
    assert programs._BUFFERS.nbytes == 2 * 2**8 * 64 * 4


def test_clearing_the_caches_empties_the_pool():
    programs._BUFFERS.release((jnp.ones(4, np.float32),))
    assert programs._BUFFERS.nbytes
    qproj.clear_caches()
    assert programs._BUFFERS.nbytes == 0
