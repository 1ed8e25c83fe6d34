"""Final states, amplitude for amplitude, and circuits that start in given states."""

import itertools

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj.circuits import Circuit, Constant, Gate, InputSlot, PauliWord, WeightSlot
from qproj.circuits.gates import GATES
from qproj.execution.states import FromStates, final_states

from . import reference
from .test_simulation import draw_data, random_circuit


def states(circuit, inputs, weights):
    with jax.enable_x64(True):
        return np.asarray(final_states(circuit, inputs, weights))


def normal_states(batch, n_qubits, seed):
    """Complex ones, and how they are passed."""
    rng = np.random.default_rng(seed)
    psi = rng.normal(size=(batch, 2**n_qubits)) + 1j * rng.normal(size=(batch, 2**n_qubits))
    psi /= np.linalg.norm(psi, axis=1, keepdims=True)
    return psi, np.concatenate([psi.real, psi.imag], axis=1)


def matrix(circuit, weights):
    """Of all gates together, by the reference."""
    product = np.eye(2**circuit.n_qubits, dtype=complex)
    for gate in circuit.gates:
        product = reference.matrix(circuit.n_qubits, gate, (), weights) @ product
    return product


@pytest.mark.parametrize("part", range(2))
def test_every_gate_with_its_phase(part):
    """After gates that leave no amplitude zero, so that no phase can hide; angles of each sort in turn."""
    angles = itertools.cycle([Constant(0.7), WeightSlot(1, 0.7), InputSlot(0, 0.7)])
    gates = [
        reference.example(name, range(GATES[name].n_wires)[::-1], angles) for name in list(GATES)[part::2]
    ]
    before = [Gate("RY", (w,), Constant(0.4 + w)) for w in range(4)] + [
        Gate("RX", (w,), WeightSlot(0)) for w in range(4)
    ]
    circuit = Circuit(4, gates=[*before, *gates])
    _, inputs, weights = draw_data(circuit, 2)
    expected = [reference.state(circuit, x, weights) for x in inputs]
    np.testing.assert_allclose(states(circuit, inputs, weights), expected, atol=1e-12)


@given(seed=st.integers(0, 2**16), n_qubits=st.integers(1, 4))
@settings(max_examples=2)
def test_random_circuits(seed, n_qubits):
    circuit = random_circuit(n_qubits, 8, seed)
    inputs, columns, weights = draw_data(circuit, 2, seed)
    expected = [reference.state(circuit, x, weights) for x in inputs]
    np.testing.assert_allclose(states(circuit, columns, weights), expected, atol=1e-12)


def test_a_last_permutation_is_not_left_to_the_measurement():
    """Expectation values of Z words absorb CNOTs at the end; a state cannot."""
    circuit = Circuit(gates=[Gate("RY", (0,), WeightSlot(0)), Gate("CNOT", (0, 1))])
    found = states(circuit, np.zeros((1, 0)), np.array([0.8]))
    np.testing.assert_allclose(found, [[np.cos(0.4), 0, 0, np.sin(0.4)]], atol=1e-15)


def test_precision_is_that_of_the_weights():
    circuit = Circuit(2, 1)
    _, inputs, weights = draw_data(circuit, 3)
    assert states(circuit, inputs, weights).dtype == np.complex128
    single = final_states(circuit, inputs.astype(np.float32), weights.astype(np.float32))
    assert single.dtype == np.complex64
    np.testing.assert_allclose(single, states(circuit, inputs, weights), atol=1e-6)


START = Circuit(
    3,
    encoding="amplitude",
    gates=[
        Gate("CRY", (2, 0), WeightSlot(0, 1.3)),
        Gate("CNOT", (0, 1)),
        Gate("PhaseShift", (1,), WeightSlot(1)),
        Gate("RX", (2,), WeightSlot(0)),
        Gate("IsingYY", (1, 2), WeightSlot(2)),
    ],
    observables=[PauliWord("XY", (0, 2)), PauliWord("Z", (1,), 0.5), PauliWord("Y", (0,))],
)


def test_complex_states_to_start_from():
    psi, inputs = normal_states(2, 3, seed=1)
    weights = np.array([0.3, -1.1, 0.7])
    np.testing.assert_allclose(states(START, inputs, weights), psi @ matrix(START, weights).T, atol=1e-13)


def test_values_and_gradients_from_complex_states():
    """Against the reference's matrices, and differences of them."""
    _, inputs = normal_states(2, 3, seed=2)
    weights, cotangents = np.array([0.3, -1.1, 0.7]), np.random.default_rng(3).normal(size=(2, 3))
    operators = [reference.operator(3, word) for word in START.observables]

    def values(x, w):
        after = (x[:, :8] + 1j * x[:, 8:]) @ matrix(START, w).T
        return np.stack([np.einsum("bi,ij,bj->b", after.conj(), o, after).real for o in operators], axis=1)

    def slope(index, which):
        shifts = []
        for step in (1e-5, -1e-5):
            point = [inputs.copy(), weights.copy()]
            point[which][index] += step
            shifts.append((values(*point) * cotangents).sum())
        return (shifts[0] - shifts[1]) / 2e-5

    method = FromStates(START, 2)
    with jax.enable_x64(True):
        found, residuals = jax.jit(method.forward)(inputs, weights)
        grad_x, grad_w = jax.jit(method.backward)(residuals, inputs, weights, cotangents)
    np.testing.assert_allclose(found, values(inputs, weights), atol=1e-13)
    np.testing.assert_allclose(grad_w, [slope(i, 1) for i in range(3)], atol=1e-8)
    for index in np.ndindex(inputs.shape):
        np.testing.assert_allclose(grad_x[index], slope(index, 0), atol=1e-8)
