"""The device `qproj.statevector`: complex amplitudes, measurements and gradients against default.qubit's."""

import functools
import threading
from collections import OrderedDict
from unittest import mock

import jax
import numpy as np
import pennylane as qml
import pytest
import torch
from pennylane import numpy as pnp
from pennylane.devices import ExecutionConfig
from pennylane.exceptions import DeviceError, WireError

from qproj.circuits import Circuit
from qproj.execution import cache, programs
from qproj.interop import execution, tapes, warmth
from qproj.interop.tapes import NATIVE

NAME = "qproj.statevector"

# PennyLane 0.45 uses names that JAX 0.10 is about to drop.
pytestmark = pytest.mark.filterwarnings("ignore:jax.core:DeprecationWarning")


# The engine runs a circuit from its first run on, not PennyLane's simulator.
compiled = mock.patch.object(warmth, "SECONDS", 0.0)


def both(function, wires=3, **options):
    """The same circuit here and on PennyLane's own simulator."""
    return [qml.QNode(function, qml.device(name, wires=wires), **options) for name in (NAME, "default.qubit")]


def same_results(function, *arguments, wires=3, tolerance=1e-12):
    found, expected = (qnode(*arguments) for qnode in both(function, wires))
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


def scrambled(wires=3):
    """A state without a zero amplitude or a symmetry."""
    for wire in range(wires):
        qml.RY(0.4 + wire, wire)
        qml.RX(1.1 - 0.3 * wire, wire)


# --- States.


@pytest.mark.parametrize("cached", [False, True])
def test_numpy_integers_as_wires(cached):
    """Whatever was cached before, by the same circuit on Python's integers or by none."""
    angles = np.array([0.3, 1.1, -0.4])

    def circuit(wires, pair):
        for wire in wires:
            qml.RY(angles[wire], wires=wire)
        qml.CNOT(wires=pair)
        qml.CRX(0.7, wires=pair[::-1])
        return qml.expval(qml.Z(wires[1]) @ qml.X(wires[2])), qml.probs(wires=pair), qml.state()

    tapes._circuit.cache_clear()
    if cached:
        same_results(circuit, range(3), [0, 1])
    same_results(circuit, np.arange(3), np.array([0, 1]))
    if not cached:
        same_results(circuit, range(3), [0, 1])


@compiled
def test_amplitudes_of_all_gates_on_the_engine():
    """In one circuit, some also backwards, phases included, with two angles each."""
    rng, chosen = np.random.default_rng(0), []
    for name in sorted(NATIVE):
        kind = getattr(qml, name)
        wires = rng.permutation(4)[: kind.num_wires or 2].tolist()
        chosen.append(kind(*rng.normal(size=(kind.num_params, 2)), wires=wires))

    def circuit():
        scrambled(4)
        for operation in [*map(qml.adjoint, chosen[::6]), *chosen]:
            qml.apply(operation)
        return qml.state()

    same_results(circuit, wires=4, tolerance=1e-10)


