"""Measurements on the engine: their statistics, seeds and gradients, each in one batch of many seeds."""

import numpy as np
import pytest
import torch
from scipy import stats

import qproj
from qproj import Circuit, Fidelity, Gate, Hamiltonian, InputSlot, PauliWord, Probs, Projector, WeightSlot
from qproj.backends import get_backend
from qproj.noise import Channel, NoiseModel
from qproj.planning.execution import Execution

from . import reference

SHOTS, SEEDS = 64, 200
CIRCUIT = Circuit(
    gates=[
        Gate("RY", (0,), InputSlot(0)),
        Gate("CNOT", (0, 1)),
        Gate("CRX", (1, 0), WeightSlot(0)),
        Gate("RY", (1,), WeightSlot(1, 0.5)),
    ],
    observables=[
        Probs((1, 0)),
        PauliWord("Z", (1,), 2.0),
        Hamiltonian([PauliWord("X", (0,), 3.0), PauliWord("Z", (0,), -1.0), PauliWord("I", (0,), 5.0)]),
        Projector("1", (0,)),
    ],
)
X, WEIGHTS = 0.9, torch.tensor([1.1, -0.6])
COSINE = Circuit(gates=[Gate("RX", (0,), InputSlot(0))])


def layer_of(circuit=CIRCUIT, weights=WEIGHTS, **options):
    layer = qproj.QuantumLayer(circuit=circuit, **options)
    layer.weights.data = weights.clone()
    return layer


@pytest.fixture(scope="module")
def exact():
    return layer_of()(torch.tensor([[X]])).detach().numpy()[0]


@pytest.fixture(scope="module")
def measured():
    """Rows of one batch, each with a generator of its own."""
    return layer_of(shots=SHOTS, seed=11)(torch.full((SEEDS, 1), X)).detach().double().numpy()


def test_means_and_variances_are_those_of_so_many_measurements(exact, measured):
    psi = reference.state(CIRCUIT, [X], WEIGHTS.double().numpy())
    x0 = (psi.conj() @ reference.operator(2, PauliWord("X", (0,))) @ psi).real
    z0 = (psi.conj() @ reference.operator(2, PauliWord("Z", (0,))) @ psi).real
    p, z1 = exact[:4], exact[4] / 2
    # The Hamiltonian's measurements are shared out 3 to 1, so that of 2 * 64 the first word gets 96.
    hamiltonian = 9 * (1 - x0**2) / 96 + (1 - z0**2) / 64
    variance = [*p * (1 - p) / SHOTS, 4 * (1 - z1**2) / SHOTS, hamiltonian, (1 - z0**2) / 4 / SHOTS]
    assert (np.abs(measured.mean(axis=0) - exact) < 4 * np.sqrt(np.array(variance) / SEEDS)).all()
    low, high = stats.chi2.interval(1 - 1e-4, SEEDS)
    sums = ((measured - exact) ** 2).sum(axis=0) / variance
    assert ((low < sums) & (sums < high)).all(), (low, sums, high)
    np.testing.assert_allclose(measured[:, :4] * SHOTS, np.round(measured[:, :4] * SHOTS), atol=1e-3)


def test_equal_seeds_give_equal_bits_and_a_batch_begins_as_its_rows(measured):
    layer, x = layer_of(shots=SHOTS, seed=11), torch.full((SEEDS, 1), X)
    np.testing.assert_array_equal(layer(x).detach().double(), measured)
    np.testing.assert_array_equal(layer(x[:3]).detach().double(), measured[:3])
    other = layer.to_backend("jax", seed=12)(x).detach()
    assert not np.array_equal(other, measured)
    layer.to_backend("jax", seed=None)
    assert not torch.equal(layer(x), layer(x))


def test_gradients_by_shifts_have_the_mean_and_the_variance_of_their_measurements():
    """`(f(x + pi/2) - f(x - pi/2)) / 2` with `f` the cosine: the variance of each is `cos(x)**2 / shots`."""
    layer = layer_of(COSINE, torch.zeros(0), shots=SHOTS, seed=5)
    x = torch.full((SEEDS, 1), X, dtype=torch.float64, requires_grad=True)
    (slopes,) = torch.autograd.grad(layer(x).sum(), x)
    errors = slopes.numpy()[:, 0] + np.sin(X)
    variance = np.cos(X) ** 2 / 2 / SHOTS
    assert abs(errors.mean()) < 4 * np.sqrt(variance / SEEDS)
    low, high = stats.chi2.interval(1 - 1e-4, SEEDS)
    assert low < (errors**2).sum() / variance < high


