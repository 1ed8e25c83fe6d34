"""The PennyLane backend by itself: values and gradients on several devices, by every method."""

import gc
import weakref
from dataclasses import replace

import numpy as np
import pennylane as qml
import pytest
import torch

from qproj import QuantumLayer
from qproj.backends import get_backend
from qproj.backends.checks import check_memory
from qproj.backends.pennylane import NAMES, PennyLaneSampler
from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.circuits.gates import CHANNELS, GATES, GateKind
from qproj.planning.execution import Execution

from . import reference

RUNNERS = [
    ("default.qubit", "adjoint"),
    ("default.qubit", "backprop"),
    ("default.qubit", "parameter-shift"),
    ("lightning.qubit", "adjoint"),
    ("lightning.qubit", "parameter-shift"),
    ("default.mixed", "parameter-shift"),
]
CHEAP = [("default.qubit", "parameter-shift"), ("lightning.qubit", "adjoint"), ("default.qubit", "backprop")]
H = Hamiltonian((PauliWord("XY", (0, 1), 0.5), PauliWord("Z", (1,), -2.0), PauliWord("ZZ", (0, 1))))

# Every gate there is; angles of every sort, inputs and weights that occur more than once, scales.
EVERY_GATE = Circuit(
    gates=[
        Gate("Hadamard", (0,)),
        Gate("RX", (1,), InputSlot(0, 0.5)),
        Gate("RY", (2,), WeightSlot(0)),
        Gate("T", (0,)),
        Gate("CRX", (0, 1), InputSlot(1, -1.5)),
        Gate("CRY", (2, 0), WeightSlot(1, 2.0)),
        Gate("S", (1,)),
        Gate("CRZ", (1, 2), InputSlot(0, times=1)),
        Gate("RZ", (0,), Constant(0.3)),
        Gate("PauliX", (2,)),
        Gate("IsingXX", (0, 2), WeightSlot(1, 0.5)),
        Gate("IsingYY", (2, 1), InputSlot(1)),
        Gate("CNOT", (2, 0)),
        Gate("IsingZZ", (1, 0), InputSlot(0, 0.7)),
        Gate("PauliY", (0,)),
        Gate("PhaseShift", (0,), WeightSlot(2)),
        Gate("Toffoli", (0, 2, 1)),
        Gate("ControlledPhaseShift", (1, 2), InputSlot(0, -0.4, times=1)),
        Gate("PauliZ", (1,)),
        Gate("SWAP", (1, 2)),
        Gate("CZ", (0, 1)),
        Gate("CRX", (1, 0), WeightSlot(0, 0.8)),
    ],
    observables=[PauliWord("Z", (0,)), PauliWord("XYZ", (2, 0, 1), -0.5), H],
)

# What came later: several angles, excitations, matrices, identities.
OTHER_GATES = Circuit(
    gates=[
        Gate("Rot", 0, (InputSlot(0), WeightSlot(0), Constant(0.4))),
        Gate("U3", 1, (WeightSlot(1), InputSlot(1, 0.5), WeightSlot(0))),
        Gate("U2", 2, (InputSlot(0, times=1), WeightSlot(1))),
        Gate("U1", 3, WeightSlot(2)),
        Gate("QubitUnitary", (3, 1), matrix=reference.unitary(2)),
        Gate("SX", 3),
        Gate("DoubleExcitation", (2, 0, 3, 1), WeightSlot(0)),
        Gate("CY", (0, 3)),
        Gate("SingleExcitation", (1, 3), InputSlot(1)),
        Gate("CRot", (2, 1), (WeightSlot(2), Constant(-0.3), InputSlot(0))),
        Gate("CH", (1, 2)),
        Gate("SingleExcitationPlus", (0, 2), WeightSlot(1)),
        Gate("ISWAP", (0, 1)),
        Gate("DoubleExcitationMinus", (1, 2, 0, 3), WeightSlot(2, 0.5)),
        Gate("CCZ", (0, 2, 3)),
        Gate("IsingXY", (3, 0), WeightSlot(0)),
        Gate("ECR", (1, 0)),
        Gate("MultiRZ", (0, 2, 3), InputSlot(0)),
        Gate("SingleExcitationMinus", (2, 3), WeightSlot(0)),
        Gate("CSWAP", (3, 1, 2)),
        Gate("DoubleExcitationPlus", (0, 1, 2, 3), InputSlot(1)),
        Gate("SISWAP", (1, 3)),
        Gate("QubitUnitary", 0, matrix=reference.unitary(1)),
    ],
    observables=[
        PauliWord("XIZ", (0, 1, 3)),
        PauliWord("I", 2, 0.7),
        Hamiltonian((PauliWord("I", coefficient=-0.5), PauliWord("ZY", (2, 1)))),
    ],
)