RNG = np.random.default_rng(0)
TEMPLATES = {
    "QFT": lambda: qml.QFT(wires=range(3)),
    "StronglyEntanglingLayers": lambda: qml.StronglyEntanglingLayers(np.ones((2, 3, 3)), wires=range(3)),
    "IQPEmbedding": lambda: qml.IQPEmbedding([0.1, 0.2, 0.3], wires=range(3), n_repeats=2),
    "GroverOperator": lambda: qml.GroverOperator(wires=range(3)),
    "QubitUnitary, 1": lambda: qml.QubitUnitary(qml.math.expm(1j * np.array([[1, 2j], [-2j, 0.5]])), 1),
    "QubitUnitary, 3": lambda: qml.QubitUnitary(qml.matrix(qml.QFT, wire_order=range(3))(range(3)), range(3)),
    "DiagonalQubitUnitary": lambda: qml.DiagonalQubitUnitary(np.exp(1j * np.arange(4)), [0, 2]),
    "ctrl": lambda: qml.ctrl(qml.Rot(0.1, 0.2, 0.3, wires=2), control=[0, 1], control_values=[1, 0]),
    "adjoint": lambda: qml.adjoint(qml.QFT)(wires=range(3)),
    "pow": lambda: qml.pow(qml.S(1), 3),
    "PauliRot": lambda: qml.PauliRot(0.7, "XYZ", wires=range(3)),
    "BlockEncode": lambda: qml.BlockEncode(np.array([[0.1, 0.2], [0.3, 0.4]]), wires=[0, 2]),
    "TrotterProduct": lambda: qml.TrotterProduct(qml.X(0) @ qml.Y(1) + 0.3 * qml.Z(2), 0.7, n=2),
    "StatePrep": lambda: qml.StatePrep(np.array([1, 1j, -2, 0.5]) / 2.5, wires=[2, 0]),
    "AmplitudeEmbedding": lambda: qml.AmplitudeEmbedding([1, 2, 3], [1, 0], pad_with=1j, normalize=True),
    "BasisState": lambda: qml.BasisState([1, 0, 1], wires=range(3)),
    "nothing": lambda: None,
}


@pytest.mark.parametrize("template", TEMPLATES)
def test_amplitudes_of_templates(template):
    def circuit():
        TEMPLATES[template]()
        if template not in ("StatePrep", "AmplitudeEmbedding", "BasisState"):
            return qml.state()
        qml.CRY(0.3, wires=[0, 1])
        qml.T(2)
        return qml.state()

    same_results(circuit, tolerance=1e-10)


# --- Measurements.

HAMILTONIAN = qml.Hamiltonian([0.5, -2.0, 0.3], [qml.X(0) @ qml.Y(1), qml.Z(2), qml.Identity(0)])
MEASUREMENTS = {
    "expval": lambda: qml.expval(qml.X(0) @ qml.Z(2)),
    "Hamiltonian": lambda: qml.expval(HAMILTONIAN),
    "sum": lambda: qml.expval(0.5 * (qml.X(0) + qml.Y(1)) @ qml.Z(2) - qml.Y(0) @ qml.X(0) * 1j),
    "identity": lambda: qml.expval(qml.Identity(1)),
    "several": lambda: [qml.expval(qml.X(1)), qml.expval(HAMILTONIAN), qml.expval(qml.X(1) @ qml.Y(2))],
    "mixed": lambda: [qml.expval(qml.X(1)), qml.probs(wires=[2, 0]), qml.var(qml.Y(0))],
    "Hermitian": lambda: qml.expval(qml.Hermitian([[1, 2j], [-2j, 0.3]], 1)),
    "Projector": lambda: qml.expval(qml.Projector([0, 1], [0, 2])),
    "Hadamard": lambda: qml.expval(qml.Hadamard(1)),
    "probs of an observable": lambda: qml.probs(op=qml.Y(1)),
    "density matrix": lambda: qml.density_matrix([0, 2]),
    "purity": lambda: qml.purity(0),
    "entropy": lambda: qml.vn_entropy([0]),
    "mutual information": lambda: qml.mutual_info([0], [1, 2]),
}


@pytest.mark.parametrize("measurement", MEASUREMENTS)
@pytest.mark.parametrize("batched", [False, True])
def test_exact_measurements(measurement, batched):
    def circuit(angle):
        scrambled()
        qml.IsingXX(angle, wires=[0, 1])
        qml.CRY(0.3, wires=[1, 2])
        return MEASUREMENTS[measurement]()

    same_results(circuit, np.array([0.3, -0.9, 2.0]) if batched else 0.3)


@compiled
def test_exact_measurements_on_the_engine():
    def gates(angle):
        scrambled()
        qml.IsingXX(angle, wires=[0, 1])
        qml.GlobalPhase(angle)
        qml.CRY(0.3, wires=np.array([1, 2]))

    def everything(angle):
        gates(angle)
        return qml.probs(wires=[2, 0]), qml.var(qml.Y(0)), qml.vn_entropy([0]), qml.state()

    def words(angle):
        gates(angle)
        return MEASUREMENTS["several"]()

    angle = np.array([0.3, -0.9, 2.0])
    same_results(everything, angle)
    same_results(words, angle)