def test_gradients_of_weights_inputs_and_probabilities(exact):
    """Each run has weights of its own. Of so many measurements, errors are small."""
    del exact
    found = []
    for options in ({}, {"shots": 50_000, "seed": 1}):
        layer = layer_of(**options)
        x = torch.tensor([[X], [0.2]], requires_grad=True)
        cotangents = torch.linspace(-1, 1, layer.n_outputs)
        found.append(torch.autograd.grad((layer(x) * cotangents).sum(), (x, layer.weights)))
    for wanted, estimate in zip(*found, strict=True):
        torch.testing.assert_close(estimate, wanted, atol=0.08, rtol=0)


def test_amplitudes():
    circuit = Circuit(2, 1, "amplitude", "basic_entangler", "probs")
    found = []
    for options in ({}, {"shots": 50_000, "seed": 1}):
        layer = layer_of(circuit, torch.tensor([[0.4, 1.3]]), **options)
        x = torch.tensor([[0.3, -0.2, 0.9, 0.1]], requires_grad=True)
        values = layer(x)
        found.append((values, *torch.autograd.grad(values[0, 1] - values[0, 2], (x, layer.weights))))
    for wanted, estimate in zip(*found, strict=True):
        torch.testing.assert_close(estimate, wanted, atol=0.05, rtol=0)


def test_a_fidelity_is_a_count_of_zeros():
    """Of a circuit that makes the state, undone: a binomial of the overlap, beside words of other groups."""
    target = np.array([0.6, 0, 0, 0.8j])
    circuit = CIRCUIT.measuring([PauliWord("X", (0,)), Fidelity(target), PauliWord("Z", (0,))])
    p = abs(target.conj() @ reference.state(CIRCUIT, [X], WEIGHTS.double().numpy())) ** 2
    values = layer_of(circuit, shots=SHOTS, seed=4)(torch.full((SEEDS, 1), X)).detach().double().numpy()[:, 1]
    variance = p * (1 - p) / SHOTS
    assert abs(values.mean() - p) < 4 * np.sqrt(variance / SEEDS)
    low, high = stats.chi2.interval(1 - 1e-4, SEEDS)
    assert low < ((values - p) ** 2).sum() / variance < high
    np.testing.assert_allclose(values * SHOTS, np.round(values * SHOTS), atol=1e-3)
    with pytest.raises(ValueError, match="with noise, which leaves no pure state, but held fidelity"):
        layer_of(circuit, shots=5, noise=NoiseModel(readout=0.1))


def test_what_cannot_be_measured_is_refused():
    with pytest.raises(
        ValueError, match="diff_method must be one of 'best', 'parameter-shift' on backend 'jax'"
    ):
        layer_of(shots=5, diff_method="adjoint")
    with pytest.raises(ValueError, match="shots must be at least 1, or None"):
        layer_of(shots=0)
    with pytest.raises(RuntimeError, match="need backend='jax' with shots=None"):
        torch.func.vmap(layer_of(shots=5))(torch.zeros(2, 1))


def test_noise_is_measured_with_its_readout_errors():
    """Of a flipped bit that is read wrongly: the mean is that of the exact values under the same noise."""
    noise = NoiseModel([Channel("bit_flip", 0.1)], readout={0: ((0.9, 0.1), (0.2, 0.8))})
    circuit = Circuit(
        gates=[Gate("RY", (0,), InputSlot(0)), Gate("RX", (0,), WeightSlot(0))],
        observables=[PauliWord("X", (0,)), Probs((0,))],
    )
    exact, measured = (
        layer_of(circuit, torch.tensor([0.4]), noise=noise, **options)
        for options in ({}, {"shots": 25_000, "seed": 1})
    )
    x = torch.tensor([[X]], requires_grad=True)
    torch.testing.assert_close(measured(x), exact(x), atol=0.03, rtol=0)
    slopes = [torch.autograd.grad(layer(x)[:, :2].sum(), x)[0] for layer in (exact, measured)]
    torch.testing.assert_close(slopes[1], slopes[0], atol=0.05, rtol=0)
    ones = exact.sample(x, 25_000, seed=2).double().mean()
    torch.testing.assert_close(ones, exact(x)[0, 2].double(), atol=0.02, rtol=0)


def test_a_state_that_does_not_fit_is_refused_before_it_is_planned(monkeypatch):
    """Also by the backend itself, which programs of torch's call without a layer."""
    monkeypatch.setattr("qproj.memory.physical_memory", lambda: 2**20)
    circuit = Circuit(16, 1)
    with pytest.raises(ValueError, match="n_qubits must be at most 15 on this machine, but was 16"):
        get_backend("jax").run(circuit, Execution(shots=5), torch.zeros(1, 16), torch.zeros(1, 16, 3))
