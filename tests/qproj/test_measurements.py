"""Probabilities, projectors, overlaps, states and samples of a layer, against the reference and PennyLane."""

import itertools
import pickle
from math import log, pi

import jax
import numpy as np
import pennylane as qml
import pytest
import torch

import qproj
from qproj import Circuit, Fidelity, Gate, Hamiltonian, InputSlot, PauliWord, Probs, Projector, WeightSlot
from qproj.circuits.text import dumps, loads
from qproj.readout import _counted

from . import reference
from .test_sampling import columns, states

GATES = [
    Gate("RY", (0,), InputSlot(0)),
    Gate("PhaseShift", (0,), WeightSlot(0)),
    Gate("CNOT", (0, 1)),
    Gate("RX", (1,), InputSlot(1)),
    Gate("PhaseShift", (1,), InputSlot(0, 0.5)),
    Gate("CRY", (1, 0), WeightSlot(1)),
    Gate("T", (0,)),
]
TARGET = states(1, 2, seed=3)[0]
MIXED = Circuit(
    gates=GATES,
    observables=[
        PauliWord("XY", (0, 1), 0.5),
        Probs((1, 0)),
        Probs((0,), "Y"),
        Projector((1, 0), (0, 1)),
        Hamiltonian([PauliWord("Z", (0,)), PauliWord("X", (1,), -2.0)]),
        Fidelity(TARGET),
    ],
)
BELL = Circuit(gates=[Gate("RY", (0,), InputSlot(0)), Gate("CNOT", (0, 1))])


def drawn(batch=2, circuit=MIXED):
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.normal(size=(batch, circuit.n_inputs)))
    return x, torch.from_numpy(rng.normal(size=circuit.weight_shape))


def layer_of(circuit, weights=None, **options):
    layer = qproj.QuantumLayer(
        circuit=circuit, generator=torch.Generator().manual_seed(0), **options
    ).double()
    if weights is not None:
        layer.weights.data = weights.clone()
    return layer


def expected(circuit, psi):
    found = []
    for observable in circuit.observables:
        if isinstance(observable, PauliWord | Hamiltonian):
            found.append([(psi.conj() @ reference.operator(2, observable) @ psi).real])
        elif isinstance(observable, Fidelity):
            found.append([abs(np.vdot(observable.state, psi)) ** 2])
        elif isinstance(observable, Probs) and observable.basis == "Y":
            plus = columns(Circuit(2, gates=GATES[:1], observables=[PauliWord("Y", observable.wires)]), psi)
            found.append([(1 + plus[0]) / 2, (1 - plus[0]) / 2])
        else:
            found.append(columns(Circuit(2, gates=GATES[:1], observables=[observable]), psi))
    return np.concatenate(found)


@pytest.mark.parametrize("diff_method", ["jacobian", "parameter-shift"])
def test_values_and_gradients_of_everything_at_once(diff_method):
    x, w = drawn()
    layer = layer_of(MIXED, w, diff_method=diff_method, strategy="fused-2")
    finals = [reference.state(MIXED, sample, w.numpy()) for sample in x.numpy()]
    assert layer.n_outputs == 10
    np.testing.assert_allclose(layer(x).detach(), [expected(MIXED, psi) for psi in finals], atol=1e-12)

    def run(x, weights):
        return torch.func.functional_call(layer, {"weights": weights}, (x,))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), w.requires_grad_()), atol=1e-7)


@pytest.mark.parametrize("diff_method", ["adjoint", "jacobian"])
def test_states_have_torchs_gradients_of_complex_numbers(diff_method):
    """gradcheck defines them; the reference's states have their global phases."""
    x, w = drawn()
    layer = layer_of(MIXED.measuring("state"), w, diff_method=diff_method)
    finals = [reference.state(MIXED, sample, w.numpy()) for sample in x.numpy()]
    found = layer(x)
    assert found.dtype == torch.complex128
    np.testing.assert_allclose(found.detach(), finals, atol=1e-12)

    def run(x, weights):
        return torch.func.functional_call(layer, {"weights": weights}, (x,))

    assert torch.autograd.gradcheck(run, (x.requires_grad_(), w.requires_grad_()), atol=1e-7)