@pytest.mark.parametrize("labels", [["a", "b", 7], [2, 0, 1]])
def test_wires_by_any_name(labels):
    def circuit():
        for i, label in enumerate(labels):
            qml.RY(0.3 + i, wires=label)
        qml.CNOT(wires=labels[1:])
        return qml.expval(qml.X(labels[0]) @ qml.Z(labels[2])), qml.state(), qml.probs(wires=labels[::-1])

    same_results(circuit, wires=labels)


def test_wires_from_the_circuit():
    @qml.qnode(qml.device(NAME))
    def circuit():
        qml.RX(0.4, wires="x")
        return qml.expval(qml.Z("x")), qml.probs(wires=["x", "y"])

    value, probabilities = circuit()
    np.testing.assert_allclose(value, np.cos(0.4), atol=1e-15)
    np.testing.assert_allclose(probabilities, [np.cos(0.2) ** 2, 0, np.sin(0.2) ** 2, 0], atol=1e-15)


@compiled
def test_states_prepared_for_a_batch():
    starts = RNG.normal(size=(3, 4)) + 1j * RNG.normal(size=(3, 4))
    starts /= np.linalg.norm(starts, axis=1, keepdims=True)

    def circuit(angle):
        qml.StatePrep(starts, wires=[0, 1])
        qml.CRX(angle, wires=[0, 1])
        return qml.expval(qml.Y(1)), qml.expval(qml.X(0) @ qml.Y(1))

    same_results(circuit, 0.4, wires=2)
    same_results(circuit, np.array([0.4, 0.5, -0.6]), wires=2)


def test_measurements_in_the_middle_are_deferred():
    def circuit():
        qml.RY(0.7, 0)
        qml.cond(qml.measure(0, reset=True), qml.RX)(0.5, 1)
        return qml.expval(qml.Y(1)), qml.expval(qml.Z(0))

    same_results(circuit, wires=4)


def test_measurements_in_the_middle_take_wires_of_their_own():
    """A device of two wires measures one of them twice, and its probabilities are of the two."""

    def twice(wires):
        qml.RY(0.9, 0)
        first = qml.measure(0)
        qml.cond(first, qml.RX)(0.4, 1)
        qml.RY(0.7, 0)
        second = qml.measure(0, reset=True)
        return qml.probs(wires=wires), qml.expval(first * second), qml.probs(op=[first, second])

    device = qml.device(NAME, wires=2, seed=1)
    expected = np.hstack(qml.QNode(twice, qml.device("default.qubit"))([0, 1]))
    np.testing.assert_allclose(np.hstack(qml.QNode(twice, device)(None)), expected, atol=1e-12)
    drawn = qml.set_shots(qml.QNode(twice, device), 4000)(None)
    np.testing.assert_allclose(np.hstack(drawn), expected, atol=0.04)
    with pytest.raises(WireError, match=r"not found on the device: \{2\}"):
        qml.QNode(lambda: qml.expval(qml.Z(2)), device)()


@pytest.mark.parametrize("c_dtype", [np.complex64, np.complex128])
@compiled
def test_precision(c_dtype):
    device = qml.device(NAME, wires=2, c_dtype=c_dtype)

    @qml.qnode(device)
    def circuit():
        qml.RX(0.3, 0)
        qml.CNOT([0, 1])
        return qml.state()

    assert circuit().dtype == c_dtype
    error = np.abs(circuit() - [np.cos(0.15), 0, 0, -1j * np.sin(0.15)]).max()
    assert error < (1e-6 if c_dtype == np.complex64 else 1e-15)
    with pytest.raises(ValueError, match=r"c_dtype must be np\.complex64 or .*, but was 'float32'"):
        qml.device(NAME, wires=1, c_dtype="float32")


