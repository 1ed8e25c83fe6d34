"""What torch's users do to a layer: shapes of weights, traces, storages, saved tensors, large numbers."""

import copy
import gc
import math
from functools import partial

import jax
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.func import functional_call, grad, jvp, vmap
from torch.fx.experimental.proxy_tensor import make_fx

import qproj
from qproj import Circuit, Constant, Gate, InputSlot, WeightSlot
from qproj._compat.jax import synchronous_cpu
from qproj.execution import cache
from qproj.functional import expectation
from qproj.kernels import FidelityKernel

from . import reference

# torch's own, when forward mode or a trace is first used
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def layer():
    return qproj.QuantumLayer(2, 1, generator=generator())


@pytest.fixture
def x():
    return torch.randn(3, 2, generator=generator(1))


@pytest.mark.parametrize("shape", [(1, 2, 2), (6,), (3, 2, 3), (2, 1, 3)])
def test_weights_of_a_wrong_shape_are_refused(layer, x, shape):
    message = r"weights must have shape \(1, 2, 3\), but had shape"
    with pytest.raises(ValueError, match=message):
        functional_call(layer, {"weights": torch.zeros(shape)}, (x,))
    with pytest.raises(ValueError, match=message):
        vmap(lambda w: functional_call(layer, {"weights": w}, (x,)))(torch.zeros(2, *shape))
    arguments = (layer._text, "jax", layer._how)
    with pytest.raises(ValueError, match=message):
        torch.ops.qproj.expectation(x, torch.zeros(shape), *arguments)
    with pytest.raises(ValueError, match=r"inputs must have shape \(batch, 2\), but had shape \(3, 3\)"):
        torch.ops.qproj.expectation(torch.zeros(3, 3), layer.weights, *arguments)
    layer.weights = torch.nn.Parameter(torch.zeros(shape))
    with pytest.raises(ValueError, match=message):
        layer(x)


def test_complex_weights_are_refused(layer, x):
    with pytest.raises(TypeError, match=r"weights must be of float32.*complex64"):
        functional_call(layer, {"weights": layer.weights * 1j}, (x,))


@pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors:UserWarning")
def test_sparse_and_nested_inputs_are_refused(layer, x):
    for wrong, words in (
        (x.to_sparse(), r"a dense tensor, but was torch.sparse_coo. Convert with x.to_dense\(\)"),
        (torch.nested.nested_tensor([x, x]), r"but was nested. Convert with torch.nested"),
        (
            torch.nested.nested_tensor([x, x], layout=torch.jagged),
            r"but was nested. Convert with torch.nested",
        ),
    ):
        with pytest.raises(TypeError, match=words):
            layer(wrong)


def test_another_circuit_is_honoured_or_refused(layer, x):
    compiled = torch.compile(layer, backend="eager")
    before = compiled(x)
    layer.circuit = Circuit(2, 1, "angle_x")
    expected = reference.values(layer.circuit, x.double().numpy(), layer.weights.detach().double().numpy())
    for run in (layer, compiled):
        np.testing.assert_allclose(run(x).detach(), expected, atol=1e-6)
    assert not torch.allclose(before, layer(x))
    with pytest.raises(ValueError, match=r"circuit must take weights of shape \(1, 2, 3\)"):
        layer.circuit = Circuit(2, 2)


@pytest.mark.parametrize("slot", [InputSlot(0), WeightSlot(0)], ids=["no weights", "no inputs"])
def test_parameter_shift_without_inputs_or_weights(slot):
    circuit = Circuit(gates=[Gate("RX", (0,), slot)])
    layer = qproj.QuantumLayer(circuit=circuit, diff_method="parameter-shift", generator=generator())
    x = torch.full((3, layer.n_inputs), 0.3, requires_grad=True)
    layer(x).sum().backward()
    if layer.n_inputs:
        torch.testing.assert_close(x.grad, torch.full((3, 1), -math.sin(0.3)))
    else:
        torch.testing.assert_close(layer.weights.grad, -3 * layer.weights.detach().sin())


