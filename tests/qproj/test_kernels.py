"""Quantum kernels, against closed forms and the reference's states, and within scikit-learn."""

import numpy as np
import pytest
import torch

from qproj import Circuit, Gate, InputSlot, WeightSlot
from qproj.kernels import FidelityKernel, ProjectedKernel, fidelity, target_alignment
from qproj.noise import Channel, NoiseModel

from . import reference

PRODUCT = Circuit(2, gates=[Gate("RY", (0,), InputSlot(0)), Gate("RY", (1,), InputSlot(1))])
TRAINED = Circuit(2, 2, "angle_z", "basic_entangler", reupload=True)
NOISY = NoiseModel(Channel("depolarizing", 0.1)).on(PRODUCT)
RNG = np.random.default_rng(0)
X, Y = RNG.normal(size=(5, 2)), RNG.normal(size=(3, 2))
WEIGHTS = RNG.normal(size=TRAINED.weight_shape)


def test_a_product_state_has_a_closed_form():
    distance = X[:, None] - Y
    np.testing.assert_allclose(
        FidelityKernel(PRODUCT)(X, Y), (np.cos(distance / 2) ** 2).prod(axis=2), atol=1e-12
    )
    wanted = np.exp(-0.7 / 2 * (2 - 2 * np.cos(distance)).sum(axis=2))
    np.testing.assert_allclose(ProjectedKernel(PRODUCT, gamma=0.7)(X, Y), wanted, atol=1e-12)


def test_overlaps_of_the_reference_in_blocks(monkeypatch):
    monkeypatch.setattr(fidelity, "memory_budget", lambda: 2 * 2 * 16 * 4)
    psi, phi = (np.array([reference.state(TRAINED, x, WEIGHTS) for x in some]) for some in (X, Y))
    kernel = FidelityKernel(TRAINED, WEIGHTS)
    np.testing.assert_allclose(kernel(X, Y), np.abs(psi.conj() @ phi.T) ** 2, atol=1e-12)
    monkeypatch.setattr(fidelity, "_ROWS", 2)
    square = kernel(X)
    np.testing.assert_allclose(square, np.abs(psi.conj() @ psi.T) ** 2, atol=1e-12)
    assert (square == square.T).all()
    assert np.linalg.eigvalsh(square).min() > -1e-12


def test_gates_that_cancel_are_left_out():
    """Those that no input follows on any path of wires; weights keep their shape."""
    gates = [Gate("RY", (0,), InputSlot(0)), Gate("RX", (1,), WeightSlot(1)), Gate("CNOT", (0, 1))]
    gates += [
        Gate("RY", (1,), InputSlot(1)),
        Gate("CNOT", (1, 2)),
        Gate("RX", (0,), WeightSlot(2)),
        Gate("S", (2,)),
    ]
    circuit, weights = Circuit(3, gates=gates), np.array([0.0, 0.7, -0.4])
    assert fidelity._without_tail(circuit).gates == tuple(gates[:4])
    psi = np.array([reference.state(circuit, x, weights) for x in X])
    np.testing.assert_allclose(
        FidelityKernel(circuit, weights)(X), np.abs(psi.conj() @ psi.T) ** 2, atol=1e-12
    )
    w = torch.from_numpy(weights).requires_grad_()
    FidelityKernel(circuit, w)(torch.from_numpy(X)).sum().backward()
    assert w.grad[1] != 0
    assert w.grad[2] == 0
    with pytest.raises(ValueError, match="with noise, which leaves no pure state"):
        FidelityKernel(NOISY)(X)


def test_kernels_of_tensors_have_gradients():
    x = torch.from_numpy(X[:3])
    weights = torch.from_numpy(WEIGHTS).requires_grad_()
    labels = torch.tensor([1.0, -1.0, 1.0])
    for kind in (FidelityKernel, ProjectedKernel):
        assert torch.autograd.gradcheck(lambda w, k=kind: target_alignment(k(TRAINED, w)(x), labels), weights)
    assert FidelityKernel(TRAINED, weights)(x.float()).dtype == torch.float32


def test_measured_kernels():
    kernel = FidelityKernel(TRAINED, WEIGHTS, shots=100, seed=1)
    exact, x = FidelityKernel(TRAINED, WEIGHTS)(X, Y), X.repeat(40, axis=0)
    found = kernel(x, Y).reshape(5, 40, 3)
    error = np.sqrt(exact * (1 - exact) / 100 / 40)
    assert (np.abs(found.mean(axis=1) - exact) < 5 * error + 1e-12).all()
    square = kernel(X)
    assert (square == square.T).all()
    assert (np.diag(square) == 1).all()
    np.testing.assert_array_equal(kernel(X), square)
    projected = ProjectedKernel(TRAINED, WEIGHTS, shots=5000, seed=1)(X, Y)
    np.testing.assert_allclose(projected, ProjectedKernel(TRAINED, WEIGHTS)(X, Y), atol=0.1)


def test_gradients_of_measured_kernels():
    """By shifts, with so many measurements that errors are small; of a product of inputs, too."""
    slots = [InputSlot(0), InputSlot(1), InputSlot(0, 1.0, 1)]
    gates = [Gate("RY", (0,), slots[0]), Gate("RX", (1,), WeightSlot(0)), Gate("CRY", (0, 1), slots[1])]
    circuit = Circuit(2, gates=[*gates, Gate("RX", (0,), slots[2]), Gate("S", (1,))])
    found = []
    for options in ({}, {"shots": 12_500, "seed": 2}):
        x, weights = torch.tensor(X[:3], requires_grad=True), torch.tensor([0.7], requires_grad=True)
        values = FidelityKernel(circuit, weights, **options)(x)
        by_place = torch.linspace(-1, 1, 9, dtype=torch.float64).reshape(3, 3)
        found.append((values, *torch.autograd.grad((values * by_place).sum(), (x, weights))))
    for wanted, estimate in zip(*found, strict=True):
        torch.testing.assert_close(estimate, wanted, atol=0.06, rtol=0)


