"""Hazards of two frameworks sharing one autograd graph."""

import threading

import numpy as np
import pytest
import torch

import qproj
from qproj import bridge
from qproj.bridge.arrays import to_jax
from qproj.circuits import Circuit


@pytest.fixture
def layer():
    return qproj.QuantumLayer(3, 1, generator=torch.Generator().manual_seed(0))


def sample(*shape, dtype=torch.float32, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=dtype)


@pytest.mark.parametrize(("encoding", "observables"), [("angle_y", "z"), ("angle_z", "xyz")])
def test_gradcheck(encoding, observables):
    circuit = Circuit(2, 1, encoding, observables=observables)
    x = sample(2, 2, dtype=torch.float64).requires_grad_()
    w = sample(*circuit.weight_shape, dtype=torch.float64, seed=2).requires_grad_()
    assert torch.autograd.gradcheck(lambda x, w: bridge.run(circuit, "adjoint", "auto", x, w), (x, w))


@pytest.mark.parametrize("batch", [1, 3, 5])
def test_padding_changes_nothing(layer, batch):
    x = sample(8, 3)
    layer(x[:batch]).square().sum().backward()
    padded = layer.weights.grad.clone()
    layer.zero_grad()
    full = layer(x)
    torch.testing.assert_close(layer(x[:batch]), full[:batch])
    (full[:batch].square()).sum().backward()
    torch.testing.assert_close(layer.weights.grad, padded)


LAYOUTS = {
    "transposed": lambda t: t.t().contiguous().t(),
    "every second row": lambda t: t.repeat_interleave(2, 0)[::2],
    "every second column": lambda t: t.repeat_interleave(2, 1)[:, ::2],
    "offset": lambda t: torch.cat([t.new_zeros(1, 3), t])[1:],
    "misaligned": lambda t: torch.cat([t.new_zeros(1), t.flatten()])[1:].reshape(t.shape),
    "flipped": lambda t: t.flip(0).flip(0),
}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layer, layout, dtype):
    x = sample(4, 3, dtype=dtype)
    odd = LAYOUTS[layout](x).detach().requires_grad_()
    plain = x.clone().requires_grad_()
    for t in (odd, plain):
        layer(t).sum().backward()
    torch.testing.assert_close(layer(odd), layer(plain), atol=0, rtol=0)
    torch.testing.assert_close(odd.grad, plain.grad, atol=0, rtol=0)


def test_expanded_input_and_cotangent(layer):
    row = sample(1, 3).requires_grad_()
    layer(row.expand(4, 3)).sum().backward()  # the cotangent of a sum is an expanded scalar
    many = row.grad.clone()
    row.grad = None
    layer(row).sum().backward()
    torch.testing.assert_close(many, 4 * row.grad)


@pytest.mark.parametrize("batch", [4, 5])
def test_change_between_forward_and_backward(layer, batch):
    """Torch notices, whether or not the batch was padded; no gradient of a mixture comes out."""
    x = sample(batch, 3).requires_grad_()
    changed = x * 1.0
    y = layer(changed)
    changed.data.zero_()  # behind autograd's back: the values already computed must not move
    before = layer(x)
    torch.testing.assert_close(y, before)

    (expected,) = torch.autograd.grad(before.sum(), x)
    other = x.detach().clone().requires_grad_()
    y = layer(other)
    other.data.zero_()  # the gradient is that of what was computed
    torch.testing.assert_close(torch.autograd.grad(y.sum(), other)[0], expected)

    changed = x * 1.0
    y = layer(changed)
    changed.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()

    y = layer(x)
    with torch.no_grad():
        layer.weights.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        y.sum().backward()


def test_inputs_may_be_overwritten_at_once():
    """JAX runs on after the call returns: what it reads must be its own."""
    circuit = Circuit(10, 2)
    weights = sample(*circuit.weight_shape)
    x = sample(64, 10)
    expected = bridge.run(circuit, "adjoint", "auto", x.clone(), weights.clone())
    y = bridge.run(circuit, "adjoint", "auto", x, weights)
    x.zero_(), weights.zero_()
    torch.testing.assert_close(y, expected, atol=0, rtol=0)