@pytest.mark.parametrize(
    ("backend", "rows", "dtype"),
    [("jax", 5, torch.float32), ("jax", 4, torch.float64), ("lightning.qubit", 2, torch.float32)],
)
def test_storages_of_the_caller_stay_resizable(dtype, rows, backend):
    """FSDP frees and restores the storages of the weights around each call."""
    layer = qproj.QuantumLayer(2, 1, backend=backend, generator=generator()).to(dtype)
    x = torch.randn(rows, 2, generator=generator(1), dtype=dtype, requires_grad=True)
    cotangents = torch.ones(rows, 2, dtype=dtype)
    layer(x).backward(cotangents)
    with torch.no_grad():
        layer(x)
    for tensor in (x, layer.weights, cotangents):
        tensor.untyped_storage().resize_(2 * tensor.untyped_storage().nbytes())


def live_bytes():
    gc.collect()
    return sum(array.nbytes for array in synchronous_cpu().client.live_arrays())


def test_one_bound_holds_for_all_that_is_compiled(monkeypatch):
    """A circuit that is given up takes all its programs with it; `clear_caches` gives up all."""
    one = cache.estimated_bytes(Circuit(1, 1), entries=4)
    kept = cache.Cache(limit=2 * one)
    monkeypatch.setattr(cache, "_CACHE", kept)
    client = synchronous_cpu().client
    gc.collect()
    before, x = len(client.live_executables()), torch.ones(3, 1, requires_grad=True)
    for n_layers in (1, 2, 1, 3):
        layer = qproj.QuantumLayer(1, n_layers, diff_method="adjoint", generator=generator())
        layer(x).sum().backward()
        vmap(layer)(x)
    assert kept.n_bytes == 2 * one
    assert [circuit.n_layers for circuit in kept._made] == [1, 3]
    gc.collect()
    assert len(client.live_executables()) > before
    qproj.clear_caches()
    gc.collect()
    assert len(client.live_executables()) <= before


@pytest.mark.parametrize("diff_method", ["adjoint", "backprop"])
def test_residuals_are_saved_tensors_where_hooks_look(diff_method):
    """Under `checkpoint` and `save_on_cpu`; what the hook drops is not kept elsewhere."""
    layer = qproj.QuantumLayer(8, 1, diff_method=diff_method, generator=generator())
    x = torch.randn(64, 8, generator=generator(1), requires_grad=True)
    wanted = torch.autograd.grad(layer(x).square().sum(), (x, layer.weights))
    state = 2 * 2**8 * 64 * 4
    saved, before = [], live_bytes()

    def pack(tensor):
        saved.append(tensor.clone())
        return len(saved) - 1

    with torch.autograd.graph.saved_tensors_hooks(pack, lambda i: saved[i]):
        values = layer(x)
    assert sum(tensor.nbytes for tensor in saved) >= state
    assert live_bytes() - before < state  # what the hook does not hold is not held
    loss = values.square().sum()
    for retain in (True, False):
        found = torch.autograd.grad(loss, (x, layer.weights), retain_graph=retain)
        for one, other in zip(found, wanted, strict=True):
            torch.testing.assert_close(one, other, atol=1e-5, rtol=0)


def test_checkpointing_and_offloading_change_nothing(x):
    layer = qproj.QuantumLayer(2, 2, diff_method="adjoint", generator=generator())
    x.requires_grad_()
    wanted = torch.autograd.grad(layer(x).square().sum(), (x, layer.weights))
    with torch.autograd.graph.save_on_cpu():
        offloaded = layer(x).square().sum()
    checkpointed = torch.utils.checkpoint.checkpoint(layer, x, use_reentrant=False).square().sum()
    for loss in (offloaded, checkpointed):
        for one, other in zip(torch.autograd.grad(loss, (x, layer.weights)), wanted, strict=True):
            torch.testing.assert_close(one, other)