def test_noisy_kernels():
    """Depolarising noise behind both RY of a pair shrinks the cosine of each qubit twice."""
    noise, x = NoiseModel(Channel("depolarizing", 0.03)), X[:3]
    cosine = np.cos(x[:, None] - x) * (1 - 4 * 0.03 / 3) ** 2
    found = FidelityKernel(PRODUCT, noise=noise)(x)
    np.testing.assert_allclose(found, ((1 + cosine) / 2).prod(axis=2), atol=1e-10)
    measured = FidelityKernel(PRODUCT, noise=noise, shots=12_500, seed=3)(x)
    np.testing.assert_allclose(measured, found, atol=0.04)
    assert (measured == measured.T).all()
    bloch = np.stack([np.cos(x), np.sin(x)]) * (1 - 4 * 0.03 / 3)
    squares = ((bloch[:, :, None] - bloch[:, None]) ** 2).sum(axis=(0, 3))
    np.testing.assert_allclose(ProjectedKernel(PRODUCT, noise=noise)(x), np.exp(-squares / 2), atol=1e-10)


def test_parameters():
    kernel = ProjectedKernel(PRODUCT, gamma=2.0)
    assert kernel.get_params()["gamma"] == 2.0
    assert kernel.set_params(gamma=0.5).gamma == 0.5
    assert repr(kernel) == "ProjectedKernel(circuit=<2 gates on 2 qubits>, gamma=0.5)"
    with pytest.raises(
        ValueError, match="params must be of 'circuit', 'weights', 'gamma', 'shots', 'seed', 'no"
    ):
        kernel.set_params(gama=1.0)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        (lambda: FidelityKernel(PRODUCT, shots=0)(X), "shots must be at least 1"),
        (lambda: FidelityKernel(Circuit(2, 1, "amplitude"), shots=5)(X), "circuit must enter its inputs by"),
        (lambda: FidelityKernel(NOISY, shots=5)(X), "circuit must be free of noise"),
        (lambda: ProjectedKernel(PRODUCT, gamma=0.0)(X), "gamma must be above 0, but was 0.0"),
        (lambda: FidelityKernel(PRODUCT)(X[:, :1]), "x must have shape"),
        (lambda: FidelityKernel(TRAINED, np.zeros(3))(X), "weights must have shape"),
        (lambda: target_alignment(torch.eye(2), torch.ones(3)), r"matrix must have shape \(3, 3\)"),
        (lambda: target_alignment(torch.eye(2), torch.zeros(2)), "labels must be 1 or -1"),
    ],
)
def test_bad_input(run, message):
    with pytest.raises(ValueError, match=message):
        run()


@pytest.mark.parametrize(
    ("inputs", "weights", "message"),
    [
        ((1j * X,), None, "must be real numbers, but were of dtype complex128"),
        ((np.full((1, 2), "a"),), None, "must be real numbers"),
        ((X,), 1j * np.ones(PRODUCT.weight_shape), "weights must be of float32.*complex128"),
        ((X, torch.zeros(1, 2)), None, "both be tensors or both arrays, but were ndarray and Tensor"),
        ((torch.zeros(1, 2), X), None, "both be tensors or both arrays"),
    ],
    ids=["complex", "text", "weights", "tensor", "array"],
)
def test_numbers_that_are_not_real_and_mixtures_are_refused(inputs, weights, message):
    """NumPy and torch would drop imaginary parts."""
    with pytest.raises(TypeError, match=message):
        FidelityKernel(PRODUCT, weights)(*inputs)


def test_what_is_no_circuit_and_a_single_sample_are_refused():
    with pytest.raises(TypeError, match=r"circuit must be a qproj\.Circuit, but was 'iqp'"):
        FidelityKernel("iqp")(X)
    with pytest.raises(ValueError, match=r"Y must have shape \(samples, n_inputs\), but had shape \(2,\)"):
        ProjectedKernel(PRODUCT)(X, X[0])


def test_scikit_learn():
    """A kernel is a parameter like any other: cloned, searched over, within a pipeline."""
    pytest.importorskip("sklearn")
    from sklearn.base import clone
    from sklearn.model_selection import GridSearchCV
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler
    from sklearn.svm import SVC

    x = np.random.default_rng(1).normal(size=(12, 2))
    y = np.where(x[:, 0] > x[:, 1], 1, -1)
    pipeline = make_pipeline(StandardScaler(), SVC(kernel=ProjectedKernel(PRODUCT)))
    search = GridSearchCV(pipeline, {"svc__kernel__gamma": [1e-6, 1.0]}, cv=2).fit(x, y)
    assert search.best_params_ == {"svc__kernel__gamma": 1.0}
    copy = clone(SVC(kernel=FidelityKernel(PRODUCT, shots=7)))
    assert copy.kernel.shots == 7
    kernel = FidelityKernel(PRODUCT)
    given = SVC(kernel="precomputed").fit(kernel(x), y).decision_function(kernel(X, x))
    np.testing.assert_allclose(SVC(kernel=kernel).fit(x, y).decision_function(X), given, atol=1e-9)