AMPLITUDE = Circuit(2, 1, "amplitude", observables=[PauliWord("Z", (0,)), H])

CIRCUITS = {
    "every gate": EVERY_GATE,
    "other gates": OTHER_GATES,
    "iqp, uploaded again": Circuit(2, 2, "iqp", "basic_entangler_y", "xyz", reupload=True),
    "one Hamiltonian": Circuit(2, 1, observables=[H]),
    "one qubit": Circuit(1, 2, "angle_z"),
    "no inputs": Circuit(gates=[Gate("RX", (0,), WeightSlot(0)), Gate("CNOT", (0, 1))]),
    "no weights": Circuit(gates=[Gate("CRY", (1, 0), InputSlot(0)), Gate("RX", (1,), InputSlot(0))]),
    "nothing to train": Circuit(gates=[Gate("Hadamard", (0,)), Gate("RY", (0,), Constant(0.4))]),
    "idle wires": Circuit(
        4, gates=[Gate("CRX", (3, 1), WeightSlot(0)), Gate("RX", (3,), InputSlot(0))],
        observables=[PauliWord("Z", (1,)), PauliWord("Y", (3,))],
    ),
}  # fmt: skip


def features(circuit, x):
    """What a layer makes of its inputs."""
    if circuit.amplitudes:
        return x / torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    products = [slot.scale * x[:, slot.index] * x[:, slot.times] for slot in circuit.products]
    return torch.cat([x, *(column[:, None] for column in products)], dim=1)


def draw(circuit, batch=2, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape):
        return torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype)

    x, weights = normal(batch, circuit.n_inputs), normal(*circuit.weight_shape)
    return x.requires_grad_(), weights.requires_grad_(), normal(batch, circuit.n_outputs)


def run(backend, circuit, options, x, weights, cotangents):
    values = get_backend(backend).run(circuit, options, features(circuit, x), weights)
    gradients = torch.autograd.grad(values, (x, weights), cotangents)
    return values.detach(), *gradients


def compare(backend, circuit, options, tolerance=1e-8, dtype=torch.float64, batch=2, seed=0):
    x, weights, cotangents = draw(circuit, batch, seed, dtype)
    found = run(backend, circuit, options, x, weights, cotangents)
    x, weights, cotangents = (tensor.detach().double().numpy() for tensor in (x, weights, cotangents))
    wanted = (reference.values(circuit, x, weights), *reference.gradients(circuit, x, weights, cotangents))
    # Differences are not as near as values in double precision.
    near = [1e-13 if tolerance == 1e-8 else tolerance, tolerance, tolerance]
    for actual, expected, atol in zip(found, wanted, near, strict=True):
        assert actual.dtype == dtype
        np.testing.assert_allclose(actual, expected, atol=atol)


# --- Exact values.


@pytest.mark.parametrize(("backend", "diff_method"), RUNNERS)
@pytest.mark.parametrize("circuit", CIRCUITS.values(), ids=CIRCUITS)
def test_values_and_gradients(backend, diff_method, circuit):
    compare(backend, circuit, Execution(diff_method))


def test_a_device_of_few_gates_and_no_gradients():
    """`reference.qubit` writes gates, measurements and amplitudes as others, and splits scripts."""
    for circuit in (SAMPLED, AMPLITUDE):
        compare("reference.qubit", circuit, Execution(), batch=1)