def test_probabilities_are_pennylanes():
    """On amplitudes, with fewer of them than basis states, and more gates than one block holds."""
    layer = qproj.QuantumLayer(3, 2, encoding="amplitude", observables="probs").double()
    x = torch.tensor([0.3, -0.5, 0.1, 0.7, 0.2], dtype=torch.float64, requires_grad=True)

    @qml.qnode(qml.device("default.qubit"), interface="torch", diff_method="backprop")
    def circuit(x, weights):
        qml.AmplitudeEmbedding(x, wires=range(3), pad_with=0.0, normalize=True)
        qml.StronglyEntanglingLayers(weights, wires=range(3))
        return qml.probs(wires=range(3))

    wanted, found = circuit(x, layer.weights), layer(x)
    np.testing.assert_allclose(found.detach(), wanted.detach(), atol=1e-12)
    cotangents = torch.arange(8.0, dtype=torch.float64)
    for a, b in zip(
        *(torch.autograd.grad(v, (x, layer.weights), cotangents) for v in (found, wanted)), strict=True
    ):
        np.testing.assert_allclose(a, b, atol=1e-10)


def test_states_of_all_kinds_of_calls():
    layer = qproj.QuantumLayer(2, 1, generator=torch.Generator().manual_seed(0))
    x = torch.tensor([[0.3, -0.2], [1.0, 0.4]])
    whole = layer.state(x)
    assert whole.dtype == torch.complex64
    assert whole.shape == (2, 4)
    torch.testing.assert_close(layer.state(x[0]), whole[0])
    torch.testing.assert_close(layer.state(x.half()), whole, atol=1e-3, rtol=0)
    assert layer.state(x[:0]).shape == (0, 4)
    again = qproj.functional.state(layer.circuit, x.numpy(), layer.weights.detach().numpy())
    np.testing.assert_allclose(again, whole.detach(), atol=1e-6)
    assert isinstance(
        qproj.functional.expectation(layer.circuit, x[:0].numpy(), layer.weights.detach().numpy()), jax.Array
    )


def test_density_matrices_and_entropies():
    """A Bell pair of angle t has eigenvalues cos(t/2)**2 and sin(t/2)**2."""
    layer, t = layer_of(BELL), torch.tensor([[0.7], [0.0]], dtype=torch.float64, requires_grad=True)
    p = torch.cos(t / 2) ** 2
    torch.testing.assert_close(layer.density_matrix(t, [1])[:, 0, 0].real, p[:, 0])
    x, w = drawn()
    found = layer_of(MIXED, w).density_matrix(x, (1, 0))
    wanted = qml.math.reduce_dm(
        qml.math.dm_from_state_vector(layer_of(MIXED, w).state(x).detach().numpy()), (1, 0)
    )
    np.testing.assert_allclose(found.detach(), wanted, atol=1e-12)
    entropies = layer.entropy(t, 0)
    exact = -(p * p.log() + (1 - p) * (1 - p).log()).detach()[0, 0]
    torch.testing.assert_close(entropies[0], exact)
    assert entropies[1].item() == 0
    (slope,) = torch.autograd.grad(entropies.sum(), t)
    torch.testing.assert_close(slope[0, 0], 0.5 * torch.sin(t[0, 0]) * torch.log(p[0, 0] / (1 - p[0, 0])))
    assert slope[1, 0] == 0
    torch.testing.assert_close(layer.entropy(t, (0, 1)), torch.zeros(2, dtype=torch.float64))
    same = qproj.functional.entropy(BELL, t.detach().numpy(), np.zeros(0), [1])
    np.testing.assert_allclose(same, entropies.detach(), atol=1e-6)


def test_bits_are_in_the_order_of_the_wires():
    """One measurement of a basis state is that state, and a superposition gives both."""
    circuit = Circuit(3, gates=[Gate("RX", (wire,), InputSlot(wire)) for wire in range(3)])
    layer = layer_of(circuit)
    x = torch.tensor([[pi, 0, 0], [0, pi, pi], [pi / 2, pi, 0]])
    bits = layer.sample(x, 50, seed=3)
    assert bits.shape == (3, 50, 3)
    assert bits.dtype == torch.uint8
    assert (bits[0] == torch.tensor([1, 0, 0])).all()
    assert (bits[1] == torch.tensor([0, 1, 1])).all()
    assert set(map(tuple, bits[2].tolist())) == {(0, 1, 0), (1, 1, 0)}
    first, _, third = layer.counts(x, 50, seed=3)
    assert first == {"100": 50}
    assert third == _counted(bits[2])
    assert sum(third.values()) == 50
    assert torch.equal(layer.sample(x[:2], 50, seed=3), bits[:2])
    assert not torch.equal(layer.sample(x, 50, seed=4), bits)
    assert not torch.equal(layer.sample(x, 50), layer.sample(x, 50))
    assert layer.counts(x[0], 7) == {"100": 7}
    assert layer.sample(x[:0], 7).shape == (0, 7, 3)
    within = jax.jit(qproj.functional.sample, static_argnums=(0, 3))
    np.testing.assert_array_equal(
        within(circuit, x[:2].numpy(), np.zeros(0), 5, jax.random.key(0)), bits[:2, :5]
    )