@compiled
def test_configuration_of_jax_is_left_alone():
    @qml.qnode(qml.device(NAME, wires=1))
    def circuit(x):
        qml.RX(x, 0)
        return qml.expval(qml.Z(0))

    found = []
    thread = threading.Thread(target=lambda: found.append(circuit(0.3)))
    thread.start()
    thread.join()
    np.testing.assert_allclose(found + [circuit(0.3)], [np.cos(0.3)] * 2, atol=1e-15)
    assert not jax.config.jax_enable_x64
    assert jax.numpy.zeros(1).dtype == "float32"


# --- Samples.


def sampled(measure, shots, seed=None, **options):
    device = qml.device(NAME, wires=2, seed=seed, **options)

    @qml.set_shots(shots)
    @qml.qnode(device)
    def circuit(x):
        qml.RY(x, 0)
        qml.CNOT([0, 1])
        return measure()

    return circuit


def test_shots_estimate_what_is_exact():
    measure = [lambda: qml.expval(qml.Z(1)), lambda: qml.var(qml.Z(0)), lambda: qml.probs(wires=[0, 1])]
    exact = [np.cos(0.8), np.sin(0.8) ** 2, [np.cos(0.4) ** 2, 0, 0, np.sin(0.4) ** 2]]
    for function, expected in zip(measure, exact, strict=True):
        np.testing.assert_allclose(sampled(function, 20_000, seed=1)(0.8), expected, atol=0.03)
    counts = sampled(qml.counts, 1000, seed=1)(0.8)
    assert set(counts) == {"00", "11"}
    assert sum(counts.values()) == 1000


def test_shapes_of_samples():
    batch = np.array([0.1, 0.2, 0.3])
    assert sampled(qml.sample, 50)(0.3).shape == (50, 2)
    assert sampled(qml.sample, 50)(batch).shape == (3, 50, 2)
    few, many = sampled(qml.sample, [10, 20])(0.3)
    assert (few.shape, many.shape) == ((10, 2), (20, 2))
    assert [np.shape(v) for v in sampled(lambda: qml.expval(qml.Z(0)), [10, 20])(batch)] == [(3,), (3,)]
    shadow = sampled(lambda: qml.classical_shadow([0, 1]), 40)
    assert np.shape(shadow(0.3)) == (2, 40, 2)
    assert np.shape(shadow(batch)) == (3, 2, 40, 2)


def test_a_seed_repeats_the_samples():
    runs = [[circuit(0.8), circuit(0.8)] for circuit in (sampled(qml.sample, 50, seed) for seed in (3, 3, 4))]
    np.testing.assert_array_equal(runs[0], runs[1])
    assert not np.array_equal(runs[0], runs[2])
    assert not np.array_equal(runs[0][0], runs[0][1])


# --- Gradients.


def weighted(x, weights):
    """Expectation values that every parameter matters to."""
    qml.AngleEmbedding(x, wires=range(3), rotation="Y")
    qml.StronglyEntanglingLayers(weights, wires=range(3))
    qml.U3(weights[0, 0, 0], x[..., 0], weights[0, 0, 1], wires=1)
    qml.PhaseShift(weights[0, 1, 0], 2)
    qml.CRot(*weights[0, 2], wires=[2, 0])
    qml.SingleExcitation(x[..., 1], wires=[0, 1])
    qml.GlobalPhase(weights[0, 0, 0])
    return qml.expval(qml.X(0)), qml.expval(HAMILTONIAN), qml.expval(qml.Y(1) @ qml.Z(2))


X, BATCH = np.array([0.3, -0.8, 1.2]), np.array([[0.3, -0.8, 1.2], [0.1, 0.7, -2.0]])
WEIGHTS = RNG.normal(size=(1, 3, 3))
COTANGENTS = (0.7, -1.1, 0.4)
METHODS = ["best", "adjoint", "device", "parameter-shift", "finite-diff"]