@pytest.mark.parametrize("batch", [4, 5])
def test_outputs_may_be_changed_in_place(layer, batch):
    x = sample(batch, 3).requires_grad_()
    expected = 2 * layer(x).detach()
    y = layer(x)
    y.mul_(2)
    y.sum().backward()
    torch.testing.assert_close(y.detach(), expected)
    torch.testing.assert_close(2 * layer(x).detach(), 2 * layer(x).detach())
    with torch.no_grad():
        torch.testing.assert_close(layer(x).mul_(2), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_backward_in_another_thread(dtype):
    layer = qproj.QuantumLayer(2, 1, generator=torch.Generator().manual_seed(0)).to(dtype)
    x = sample(2, 2, dtype=dtype).requires_grad_()
    layer(x).sum().backward()
    expected = x.grad.clone()
    x.grad = None
    y = layer(x).sum()
    thread = threading.Thread(target=y.backward)
    thread.start()
    thread.join()
    assert x.grad.dtype == dtype
    torch.testing.assert_close(x.grad, expected, atol=0, rtol=0)


def test_retain_graph(layer):
    x = sample(2, 3).requires_grad_()
    y = layer(x).sum()
    (first,) = torch.autograd.grad(y, x, retain_graph=True)
    (second,) = torch.autograd.grad(y, x)
    torch.testing.assert_close(first, second, atol=0, rtol=0)
    with pytest.raises(RuntimeError, match="second time"):
        y.backward()


def test_checkpointing(layer):
    x = sample(2, 3).requires_grad_()
    layer(x).sum().backward()
    expected = x.grad.clone()
    x.grad = None
    torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False).sum().backward()
    torch.testing.assert_close(x.grad, expected)


def test_large_states():
    circuit = Circuit(9, 1)
    x = sample(32, 9, dtype=torch.float64).requires_grad_()
    w = sample(*circuit.weight_shape, dtype=torch.float64)
    bridge.run(circuit, "adjoint", "auto", x, w).sum().backward()
    step = 1e-6 * torch.eye(9, dtype=torch.float64)[4]
    with torch.no_grad():
        up, down = (bridge.run(circuit, "adjoint", "auto", x + s, w).sum(1) for s in (step, -step))
    np.testing.assert_allclose(x.grad[:, 4], (up - down) / 2e-6, atol=1e-7)


def test_one_sample_with_any_strides(layer):
    x = sample(1, 3)
    for strides in [(1, 1), (3, 1), (100, 1)]:
        odd = torch.cat([x.flatten(), torch.full((200,), torch.nan)]).as_strided((1, 3), strides)
        torch.testing.assert_close(layer(odd), layer(x), atol=0, rtol=0)


@pytest.mark.filterwarnings("ignore:The given NumPy array is not writable")
@pytest.mark.parametrize("batch", [4, 5])
def test_read_only_memory(layer, batch):
    array = sample(batch, 3).numpy()
    array.flags.writeable = False
    layer(torch.from_numpy(array)).sum().backward()  # nothing is written there, or this would end the process
    torch.testing.assert_close(layer(torch.from_numpy(array)), layer(torch.from_numpy(array.copy())))


@pytest.mark.parametrize(("batch", "steps"), [(8, 100), (2048, 15)])
def test_nothing_is_freed_while_it_is_read(batch, steps):
    """Both ways across: inputs and results dropped at once, their memory written over by the next ones."""
    layer = qproj.QuantumLayer(8, 1, generator=torch.Generator().manual_seed(0))
    rows = sample(steps, 1, 8)

    def step(row):
        x = row.expand(batch, 8).clone().requires_grad_()
        layer(x).square().sum().backward()
        return x.grad[-1]

    each = torch.stack([step(row) for row in rows])
    together = rows[:, 0].clone().requires_grad_()
    layer(together).square().sum().backward()
    torch.testing.assert_close(each, together.grad, atol=1e-5, rtol=0)


@pytest.mark.parametrize(
    "given",
    [
        torch.arange(6.0).reshape(3, 2),
        torch.arange(6.0, dtype=torch.float64).reshape(3, 2).requires_grad_(),
        torch.arange(6.0).reshape(2, 3).T,
        torch._neg_view(torch.arange(6.0).reshape(3, 2)),
        torch.arange(6.0)[1:4],
        torch.ones(2, 1).expand(2, 3),
        torch.complex(torch.ones(2), torch.arange(2.0)).conj(),
        torch.empty(0, 2),
        torch._efficientzerotensor((2, 2)),
    ],
    ids=["plain", "leaf", "transposed", "negated", "part", "expanded", "conjugate", "empty", "zero"],
)
def test_jax_is_given_copies(given):
    expected = given.detach().clone().tolist()
    array = to_jax(given)
    assert array.dtype == torch.empty(0, dtype=given.dtype).numpy().dtype
    assert array.tolist() == expected
    array[...] = 7
    assert given.detach().clone().tolist() == expected


def test_negated_view(layer):
    x = sample(2, 3)
    negated = torch.complex(x, -x).conj().imag
    assert negated.is_neg()
    torch.testing.assert_close(layer(negated), layer(x))