def test_every_gate_is_in_the_circuit_of_every_gate():
    assert {gate.name for gate in EVERY_GATE.gates + OTHER_GATES.gates} == set(GATES)


@pytest.mark.parametrize(("backend", "diff_method"), CHEAP)
def test_methods_agree(backend, diff_method):
    """Tighter than finite differences can be."""
    drawn = draw(EVERY_GATE, 3, seed=4)
    expected = run("default.qubit", EVERY_GATE, Execution("adjoint"), *drawn)
    for actual, wanted in zip(
        run(backend, EVERY_GATE, Execution(diff_method), *drawn), expected, strict=True
    ):
        torch.testing.assert_close(actual, wanted, atol=1e-12, rtol=0)


@pytest.mark.parametrize(("backend", "diff_method"), CHEAP)
def test_single_precision_tensors(backend, diff_method):
    compare(backend, EVERY_GATE, Execution(diff_method), 1e-5, torch.float32)


@pytest.mark.parametrize("diff_method", ["adjoint", "parameter-shift"])
def test_single_precision_device(diff_method):
    device = qml.device("lightning.qubit", wires=3, c_dtype=np.complex64)
    compare(device, EVERY_GATE, Execution(diff_method), 1e-5)
    x, weights, _ = draw(EVERY_GATE)
    with torch.no_grad():
        values = [
            get_backend(d).run(EVERY_GATE, Execution(), features(EVERY_GATE, x), weights)
            for d in (device, "lightning.qubit")
        ]
    assert (values[0] - values[1]).abs().max() > 1e-12, "the device given was not the one used"


@pytest.mark.parametrize(("backend", "diff_method"), CHEAP)
@pytest.mark.parametrize("scale", [1e-12, 0.0])
def test_small_cotangents(backend, diff_method, scale):
    """Devices take 1e-8 for zero, but the gradient of a mean may well be smaller."""
    x, weights, cotangents = draw(EVERY_GATE)
    cotangents[0] = 0
    found = run(backend, EVERY_GATE, Execution(diff_method), x, weights, scale * cotangents)
    expected = run("default.qubit", EVERY_GATE, Execution("backprop"), x, weights, cotangents)
    for actual, wanted in zip(found[1:], expected[1:], strict=True):
        torch.testing.assert_close(actual, scale * wanted, atol=scale * 1e-10, rtol=0)
        assert not actual.isnan().any()


# --- Amplitudes.


@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
@pytest.mark.parametrize(
    ("backend", "diff_method"), [r for r in RUNNERS if r[1] != "adjoint"], ids=lambda name: name
)
def test_amplitudes(backend, diff_method, dtype):
    compare(backend, AMPLITUDE, Execution(diff_method), 1e-8 if dtype == torch.float64 else 1e-5, dtype)


def test_amplitudes_that_are_a_basis_state():
    """One of the shifted states is nothing at all, its opposite twice the state."""
    for basis in np.eye(4):
        x, weights, cotangents = draw(AMPLITUDE, 1)
        x = torch.from_numpy(basis[None]).requires_grad_()
        _, grad_x, grad_weights = run(
            "default.qubit", AMPLITUDE, Execution("parameter-shift"), x, weights, cotangents
        )
        expected = reference.gradients(AMPLITUDE, [basis], weights.detach().numpy(), cotangents.numpy())
        np.testing.assert_allclose(grad_x, expected[0], atol=1e-8)
        np.testing.assert_allclose(grad_weights, expected[1], atol=1e-8)