def test_meshes_and_transfer_guards_of_the_application_do_not_reach_the_layer(layer, x):
    x.requires_grad_()
    expected = torch.autograd.grad(layer(x).square().sum(), x)
    for guard in (jax.transfer_guard("disallow"), jax.set_mesh(jax.make_mesh((1,), ("rows",)))):
        with guard:
            torch.testing.assert_close(torch.autograd.grad(layer(x).square().sum(), x), expected)


@pytest.mark.parametrize(("how", "encoding"), [("make_fx", "iqp"), ("torch.jit.trace", "amplitude")])
def test_a_trace_computes_anew(how, encoding, x):
    """The output of the traced call is not a constant of the program."""
    layer = qproj.QuantumLayer(2, 1, encoding=encoding, generator=generator())
    traced = make_fx(layer)(x) if how == "make_fx" else torch.jit.trace(layer, (x,))
    other = (x + 1).requires_grad_()
    torch.testing.assert_close(traced(other), layer(other))
    slopes = [torch.autograd.grad(run(other).square().sum(), other)[0] for run in (traced, layer)]
    torch.testing.assert_close(*slopes)


def test_a_trace_of_a_device_is_refused(x):
    import pennylane as qml

    layer = qproj.QuantumLayer(2, 1, backend=qml.device("default.qubit", wires=2))
    for trace in (lambda: make_fx(layer)(x), lambda: torch.jit.trace(layer, (x,))):
        with pytest.raises(RuntimeError, match="backend must be a name where the layer is traced"):
            trace()


def test_transformations_within_a_program(layer, x):
    def loss(w, x):
        return functional_call(layer, {"weights": w}, (x,)).square().sum()

    w = layer.weights.detach()
    compiled = torch.compile(grad(loss), fullgraph=True, backend="aot_eager")
    torch.testing.assert_close(compiled(w, x + 1), grad(loss)(w, x + 1))
    each = vmap(grad(loss), (None, 0))
    torch.testing.assert_close(make_fx(each)(w, x)(w, x + 1), each(w, x + 1))


def test_derivatives_within_a_program_reach_the_layers_own_weights_and_go_forward():
    """RX(x), RY(w), <Z>: cos x cos w."""
    gates = [Gate("RX", (0,), InputSlot(0)), Gate("RY", (0,), WeightSlot(0))]
    layer = qproj.QuantumLayer(circuit=Circuit(gates=gates), generator=generator())
    x, w, compiled = (
        torch.tensor([[0.3]]),
        layer.weights.detach(),
        partial(torch.compile, backend="aot_eager"),
    )

    def both_ways(x):
        return vmap(grad(lambda x: layer(x).sum()))(x), jvp(layer, (x,), (2 * x,))[1]

    slope, forward = compiled(both_ways)(x)
    torch.testing.assert_close(slope, -x.sin() * w.cos())
    torch.testing.assert_close(torch.autograd.grad(slope.sum(), layer.weights)[0], (x.sin() * w.sin())[0])
    torch.testing.assert_close(forward, -2 * x * x.sin() * w.cos())

    def broken(x):
        torch._dynamo.graph_break()  # the rest runs piece by piece
        return layer(x).sum()

    torch.testing.assert_close(compiled(vmap(grad(broken)))(x), slope)


@pytest.mark.parametrize("diff_method", ["adjoint", "parameter-shift"])
@pytest.mark.parametrize("size", [1e4, 1e8])
def test_large_angles_in_single_precision(size, diff_method):
    """Against the same numbers in double precision: angles are not rounded where they are summed."""
    circuit = Circuit(2, 2, "angle_z", reupload=True)
    layer = qproj.QuantumLayer(circuit=circuit, diff_method=diff_method, generator=generator())
    x = (size * torch.randn(4, 2, generator=generator(1))).requires_grad_()
    layer(x).sum().backward()
    given = x.detach().double().numpy(), layer.weights.detach().double().numpy()
    np.testing.assert_allclose(layer(x).detach(), reference.values(circuit, *given), atol=2e-6)
    exact = x.detach().double().requires_grad_()
    layer(exact).sum().backward()
    torch.testing.assert_close(x.grad.double(), exact.grad, atol=5e-6, rtol=0)