def loss(qnode, x, weights):
    values = qnode(x, weights)
    return sum(factor * value.sum() for factor, value in zip(COTANGENTS, values, strict=True))


def torch_gradients(qnode, x):
    x, weights = (torch.tensor(array, requires_grad=True) for array in (x, WEIGHTS))
    loss(qnode, x, weights).backward()
    return x.grad.numpy(), weights.grad.numpy()


def autograd_gradients(qnode, x):
    x, weights = (pnp.array(array, requires_grad=True) for array in (x, WEIGHTS))
    return qml.grad(functools.partial(loss, qnode))(x, weights)


def jax_gradients(qnode, x, compiled):
    with jax.enable_x64(True):
        gradient = jax.grad(functools.partial(loss, qnode), argnums=(0, 1))
        return (jax.jit(gradient) if compiled else gradient)(*map(jax.numpy.asarray, (x, WEIGHTS)))


INTERFACES = {
    "torch": torch_gradients,
    "autograd": autograd_gradients,
    "jax": functools.partial(jax_gradients, compiled=False),
    "jax-jit": functools.partial(jax_gradients, compiled=True),
}


@functools.cache
def expected_gradients(batched):
    """By backpropagation through PennyLane's own simulator."""
    qnode = qml.QNode(weighted, qml.device("default.qubit", wires=3), diff_method="backprop")
    return torch_gradients(qnode, BATCH if batched else X)


@pytest.mark.parametrize(
    ("interface", "batched"),
    [("torch", False), ("torch", True), ("autograd", True), ("jax", False), ("jax-jit", True)],
)
@compiled
def test_gradients_in_every_interface(interface, batched):
    qnode = qml.QNode(weighted, qml.device(NAME, wires=3))
    found = INTERFACES[interface](qnode, BATCH if batched else X)
    for one, other in zip(found, expected_gradients(batched), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-10)


@pytest.mark.parametrize("method", METHODS)
def test_gradients_by_every_method(method):
    qnode = qml.QNode(weighted, qml.device(NAME, wires=3), diff_method=method)
    tolerance = 1e-5 if method == "finite-diff" else 1e-10
    for one, other in zip(autograd_gradients(qnode, X), expected_gradients(False), strict=True):
        np.testing.assert_allclose(one, other, atol=tolerance)


def test_single_precision_gradients():
    qnode = qml.QNode(weighted, qml.device(NAME, wires=3, c_dtype=np.complex64))
    for one, other in zip(torch_gradients(qnode, X), expected_gradients(False), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-5)


@compiled
def test_one_product_however_many_measurements(monkeypatch):
    """And no state is computed a second time for it."""
    calls = []
    for name in ("forward", "backward", "expectations"):
        real = getattr(execution, name)
        monkeypatch.setattr(execution, name, lambda *a, r=real, n=name: calls.append(n) or r(*a))
    autograd_gradients(qml.QNode(weighted, qml.device(NAME, wires=3)), BATCH)
    assert calls == ["forward", "backward"]


@pytest.mark.parametrize("diff_method", ["best", "adjoint"])
def test_device_vjp(diff_method):
    """PennyLane's option for devices that make vector-Jacobian products of their own."""
    gradients = []
    for name, options in ((NAME, {"diff_method": diff_method, "device_vjp": True}), ("default.qubit", {})):
        qnode = qml.QNode(weighted, qml.device(name, wires=3), **options)
        x, weights = (torch.tensor(given, requires_grad=True) for given in (X, WEIGHTS))
        first, *others = qnode(x, weights)
        (first + 2 * sum(others)).backward()
        gradients.append((x.grad, weights.grad))
    torch.testing.assert_close(*gradients)