def test_gradient_of_amplitudes_is_that_of_the_quadratic_form():
    """On all methods alike, before the layer's normalisation has its say."""
    x, weights, cotangents = draw(AMPLITUDE)
    c = features(AMPLITUDE, x).detach()
    found = []
    for diff_method in ("parameter-shift", "backprop"):
        leaf = c.clone().requires_grad_()
        values = get_backend("default.qubit").run(AMPLITUDE, Execution(diff_method), leaf, weights)
        (gradient,) = torch.autograd.grad(values, leaf, cotangents)
        # Of degree two: Euler says that c times the gradient is twice the value.
        torch.testing.assert_close((c * gradient).sum(1), 2 * (values * cotangents).sum(1).detach())
        found.append(gradient)
    torch.testing.assert_close(*found, atol=1e-12, rtol=0)


@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit"])
def test_adjoint_of_amplitudes(backend):
    """It differentiates the weights only."""
    x, weights, cotangents = draw(AMPLITUDE)
    get_backend(backend).check(AMPLITUDE, Execution("adjoint"))
    c = features(AMPLITUDE, x)
    with pytest.raises(ValueError, match=r"must be 'parameter-shift' where .* 'adjoint'.*backend='jax'"):
        get_backend(backend).run(AMPLITUDE, Execution("adjoint"), c, weights)
    values = get_backend(backend).run(AMPLITUDE, Execution("adjoint"), c.detach(), weights)
    (gradient,) = torch.autograd.grad(values, weights, cotangents)
    expected = reference.gradients(
        AMPLITUDE, x.detach().numpy(), weights.detach().numpy(), cotangents.numpy()
    )
    np.testing.assert_allclose(gradient, expected[1], atol=1e-8)
    with torch.no_grad():
        again = get_backend(backend).run(AMPLITUDE, Execution("adjoint"), c, weights)
    torch.testing.assert_close(again, values.detach())


# --- What is run: no more than is needed.


def executed(monkeypatch, backend, circuit, options, x, weights, cotangents=None):
    """How many rows each call of the sampler's was given: forward first, then backward."""
    counts, original = [], PennyLaneSampler.run

    def run(self, bound, execution):
        counts.append(len(bound))
        return original(self, bound, execution)

    monkeypatch.setattr(PennyLaneSampler, "run", run)
    values = get_backend(backend).run(circuit, options, features(circuit, x), weights)
    if values.requires_grad:
        values.backward(torch.ones_like(values) if cotangents is None else cotangents)
    return counts


@pytest.mark.parametrize(
    ("needs", "counts"),
    # Inputs: two-term rules for RX, IsingYY, IsingZZ and ControlledPhaseShift, four-term for CRX and CRZ.
    # Weights: two-term for RY, IsingXX and PhaseShift, four-term for CRY and CRX.
    [
        ((True, True), [3, 3 * 30]),
        ((True, False), [3, 3 * 16]),
        ((False, True), [3, 3 * 14]),
        ((False, False), [3]),
    ],
)
def test_shifts_only_what_needs_a_gradient(monkeypatch, needs, counts):
    x, weights, _ = draw(EVERY_GATE, 3)
    tensors = [t.detach().requires_grad_(need) for t, need in zip((x, weights), needs, strict=True)]
    assert (
        executed(monkeypatch, "lightning.qubit", EVERY_GATE, Execution("parameter-shift"), *tensors) == counts
    )
    expected = run("lightning.qubit", EVERY_GATE, Execution("adjoint"), x, weights, torch.ones(3, 3).double())
    for tensor, need, wanted in zip(tensors, needs, expected[1:], strict=True):
        if need:
            torch.testing.assert_close(tensor.grad, wanted, atol=1e-12, rtol=0)
        else:
            assert tensor.grad is None


def test_shifts_of_amplitudes_only_where_they_need_a_gradient(monkeypatch):
    circuit = Circuit(2, 1, "amplitude", "basic_entangler")
    x, weights, _ = draw(circuit)
    options = Execution("parameter-shift")
    assert executed(monkeypatch, "default.qubit", circuit, options, x, weights) == [2, 2 * (4 + 8)]
    assert executed(monkeypatch, "default.qubit", circuit, options, x.detach(), weights) == [2, 2 * 4]