@pytest.mark.parametrize("diff_method", ["adjoint", "parameter-shift"])
def test_products_and_multiples_in_single_precision(diff_method):
    """They are rounded when they are small angles, not before; in JAX as well."""
    gates = [
        Gate("RY", (0,), InputSlot(0, math.pi)),
        Gate("RX", (0,), WeightSlot(0, 0.3)),
        Gate("IsingXX", (0, 1), InputSlot(0, 0.7, times=1)),
        Gate("RX", (0,), Constant(1e7 + 0.3)),
    ]
    circuit = Circuit(gates=gates)
    layer = qproj.QuantumLayer(circuit=circuit, diff_method=diff_method)
    torch.nn.init.constant_(layer.weights, 123456.7)
    x = (3e3 * torch.randn(3, 2, generator=generator(1))).requires_grad_()
    values, cotangents = layer(x), torch.tensor([[1.0, 2.0]]).expand(3, 2)
    values.backward(cotangents)
    given = x.detach().double().numpy(), layer.weights.detach().double().numpy()
    expected = reference.values(circuit, *given)
    np.testing.assert_allclose(values.detach(), expected, atol=3e-6)
    by_inputs, by_weights = reference.gradients(circuit, *given, cotangents.double().numpy(), step=1e-7)
    np.testing.assert_allclose(x.grad, by_inputs, rtol=1e-3, atol=0.1)  # of products with 3e3
    np.testing.assert_allclose(layer.weights.grad, by_weights, atol=1e-3)
    if diff_method == "adjoint":
        found = expectation(circuit, x.detach().numpy(), layer.weights.detach().numpy())
        np.testing.assert_allclose(found, expected, atol=3e-6)


@pytest.mark.parametrize("function", [torch.nn.Module.__call__, expectation], ids=["torch", "JAX"])
def test_phases_of_states_in_single_precision(function):
    """Global phases that decompositions leave out are sums of large angles."""
    gates = [
        Gate("PhaseShift", (0,), slot) for slot in (WeightSlot(0), InputSlot(0, 0.3), Constant(1e7 + 0.3))
    ]
    circuit = Circuit(gates=gates, observables="state")
    layer = qproj.QuantumLayer(circuit=circuit)
    torch.nn.init.constant_(layer.weights, 1234567.0)
    x = torch.tensor([[345678.4], [-0.3]])
    if function is expectation:
        found = function(circuit, x.numpy(), layer.weights.detach().numpy())
    else:
        found = layer(x).detach()
    np.testing.assert_allclose(found, np.tile([1, 0], (2, 1)), atol=2e-6)  # of |0>, none


@pytest.mark.parametrize("observables", ["z", "state"])
def test_weights_of_double_precision_are_not_rounded(observables):
    """A layer of float64 whose inputs are float32, as after `layer.double()`, with large angles."""
    circuit = Circuit(2, 1, observables=observables)
    layer = qproj.QuantumLayer(circuit=circuit, generator=generator()).double()
    x = torch.randn(3, 2, generator=generator(1))
    with torch.no_grad():
        layer.weights += 4 * math.pi * 1e5
    expected = layer(x.double())
    found = layer(x)
    assert found.dtype == (torch.complex64 if circuit.is_state else torch.float32)
    torch.testing.assert_close(found.to(expected), expected, atol=1e-6, rtol=0)
    kernel = FidelityKernel(circuit, layer.weights.detach().numpy())
    np.testing.assert_allclose(kernel(x.numpy()), kernel(x.double().numpy()), atol=1e-6)
    assert torch.equal(layer.sample(x, 50, seed=1), layer.sample(x.double(), 50, seed=1))