def test_circuits_as_text_and_pickled():
    for circuit in (MIXED, MIXED.measuring("state"), Circuit(2, 1, observables="probs")):
        assert loads(dumps(circuit)) == circuit
    layer = layer_of(MIXED.measuring("state"))
    x, _ = drawn()
    torch.testing.assert_close(pickle.loads(pickle.dumps(layer))(x), layer(x))
    assert str(MIXED).splitlines()[-1] == (
        "expval: 0.5 X0 Y1, probs(1, 0), probs(Y0), |10><10|(0, 1), Z0 + -2 X1, fidelity"
    )


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: Probs(()), ValueError, "wires of Probs must be at least one wire"),
        (lambda: Probs((0, 1), "Z"), ValueError, "basis must be 2 letters of X, Y, Z"),
        (lambda: Projector("02"), ValueError, "bits must be a non-empty word of 0 and 1, but was '02'"),
        (lambda: Projector("01", (0,)), ValueError, "wires must be 2 wires, one for each bit"),
        (lambda: Fidelity([1.0, 1.0]), ValueError, "state must have norm 1, but its norm was 1.41421"),
        (lambda: Fidelity([1.0, 0.0, 0.0]), ValueError, "state must hold 2.*amplitudes.*but held 3"),
        (lambda: MIXED.measuring([Fidelity([1.0, 0.0])]), ValueError, "must be of all 2 qubits"),
        (lambda: MIXED.measuring([Probs((2,))]), ValueError, r"wires must be in 0..1, but probs\(2\)"),
        (lambda: MIXED.measuring([qproj.State(2), Probs((0,))]), ValueError, "must hold a State alone"),
        (
            lambda: layer_of(MIXED.measuring("state"), shots=5),
            ValueError,
            "needs the state, which no measurement",
        ),
        (
            lambda: layer_of(MIXED.measuring("state"), diff_method="parameter-shift"),
            ValueError,
            "diff_method must not be 'parameter-shift' where the state is measured",
        ),
        (
            lambda: layer_of(MIXED.measuring("probs"), backend="default.qubit"),
            ValueError,
            "must be of 'expectations' on PennyLane device 'default.qubit'.*Backends that have it: 'jax'",
        ),
        (
            lambda: layer_of(BELL, backend="default.qubit").state(torch.zeros(1, 1)),
            ValueError,
            "needs 'states'",
        ),
        (
            lambda: layer_of(BELL, backend="default.qubit").sample(torch.zeros(1, 1), 5),
            ValueError,
            "for samples",
        ),
        (lambda: layer_of(BELL).sample(torch.zeros(1, 1)), ValueError, "shots must be a number where"),
        (
            lambda: layer_of(BELL).sample(torch.zeros(1, 1), 0),
            ValueError,
            "shots must be at least 1, but was 0",
        ),
        (
            lambda: layer_of(BELL).sample(torch.tensor([[0.1], [torch.nan]]), 5),
            ValueError,
            "sample 1 was not",
        ),
        (
            lambda: layer_of(BELL).density_matrix(torch.zeros(1, 1), 2),
            ValueError,
            r"one or more of 0..1, but",
        ),
        (lambda: layer_of(BELL).counts(torch.zeros(1, 1, 1), 5), ValueError, "at most 2 dimensions"),
        (
            lambda: qproj.QuantumProjection(4, 4, 2, observables="state"),
            ValueError,
            "observables must be real numbers in a QuantumProjection",
        ),
    ],
)
def test_bad_input(make, error, message):
    with pytest.raises(error, match=message):
        make()


def test_nats():
    layer = layer_of(BELL)
    assert layer.entropy(torch.tensor([pi / 2], dtype=torch.float64), 0).item() == pytest.approx(log(2))
    assert list(itertools.chain(layer.entropy(torch.zeros(0, 1), 0))) == []