def test_samples_that_the_loss_leaves_out_cost_nothing(monkeypatch):
    circuit = Circuit(2, 1)
    cotangents = torch.tensor([[0.0, 1.0], [0.0, 0.0], [1.0, 0.0]], dtype=torch.float64)
    counts = executed(
        monkeypatch,
        "lightning.qubit",
        circuit,
        Execution("parameter-shift"),
        *draw(circuit, 3)[:2],
        cotangents,
    )
    assert counts == [3, 2 * 2 * (2 + 6)]


def test_chunks(monkeypatch):
    """However many scripts: a device gets some at a time, and no gradient is lost at a seam."""
    x, weights, cotangents = draw(EVERY_GATE, 3)
    options = Execution("parameter-shift")
    whole = run("lightning.qubit", EVERY_GATE, options, x, weights, cotangents)
    few = replace(NAMES["lightning.qubit"], batches=7)
    monkeypatch.setattr(PennyLaneSampler, "capabilities", few)
    device, sizes = qml.device("lightning.qubit", wires=3), []
    execute = device.execute
    monkeypatch.setattr(device, "execute", lambda *a: sizes.append(len(a[0])) or execute(*a))
    for part, all_at_once in zip(
        run(device, EVERY_GATE, options, x, weights, cotangents), whole, strict=True
    ):
        torch.testing.assert_close(part, all_at_once, atol=1e-13, rtol=0)
    assert max(sizes) == 7
    assert sum(sizes) == 3 + 3 * 30


# --- Second derivatives.


@pytest.mark.parametrize("diff_method", ["adjoint", "parameter-shift"])
def test_second_derivatives_are_refused(diff_method):
    circuit = Circuit(2, 1)
    x, weights, _ = draw(circuit)
    values = get_backend("default.qubit").run(circuit, Execution(diff_method), x, weights)
    (gradient,) = torch.autograd.grad(values.sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="Second derivatives of a quantum layer are not available"):
        gradient.square().sum().backward()


@pytest.mark.parametrize("diff_method", ["backprop", "best"])
def test_second_derivatives_by_backpropagation(diff_method):
    circuit = Circuit(1, 1, "angle_x", "basic_entangler")  # cos(x + w)
    x, weights, _ = draw(circuit, 1)
    values = get_backend("default.qubit").run(circuit, Execution(diff_method), x, weights)
    (first,) = torch.autograd.grad(values.sum(), x, create_graph=True)
    (second,) = torch.autograd.grad(first.sum(), x)
    torch.testing.assert_close(second, -torch.cos(x + weights).detach())


# --- Shots.

SHOTS = 4000
SAMPLED = Circuit(
    gates=[
        Gate("RY", (0,), InputSlot(0)),
        Gate("CRX", (0, 1), WeightSlot(0, 0.8)),
        Gate("RX", (0,), InputSlot(0, times=0)),
        Gate("RY", (1,), WeightSlot(1)),
    ],
    observables=[PauliWord("Z", (0,)), PauliWord("XY", (1, 0)), Hamiltonian([PauliWord("Z", (1,), 0.5)])],
)


@pytest.mark.parametrize("name", ["default.qubit", "lightning.qubit", "default.mixed", "reference.qubit"])
def test_shots(name):
    """Values and gradients scatter about the exact ones as much as so many shots must, and do scatter."""
    x, weights, cotangents = draw(SAMPLED, 2, seed=8)
    device = qml.device(name, wires=2, seed=11)
    found = run(device, SAMPLED, Execution(shots=SHOTS), x, weights, cotangents)
    exact = run("default.qubit", SAMPLED, Execution("adjoint"), x, weights, cotangents)
    # The values of a Pauli word scatter by at most 1 / sqrt(shots). A gradient adds, over shifts and outputs,
    # coefficient * cotangent * that; two angles a parameter at most, and 1.25 bounds the derivative by x.
    value_error = 1 / np.sqrt(SHOTS)
    gradient_error = value_error * 4 * 1.25 * cotangents.abs().sum().item()
    for actual, wanted, error in zip(found, exact, [value_error] + [gradient_error] * 2, strict=True):
        assert (actual - wanted).abs().max() < 5 * error
        assert (actual - wanted).abs().max() > 1e-6