@pytest.mark.parametrize("size", [1e19, 1e38, 1e-30, 1e-37])
def test_amplitudes_of_any_size(size):
    layer = qproj.QuantumLayer(2, 1, encoding="amplitude", generator=generator())
    amplitudes = torch.tensor([[0.3, 0.5, 0.7]])
    one, other = amplitudes.clone().requires_grad_(), (size * amplitudes).requires_grad_()
    values = layer(one), layer(other)
    torch.testing.assert_close(*values)
    for value in values:
        value[:, 0].sum().backward()
    torch.testing.assert_close(size * other.grad, one.grad)
    smallest = torch.tensor([[1e-45, 3e-45, 0, 1e-45]])
    torch.testing.assert_close(layer(smallest), layer(torch.tensor([[1.0, 2.0, 0.0, 1.0]])))


TOLERANCES = {torch.float64: 1e-6, torch.float32: 1e-5, torch.float16: 5e-3}
USAGE = st.fixed_dictionaries(
    {
        "transform": st.sampled_from(["plain", "vmap", "func.grad", "backward", "jvp", "checkpoint"]),
        "dtype": st.sampled_from(list(TOLERANCES)),
        "weights": st.sampled_from([torch.float32, torch.float64]),
        "layout": st.sampled_from(["contiguous", "transposed", "strided", "negative", "expanded"]),
        "mode": st.sampled_from([torch.enable_grad, torch.no_grad, torch.inference_mode]),
        "copied": st.booleans(),
        "rows": st.sampled_from([2, 3]),
        "seed": st.integers(0, 99),
    }
)
CIRCUIT = Circuit(2, 1, observables="xyz")


def laid_out(x, layout):
    match layout:
        case "transposed":
            return x.t().contiguous().t()
        case "strided":
            return x.repeat_interleave(2, 1)[:, ::2]
        case "negative":
            return torch._neg_view(-x)
        case "expanded":
            return x[:1].expand(x.shape)
    return x


def total(layer, cotangents, x):
    return (layer(x) * cotangents).sum()


@settings(max_examples=6)
@given(st.lists(USAGE, min_size=1, max_size=4))
def test_any_order_of_any_use_against_complex128(calls):
    layer = qproj.QuantumLayer(circuit=CIRCUIT, generator=generator())
    for call in calls:
        dtype, transform, rows = call["dtype"], call["transform"], call["rows"]
        layer = (copy.deepcopy(layer) if call["copied"] else layer).to(call["weights"])
        source = generator(call["seed"])
        x = laid_out(torch.randn(rows, 2, generator=source, dtype=torch.float64).to(dtype), call["layout"])
        cotangents = torch.randn(6, rows, generator=source, dtype=torch.float64).to(dtype).t()
        exact = x.resolve_neg().double().numpy(), layer.weights.detach().double().numpy()
        if transform in ("plain", "vmap"):
            expected = reference.values(CIRCUIT, *exact)
            with call["mode"]():
                found = layer(x) if transform == "plain" else vmap(layer)(x[:, None])[:, 0]
        else:
            by_x, by_weights = reference.gradients(CIRCUIT, *exact, cotangents.double().numpy())
        match transform:
            case "func.grad":
                found, expected = grad(partial(total, layer, cotangents))(x), by_x
            case "jvp":
                x = x.contiguous()  # torch makes no dual numbers of expanded tensors
                tangents = torch.ones(x.shape, dtype=dtype)
                found = jvp(partial(total, layer, cotangents), (x,), (tangents,))[1]
                expected = by_x.sum()
            case "backward" | "checkpoint":
                x = x.detach().requires_grad_()
                run = torch.utils.checkpoint.checkpoint
                values = run(layer, x, use_reentrant=False) if transform == "checkpoint" else layer(x)
                found, weights = torch.autograd.grad(values, (x, layer.weights), cotangents)
                expected = by_x
                assert weights.dtype == call["weights"]
                np.testing.assert_allclose(weights, by_weights, atol=10 * TOLERANCES[dtype])
        assert found.dtype == dtype
        np.testing.assert_allclose(found.detach().double(), expected, atol=4 * TOLERANCES[dtype])
