"""States and expectation values: closed forms, the naive reference, PennyLane's templates."""

from types import SimpleNamespace

import jax
import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj.circuits import Circuit, Constant, Gate, InputSlot, PauliWord, WeightSlot
from qproj.differentiation.adjoint import Adjoint
from qproj.simulation import engine, fusion
from qproj.simulation import statevector as sv

from . import reference

ANSAETZE = ["basic_entangler", "strongly_entangling"]


def draw_data(circuit, batch, seed=0):
    rng = np.random.default_rng(seed)
    weights = rng.uniform(0, 2 * np.pi, circuit.weight_shape)
    return rng.normal(size=(batch, circuit.n_inputs)), weights


def final_states(circuit, inputs, weights):
    """`(batch, 2**n)` complex, in double precision, by the engine."""
    with jax.enable_x64(True):
        _, (state,) = engine.program(circuit, "adjoint").forward(inputs, weights)
    state = np.asarray(state)
    return (state[0] + 1j * state[1]).T


@pytest.mark.parametrize("n_qubits", [1, 3, 6])
@pytest.mark.parametrize("encoding", ["angle_y", "angle_z"])
@pytest.mark.parametrize("ansatz", ANSAETZE)
def test_amplitudes_are_those_of_the_reference(n_qubits, encoding, ansatz):
    circuit = Circuit(n_qubits, 2, encoding, ansatz)
    inputs, weights = draw_data(circuit, 2)
    expected = [reference.state(circuit, x, weights) for x in inputs]
    np.testing.assert_allclose(final_states(circuit, inputs, weights), expected, atol=1e-12)


@pytest.mark.parametrize("n_qubits", [1, 2, 4])
@pytest.mark.parametrize(("encoding", "rotation"), [("angle_x", "X"), ("angle_y", "Y"), ("angle_z", "Z")])
@pytest.mark.parametrize("ansatz", ANSAETZE)
def test_amplitudes_are_those_of_pennylane_templates(n_qubits, encoding, rotation, ansatz):
    circuit = Circuit(n_qubits, 3, encoding, ansatz)
    inputs, weights = draw_data(circuit, 1, seed=1)
    template = {
        "basic_entangler": qml.BasicEntanglerLayers,
        "strongly_entangling": qml.StronglyEntanglingLayers,
    }[ansatz]

    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def qnode():
        if rotation == "Z":
            for wire in range(n_qubits):
                qml.Hadamard(wire)
        qml.AngleEmbedding(inputs[0], wires=range(n_qubits), rotation=rotation)
        template(weights, wires=range(n_qubits))
        return qml.state()

    np.testing.assert_allclose(final_states(circuit, inputs, weights)[0], qnode(), atol=1e-12)


def test_closed_form_ry_gives_cosine():
    """With zero weights and one layer, `angle_y` and a CNOT ring measure products of cosines."""
    circuit = Circuit(2, 1, "angle_y", "basic_entangler", "z")
    x = np.array([[0.3, 1.1], [-0.7, 2.0]], np.float32)
    weights = np.zeros(circuit.weight_shape, np.float32)
    values = engine.program(circuit, "adjoint").run(x, weights)
    expected = np.stack([np.cos(x[:, 0]), np.cos(x[:, 0]) * np.cos(x[:, 1])], axis=1)
    np.testing.assert_allclose(values, expected, atol=1e-6)


def test_closed_form_one_qubit_bloch_vector():
    """After RY(x) and then RX(w), the Bloch vector is (sin x, -cos x sin w, cos x cos w)."""
    circuit = Circuit(1, 1, "angle_y", "basic_entangler", "xyz")
    x, w = np.float32(0.4), np.float32(1.3)
    values = engine.program(circuit, "adjoint").run(np.array([[x]]), np.array([[w]]))
    expected = [np.sin(x), -np.cos(x) * np.sin(w), np.cos(x) * np.cos(w)]
    np.testing.assert_allclose(np.asarray(values)[0], expected, atol=1e-6)


@pytest.mark.parametrize("observables", ["z", "xyz"])
def test_values_are_those_of_the_reference(observables):
    circuit = Circuit(3, 2, observables=observables)
    inputs, weights = draw_data(circuit, 4)
    with jax.enable_x64(True):
        values = np.asarray(engine.program(circuit, "adjoint").run(inputs, weights))
    np.testing.assert_allclose(values, reference.values(circuit, inputs, weights), atol=1e-12)


def test_pauli_words_with_coefficients():
    words = (
        PauliWord("XY", (0, 2), 0.5),
        PauliWord("Z", (1,), -2.0),
        PauliWord("YY", (1, 0)),
        PauliWord("XZY", (2, 0, 1), 3.0),
        PauliWord("XX", (0, 1), 0.25),
    )
    circuit = Circuit(3, 2, observables=words)
    inputs, weights = draw_data(circuit, 2)
    with jax.enable_x64(True):
        values = np.asarray(engine.program(circuit, "adjoint").run(inputs, weights))
    np.testing.assert_allclose(values, reference.values(circuit, inputs, weights), atol=1e-12)