def test_shots_of_amplitudes():
    x, weights, cotangents = draw(AMPLITUDE)
    device = qml.device("default.qubit", wires=2, seed=3)
    found = run(device, AMPLITUDE, Execution(shots=SHOTS), x, weights, cotangents)
    exact = run("default.qubit", AMPLITUDE, Execution(), x, weights, cotangents)
    for actual, wanted, size in zip(found, exact, [3.5, 30, 30], strict=True):
        assert (actual - wanted).abs().max() < 5 * size / np.sqrt(SHOTS)


def test_seeded_devices_repeat():
    x, weights, cotangents = draw(SAMPLED)
    first, same, other = (
        run(qml.device("default.qubit", seed=seed), SAMPLED, Execution(shots=50), x, weights, cotangents)
        for seed in (1, 1, 2)
    )
    for a, b, c in zip(first, same, other, strict=True):
        assert a.equal(b)
        assert not a.equal(c)


def own_shots(shots):
    """Deprecated in PennyLane, but there."""
    with pytest.warns(qml.exceptions.PennyLaneDeprecationWarning):
        return qml.device("default.qubit", wires=2, shots=shots, seed=1)


def test_shots_of_the_device():
    device = own_shots(10)
    x, weights, _ = draw(SAMPLED)
    backend = get_backend(device)
    values = backend.run(SAMPLED, Execution(), features(SAMPLED, x), weights)[:, 0]
    torch.testing.assert_close(values * 10, (values * 10).round())
    more = backend.run(SAMPLED, Execution(shots=1000), features(SAMPLED, x), weights)[:, 0]
    torch.testing.assert_close(more * 1000, (more * 1000).round())
    with pytest.raises(ValueError, match=r"'best', 'parameter-shift' .*shots=10, but was 'adjoint'"):
        backend.check(SAMPLED, Execution("adjoint"))
    parts = get_backend(own_shots((5, 10)))
    with pytest.raises(ValueError, match="backend must be a device with one number of shots"):
        parts.check(SAMPLED, Execution())
    parts.check(SAMPLED, Execution(shots=5))


# --- What a device is, and what is best on it.


@pytest.mark.parametrize(
    ("name", "options", "plain", "amplitudes"),
    [
        ("default.qubit", Execution(), "backprop", "backprop"),
        ("lightning.qubit", Execution(), "adjoint", "parameter-shift"),
        ("default.mixed", Execution(), "parameter-shift", "parameter-shift"),
        ("default.qubit", Execution(shots=9), "parameter-shift", "parameter-shift"),
        ("lightning.qubit", Execution(shots=9), "parameter-shift", "parameter-shift"),
    ],
)
def test_best(name, options, plain, amplitudes):
    for circuit, needed, method in [
        (EVERY_GATE, False, plain),
        (AMPLITUDE, False, plain),
        (AMPLITUDE, True, amplitudes),
    ]:
        assert get_backend(name).plan(circuit, options, amplitudes_need_gradient=needed)[2] == method


def test_names_give_the_same_backend():
    assert get_backend("default.qubit") is get_backend("default.qubit")
    backend = get_backend("lightning.qubit")
    for n_qubits in (3, 1, 2):
        compare("lightning.qubit", Circuit(n_qubits, 1), Execution())
    assert get_backend("lightning.qubit") is backend


def test_a_device_is_used_as_it_is():
    device = qml.device("default.qubit", wires=3)
    with qml.Tracker(device) as tracker:
        compare(device, Circuit(3, 1), Execution("parameter-shift"), batch=1)
    assert tracker.totals["executions"] > 1


@pytest.mark.parametrize("wires", [None, 5, ["a", "b", "c"], [2, 0, 1], [7, 3, "x", 1]], ids=str)
@pytest.mark.parametrize(("name", "diff_method"), CHEAP)
def test_wires_by_any_name(name, diff_method, wires):
    circuit = Circuit(3, 1, "angle_x", "simplified_two_design", "zz")
    compare(qml.device(name, wires=wires), circuit, Execution(diff_method), batch=1)