def test_jacobians_of_measurements():
    """Several products at once, in each interface's own way."""
    found, expected = both(weighted, diff_method="adjoint")
    want = torch.autograd.functional.jacobian(
        lambda w: torch.stack(expected(torch.tensor(X), w)), torch.tensor(WEIGHTS)
    )
    have = torch.autograd.functional.jacobian(
        lambda w: torch.stack(found(torch.tensor(X), w)), torch.tensor(WEIGHTS)
    )
    np.testing.assert_allclose(have, want, atol=1e-10)
    with jax.enable_x64(True):
        jacobian = jax.jit(jax.jacobian(lambda w: jax.numpy.stack(found(X, w))))
        have = jacobian(jax.numpy.asarray(WEIGHTS))
        np.testing.assert_allclose(have, want, atol=1e-10)
        over_batch = jax.jit(jax.vmap(lambda x: jax.numpy.stack(found(x, WEIGHTS))))(jax.numpy.asarray(BATCH))
    np.testing.assert_allclose(over_batch, np.stack(expected(BATCH, WEIGHTS), axis=1), atol=1e-12)


def test_gradients_from_a_prepared_state():
    """For angles behind it, and for its amplitudes."""
    start = np.array([1, 1j, -2, 0.5])

    def circuit(amplitudes, angle):
        qml.StatePrep(amplitudes, wires=[0, 1], normalize=True)
        qml.CRX(angle, wires=[0, 1])
        return qml.expval(qml.Y(1) @ qml.X(0))

    found, expected = both(circuit, 2, diff_method="best")
    angle = pnp.array(0.4, requires_grad=True)
    fixed = pnp.array(start, requires_grad=False)
    np.testing.assert_allclose(qml.grad(found)(fixed, angle), qml.grad(expected)(fixed, angle), atol=1e-12)
    real = torch.tensor([1.0, 0.4, -2.0, 0.5], dtype=torch.float64, requires_grad=True)
    gradients = [torch.autograd.grad(q(real, 0.4), real)[0] for q in (found, expected)]
    np.testing.assert_allclose(*gradients, atol=1e-10)


@pytest.mark.parametrize("measure", [lambda: qml.probs(wires=0), lambda: qml.expval(qml.Y(0))])
def test_gradients_of_coefficients_and_of_other_measurements(measure):
    """Whose gradients PennyLane's own simulator computes as well."""

    def circuit(x, c):
        qml.RX(x, 0)
        return qml.expval(c * qml.Z(0) + qml.Y(0)), measure()

    found, expected = both(circuit, 1)
    point = (torch.tensor(0.3, requires_grad=True), torch.tensor(0.7, requires_grad=True))
    gradients = []
    for qnode in (found, expected):
        value, more = qnode(*point)
        gradients.append(torch.autograd.grad(value + 3 * more.reshape(-1)[0], point))
    torch.testing.assert_close(*gradients, atol=1e-6, rtol=0)


# Autograd drops the imaginary part where PennyLane makes a complex matrix of a real angle, as is right.
@pytest.mark.filterwarnings("ignore:Casting complex values to real:numpy.exceptions.ComplexWarning")
def test_gradients_through_a_mere_matrix():
    """A matrix's parts are no differentiable functions of it where they degenerate, so it stays whole."""

    def circuit(x):
        qml.QubitUnitary(np.eye(16), wires=range(4))
        for wire in range(4):
            qml.RY(0.3 + wire, wire)
        qml.DoubleExcitationPlus(x, wires=range(4))
        return qml.expval(qml.X(0))

    shifted, expected = both(circuit, 4, diff_method="parameter-shift")
    point = pnp.array(0.7, requires_grad=True)
    np.testing.assert_allclose(qml.grad(shifted)(point), qml.grad(expected)(point), atol=1e-10)
    exact, _ = both(circuit, 4, diff_method="best")
    np.testing.assert_allclose(qml.grad(exact)(point), qml.grad(expected)(point), atol=1e-10)


# --- Compiling, limits.