@given(
    n_qubits=st.integers(1, 3),
    angles=st.lists(st.floats(-10, 10), min_size=6, max_size=6),
    seed=st.integers(0, 2**16),
)
@settings(max_examples=25, deadline=None)
def test_properties(n_qubits, angles, seed):
    """Norm 1, expectations in [-1, 1], a batch is its samples one by one."""
    circuit = Circuit(n_qubits, 2, observables="xyz")
    _, weights = draw_data(circuit, 1, seed)
    inputs = np.array(angles)[: 2 * n_qubits].reshape(2, n_qubits)
    norms = np.linalg.norm(final_states(circuit, inputs, weights), axis=1)
    np.testing.assert_allclose(norms, 1, atol=1e-12)
    with jax.enable_x64(True):
        run = engine.program(circuit, "adjoint").run
        together = np.asarray(run(inputs, weights))
        apart = np.concatenate([run(inputs[i : i + 1], weights) for i in range(2)])
    assert np.abs(together).max() <= 1 + 1e-12
    np.testing.assert_allclose(together, apart, atol=1e-12)


# Any gate list is a circuit, also ones no built-in template writes: inputs in the middle, gates after
# CNOTs on a part of the wires, a CNOT first.


def random_circuit(n_qubits, seed):
    rng = np.random.default_rng(seed)
    gates = []
    for _ in range(12):
        wire, other = (int(w) for w in rng.permutation(n_qubits)[:2])
        match int(rng.integers(5)):
            case 0:
                gates.append(Gate("CNOT", (wire, other)))
            case 1:
                gates.append(Gate("Hadamard", (wire,)))
            case kind:
                parameter = (
                    Constant(float(rng.normal())),
                    InputSlot(int(rng.integers(2)), float(rng.normal())),
                    WeightSlot(int(rng.integers(3)), float(rng.normal())),
                )[kind - 2]
                gates.append(Gate(str(rng.choice(["RX", "RY", "RZ"])), (wire,), parameter))
    words = (PauliWord("Z", (0,)), PauliWord("XY", (0, 1)))
    return SimpleNamespace(n_qubits=n_qubits, gates=tuple(gates), words=words)


@pytest.mark.parametrize("seed", range(5))
def test_any_gate_list(seed):
    circuit = random_circuit(2 + seed % 2, seed)
    rng = np.random.default_rng(seed)
    inputs, weights, cotangents = rng.normal(size=(2, 2)), rng.normal(size=3), rng.normal(size=(2, 2))
    method = Adjoint(circuit)
    with jax.enable_x64(True):
        values, residuals = jax.jit(method.forward)(inputs, weights)
        gradients = jax.jit(method.backward)(residuals, inputs, weights, cotangents)
    np.testing.assert_allclose(values, reference.values(circuit, inputs, weights), atol=1e-12)
    for actual, expected in zip(
        gradients, reference.gradients(circuit, inputs, weights, cotangents), strict=True
    ):
        np.testing.assert_allclose(actual, expected, atol=1e-8)


def test_blocks_cover_all_wires():
    for n in range(1, 25):
        sizes = fusion.blocks(n)
        assert sum(sizes) == n
        assert max(sizes) <= fusion.MAX_BLOCK_WIRES
        assert max(sizes) - min(sizes) <= 1


def test_a_layer_holds_all_its_gates():
    assert len(fusion.plan(4, Circuit(4, 3).gates)) == 3


def test_adding_wires_in_blocks_keeps_their_order():
    """Seven wires are two blocks: a different RX on each must come out wire by wire."""
    rng = np.random.default_rng(3)
    angles = rng.normal(size=7)
    gates = [Gate("RX", (wire,), Constant(float(a))) for wire, a in enumerate(angles)]
    table = fusion.gate_table([[gate] for gate in gates])
    assert len(fusion.blocks(7)) == 2
    with jax.enable_x64(True):
        unitaries = sv.fuse(sv.gate_matrices(table, np.zeros((0, 1)), np.zeros(1)))
        start = rng.normal(size=(2, 2**7, 3))
        result = np.asarray(sv.apply_shared(start, unitaries))
    matrix = np.eye(2**7)
    for gate in gates:
        matrix = reference.matrix(7, gate, None, None) @ matrix
    expected = matrix @ (start[0] + 1j * start[1])
    np.testing.assert_allclose(result[0] + 1j * result[1], expected, atol=1e-12)


def test_buckets_are_powers_of_two():
    assert [engine.bucket(n) for n in (0, 1, 2, 3, 4, 5, 96, 128, 129)] == [1, 1, 2, 4, 4, 8, 128, 128, 256]


def test_programs_are_shared_by_equal_circuits():
    assert engine.program(Circuit(3, 2), "adjoint") is engine.program(Circuit(3, 2), "adjoint")