def test_devices_are_not_kept():
    device = qml.device("default.qubit", wires=3)
    compare(device, Circuit(3, 1), Execution("adjoint"), batch=1)
    kept = weakref.ref(device)
    del device
    gc.collect()
    assert kept() is None


def test_in_place_change_before_backward_is_noticed():
    circuit = Circuit(2, 1)
    x, weights, _ = draw(circuit)
    inputs = x.detach().clone()
    values = get_backend("default.qubit").run(circuit, Execution("adjoint"), inputs, weights)
    inputs += 1
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        values.sum().backward()


def test_backward_twice():
    x, weights, cotangents = draw(EVERY_GATE)
    for diff_method in ("adjoint", "parameter-shift"):
        values = get_backend("lightning.qubit").run(
            EVERY_GATE, Execution(diff_method), features(EVERY_GATE, x), weights
        )
        # Another run on the same device in between must not matter.
        compare("lightning.qubit", EVERY_GATE, Execution(diff_method), seed=9, batch=1)
        first, second = (
            torch.autograd.grad(values, weights, cotangents, retain_graph=True)[0] for _ in range(2)
        )
        assert first.equal(second)
        expected = run("default.qubit", EVERY_GATE, Execution("backprop"), x, weights, cotangents)[2]
        torch.testing.assert_close(first, expected, atol=1e-12, rtol=0)


# --- Errors.


@pytest.mark.parametrize(
    ("backend", "options", "error", "message"),
    [
        ("default.qubit", Execution("spsa"), ValueError,
         "diff_method must be one of 'adjoint', 'backprop', "),
        ("lightning.qubit", Execution("backprop"), ValueError,
         "diff_method must be one of 'best', 'adjoint', 'parameter-shift' on PennyLane device "
         r"'lightning.qubit', but was 'backprop'\."),
        ("default.mixed", Execution("adjoint"), ValueError,
         "must be one of 'best', 'parameter-shift' on .*'default.mixed', but was 'adjoint'"),
        ("default.mixed", Execution("backprop"), ValueError,
         "must be one of 'best', 'parameter-shift' on .*'default.mixed', but was 'backprop'"),
        ("reference.qubit", Execution("adjoint"), ValueError, "must be one of 'best', 'parameter-shift' on"),
        ("default.qubit", Execution("adjoint", shots=5), ValueError,
         "must be one of 'best', 'parameter-shift' on .* with shots=5, but was 'adjoint'"),
        ("default.qubit", Execution("backprop", shots=5), ValueError, "with shots=5, but was 'backprop'"),
        ("default.qubit", Execution(shots=0), ValueError, "shots must be at least 1, or None .*, but was 0"),
        ("default.qubit", Execution(shots=-3), ValueError, "shots must be at least 1"),
        ("default.qubit", Execution(shots=10.0), TypeError, r"shots must be an int or None, but was 10\.0"),
        ("default.qubit", Execution(shots=True), TypeError, "shots must be an int or None, but was True"),
        ("default.qubit", Execution(strategy="dense"), ValueError,
         "strategy must be 'auto' on .*'default.qubit', but was 'dense': strategy is for backend 'jax'"),
    ],
)  # fmt: skip
def test_check(backend, options, error, message):
    circuit = Circuit(2, 1)
    with pytest.raises(error, match=message):
        get_backend(backend).check(circuit, options)
    x, weights, _ = draw(circuit)
    with pytest.raises(error, match=message):
        get_backend(backend).run(circuit, options, x, weights)


@pytest.mark.parametrize(
    ("backend", "options"),
    [
        *((backend, Execution(method)) for backend, method in RUNNERS),
        *((name, Execution()) for name in NAMES),
        ("reference.qubit", Execution(shots=1)),
    ],
)
def test_check_passes(backend, options):
    assert get_backend(backend).check(EVERY_GATE, options) is None