@compiled
def test_new_values_find_the_old_program(monkeypatch):
    """Parameters, coefficients of Hamiltonians, prepared states and batches of a similar size."""
    traced = []
    real = jax.jit
    counted = lambda f, **o: real(functools.wraps(f)(lambda *a, **k: traced.append(f) or f(*a, **k)), **o)  # noqa: E731
    monkeypatch.setattr(jax, "jit", counted)
    programs.program.cache_clear()
    device = qml.device(NAME, wires=2)

    @qml.qnode(device)
    def values(start, x, c):
        qml.StatePrep(start, wires=[0, 1], normalize=True)
        qml.RX(x, 0)
        qml.CRY(0.123 * x, [1, 0])
        return qml.expval(c * qml.Z(0) + 0.3 * qml.Y(1)), qml.expval(qml.X(1) @ qml.Y(0))

    @qml.qnode(device)
    def state(x):
        qml.RX(x, 0)
        qml.RZ(0.5 * x, 0)
        qml.CRY(x, [1, 0])
        return qml.state()

    def run(x, c, start):
        values(start, x, c)
        qml.grad(lambda x: values(start, x, c)[0] + values(start, x, c)[1])(pnp.array(x, requires_grad=True))
        state(x)

    run(0.3, 0.5, [1, 2j, 3, 0])
    state(np.zeros(5))
    before = len(traced)
    assert before
    run(0.4, -0.7, [0, 1, 1, 1j])
    state(np.ones(6))
    assert len(traced) == before


def test_circuits_that_are_run_a_few_times_are_not_compiled(monkeypatch):
    """Such as the many tapes of a Hadamard test; and those that are run often are."""
    monkeypatch.setattr(warmth, "_PER_GATE", 100 * warmth._PER_GATE)
    ran = []
    monkeypatch.setattr(execution, "expectations", lambda *given: ran.append(given) or np.ones((1, 1)))
    qnode = qml.QNode(lambda x: (qml.RX(x, 0), qml.SX(0), qml.expval(qml.Y(0)))[2], qml.device(NAME, wires=1))
    for _ in range(3):
        np.testing.assert_allclose(qnode(0.3), -np.cos(0.3), atol=1e-14)
    assert not ran
    for _ in range(20):
        qnode(0.3)
        if ran:
            break
    assert ran
    assert warmth.is_worth_compiling(Circuit(20), 1, False)


def test_what_is_kept_is_bounded(monkeypatch):
    kept = cache.Cache(limit=2 * cache.estimated_bytes(Circuit(2), 1))
    monkeypatch.setattr(cache, "_CACHE", kept)
    for layers in (1, 2, 3):
        programs.program(Circuit(2, layers), "fused-2", "adjoint")
        execution._from_states(Circuit(2, layers, "amplitude"), 2)
    assert list(kept._made) == [Circuit(2, 3), Circuit(2, 3, "amplitude")]
    monkeypatch.setattr(warmth, "_REMEMBERED", 2)
    monkeypatch.setattr(warmth, "_spent", OrderedDict())
    for layers in (1, 2, 3):
        warmth.is_worth_compiling(Circuit(2, layers), 1, False)
    assert list(warmth._spent) == [Circuit(2, 2), Circuit(2, 3)]


def test_errors_say_what_is_not_supported():
    device = qml.device(NAME, wires=20)

    @qml.set_shots(10)
    @qml.qnode(device, mcm_method="one-shot")
    def one_shot():
        qml.measure(0)
        return qml.expval(qml.Z(0))

    with pytest.raises(DeviceError, match=r"mcm_method must be 'deferred'.*but was 'one-shot'"):
        one_shot()
    many = qml.tape.QuantumScript([qml.X(i) for i in range(60)], [qml.expval(qml.Z(0))])
    with pytest.raises(ValueError, match="n_qubits must be at most"):
        device.execute(many)
    with pytest.raises(DeviceError, match="device_options must be empty, but were"):
        device.setup_execution_config(ExecutionConfig(device_options={"workers": 2}))
    for derivatives in (device.compute_derivatives, device.compute_jvp, device.compute_vjp):
        with pytest.raises(NotImplementedError, match=r"must be differentiated by a QNode .*, but was"):
            derivatives(many, (1.0,))
