"""Large batches in micro-batches: same results, one program for all sizes, pooled buffers."""

import numpy as np
import pytest
import torch

import qproj
from qproj import bridge
from qproj.circuits import Circuit
from qproj.execution import microbatches, programs
from qproj.execution.padding import bucket
from qproj.interop import execution
from qproj.planning import cost

from .test_xla_cpu import forget


@pytest.fixture
def small(monkeypatch):
    """Slices of four samples of three qubits in single precision, of two in double."""
    monkeypatch.setattr(cost, "_MICROBATCH_BYTES", 4 * 8 * 2**3)
    forget()
    yield
    forget()


def trained(layer, x, weights_only=False):
    x = x.clone().requires_grad_(not weights_only)
    layer.weights.grad = None
    y = layer(x)
    y.backward(torch.linspace(0.5, 1.5, y.numel(), dtype=y.dtype).reshape(y.shape))
    return y.detach(), x.grad, layer.weights.grad


@pytest.mark.parametrize("diff_method", ["adjoint", "jacobian", "parameter-shift"])
def test_slices_give_what_the_whole_gives(request, diff_method):
    """With and without a rest; the slices are of one program, which all batches share."""
    layer = qproj.QuantumLayer(
        3, 1, diff_method=diff_method, generator=torch.Generator().manual_seed(0)
    ).double()
    x = torch.randn(8, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    whole = {batch: trained(layer, x[:batch]) for batch in (5, 8)}
    request.getfixturevalue("small")
    for batch, expected in whole.items():
        runner, _ = bridge._program(layer.circuit, bucket(batch), 8, "auto", diff_method)
        assert isinstance(runner, microbatches.MicroBatches)
        for part, other in zip(trained(layer, x[:batch]), expected, strict=True):
            torch.testing.assert_close(part, other, rtol=0, atol=1e-12)
        with torch.no_grad():
            torch.testing.assert_close(layer(x[:batch]), expected[0], rtol=0, atol=1e-12)


def test_what_is_not_needed_is_not_there(small):
    layer = qproj.QuantumLayer(3, 1)
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1))
    of_both = trained(layer, x)
    _, of_inputs, of_weights = trained(layer, x, weights_only=True)
    assert of_inputs is None
    torch.testing.assert_close(of_weights, of_both[2])
    layer.weights.requires_grad_(False)
    torch.testing.assert_close(trained(layer, x)[1], of_both[1])


def test_a_graph_that_is_kept_can_be_differentiated_twice(small):
    layer = qproj.QuantumLayer(3, 1, diff_method="adjoint")
    x = torch.randn(8, 3, generator=torch.Generator().manual_seed(1), requires_grad=True)
    y = layer(x).sum()
    first = torch.autograd.grad(y, x, retain_graph=True)[0]
    torch.testing.assert_close(torch.autograd.grad(y, x)[0], first)


def test_all_sizes_run_one_program(small):
    layer = qproj.QuantumLayer(3, 1)
    runners = [bridge._program(layer.circuit, rows, 4, "auto", "adjoint")[0] for rows in (4, 8, 16, 64)]
    assert [type(runner) for runner in runners] == [programs.Program, *[microbatches.MicroBatches] * 3]
    assert all(runner._program is runners[0] and runner._rows == 4 for runner in runners[1:])


def test_rows_of_a_slice():
    circuit = Circuit(12, 1)  # 32 KiB a sample, in single precision
    for batch, itemsize, rows in (
        (1, 4, 1),
        (128, 4, 128),
        (192, 4, 96),
        (1024, 4, 128),
        (1024, 8, 64),
        (1000, 4, 125),
    ):
        assert cost.microbatch_size(circuit, batch, itemsize) == rows
    assert cost.microbatch_size(Circuit(20, 1), 3, 4) == 1
    # Sizes that batches are padded to are cut without a rest.
    for rows in {bucket(batch) for batch in range(1, 5000)}:
        assert rows % cost.microbatch_size(circuit, rows, 4) == 0


def test_a_plan_says_so():
    assert "in micro-batches of 128" in str(qproj.QuantumLayer(12, 1).plan(1024))
    assert "micro-batches" not in str(qproj.QuantumLayer(12, 1).plan(128))
    small, large = (cost.plan(Circuit(12, 3), b, 4, "auto", "best").costs[0] for b in (128, 1024))
    assert large.seconds == pytest.approx(8 * small.seconds)
    assert large.flops == pytest.approx(8 * small.flops)


def test_arrays_of_an_accelerator_are_not_cut(small):
    runner, _ = bridge._program(Circuit(3, 2), 64, 4, "auto", "best", False)
    assert isinstance(runner, programs.Program)


def test_states_to_start_from_are_cut_too(small):
    circuit = Circuit(3, 2, "amplitude")
    generator = np.random.default_rng(0)
    states = generator.normal(size=(11, 16))
    states /= np.linalg.norm(states, axis=1, keepdims=True)
    weights = generator.normal(size=circuit.weight_shape)
    assert isinstance(execution._program(circuit, states), microbatches.MicroBatches)
    in_slices = execution.expectations(circuit, states, weights)
    one_by_one = [execution.expectations(circuit, state[None], weights)[0] for state in states]
    np.testing.assert_allclose(in_slices, one_by_one, atol=1e-12)


def test_what_slices_keep_is_written_again():
    layer = qproj.QuantumLayer(12, 1, diff_method="adjoint")
    x = torch.randn(256, 12, generator=torch.Generator().manual_seed(0))
    trained(layer, x)
    kept = programs._BUFFERS.nbytes
    assert kept >= 256 * 8 * 2**12
    trained(layer, x)
    assert programs._BUFFERS.nbytes == kept