def test_a_density_matrix_that_does_not_fit_is_refused_in_bytes():
    message = r"at most \d+ on .* 'default.mixed' on this machine, but was 22: .* take 512\.0 TiB, and"
    with pytest.raises(ValueError, match=message):
        get_backend("default.mixed").check(Circuit(22, 1), Execution())
    with pytest.raises(ValueError, match=r"at most 10 .* take 128\.0 MiB, and there are 32\.0 MiB"):
        check_memory("it", NAMES["default.mixed"], 11, limit=2**25)
    check_memory("it", NAMES["default.mixed"], 10, limit=2**25)
    get_backend("lightning.qubit").check(Circuit(22, 1), Execution())


def test_too_few_wires():
    backend = get_backend(qml.device("default.qubit", wires=2))
    with pytest.raises(ValueError, match=r"at least 3 wires.* but .*'default.qubit' has 2.*wires=3"):
        backend.check(EVERY_GATE, Execution())


@pytest.mark.parametrize("backend", [None, 3, object(), qml, qml.devices.DefaultQubit])
def test_neither_name_nor_device(backend):
    with pytest.raises(TypeError, match=r"backend must be a str, .* PennyLane device, but was"):
        get_backend(backend)


def test_what_a_device_says_names_the_device():
    class Broken(qml.devices.DefaultQubit):
        def execute(self, circuits, execution_config=None):
            raise OSError("the cable is out")

    circuit = Circuit(2, 1)
    x, weights, _ = draw(circuit)
    for diff_method in ("adjoint", "backprop", "parameter-shift"):
        backend = get_backend(Broken(wires=2))
        with pytest.raises(RuntimeError, match=r"'default.qubit' could not run .*OSError: the cable is out"):
            backend.run(circuit, Execution(diff_method), x, weights)


def test_gates_and_channels_that_pennylane_lacks(monkeypatch):
    """Products are written out, channels as Kraus operators; what is neither is refused by name."""
    flipped = np.array([np.eye(2), [[0, -1j], [1j, 0]]])
    kinds = {"XX": GATES["IsingXX"], "Flip": GateKind(1, permutation=(1, 0))}
    channel = GateKind(1, branches=lambda _, p: ([1 - p, p], flipped), strengths=("p",))
    monkeypatch.setattr(GATES, "_entries", GATES._entries | kinds)
    monkeypatch.setattr(CHANNELS, "_entries", CHANNELS._entries | {"BitPhaseFlip": channel})
    gates = [Gate("XX", (0, 1), InputSlot(0)), Gate("BitPhaseFlip", (1,), Constant(0.2))]
    device = qml.device("default.mixed", wires=2)
    layer = QuantumLayer(circuit=Circuit(gates=gates), backend=device)
    torch.testing.assert_close(layer(torch.tensor([[0.7]])), torch.tensor([[1.0, 0.6]]) * np.cos(0.7))
    with pytest.raises(ValueError, match=r"gates must be of .* on this backend, .* gate 0 is Flip on wires"):
        QuantumLayer(circuit=Circuit(gates=[Gate("Flip", (0,))]), backend=device)


def test_adjoint_where_the_device_rewrites_gates():
    """Then PennyLane forgets which angle is which; better an error than another angle's gradient."""

    class Rewriting(qml.devices.DefaultQubit):
        def preprocess_transforms(self, execution_config=None):
            pipeline = super().preprocess_transforms(execution_config)
            pipeline.add_transform(
                qml.devices.preprocess.decompose,
                stopping_condition=lambda op: op.name != "CRX",
                target_gates={"RX", "RY", "RZ", "CNOT", "Hadamard"},
            )
            return pipeline

    device = Rewriting(wires=3)
    x, weights, _ = draw(EVERY_GATE)
    with pytest.raises(ValueError, match=r"must be 'parameter-shift' for this circuit .*'adjoint'"):
        get_backend(device).run(EVERY_GATE, Execution("adjoint"), features(EVERY_GATE, x), weights)
    compare(device, EVERY_GATE, Execution("parameter-shift"), batch=1)
