"""States and expectation values: closed forms, the naive reference, random gate lists, every strategy."""

import jax
import numpy as np
import pytest

from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.circuits.gates import GATES
from qproj.execution import programs
from qproj.execution.padding import bucket
from qproj.planning.cost import plan
from qproj.planning.strategies import STRATEGIES
from qproj.simulation import segments, statevector

from . import reference

WORDS = (
    PauliWord("XY", (0, 2), 0.5),
    PauliWord("Z", (1,), -2.0),
    PauliWord("YY", (1, 0)),
    Hamiltonian((PauliWord("XZY", (2, 0, 1), 3.0), PauliWord("XX", (0, 1), 0.25), PauliWord("Z", (0,)))),
)


def strategies(circuit):
    """Every strategy that can run a circuit."""
    return [cost.strategy for cost in plan(circuit, 2, 8, "auto", "best").costs]


def draw_data(circuit, batch, seed=0):
    """Plain inputs, the columns a runner is given for them, and weights."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(batch, circuit.n_inputs))
    return inputs, features(circuit, inputs), rng.uniform(0, 2 * np.pi, circuit.weight_shape)


def features(circuit, inputs):
    if circuit.amplitudes:
        return inputs / np.linalg.norm(inputs, axis=1, keepdims=True)
    products = [s.scale * inputs[:, [s.index]] * inputs[:, [s.times]] for s in circuit.products]
    return np.concatenate([inputs, *products], axis=1)


def run(circuit, columns, weights, strategy, diff_method="adjoint"):
    with jax.enable_x64(True):
        return np.asarray(programs.program(circuit, strategy, diff_method).run(columns, weights))


def random_slots(rng):
    """Angles of every sort, without end."""
    while True:
        slots = [
            Constant(rng.normal()),
            InputSlot(rng.integers(2), rng.normal(), times=[None, 1][rng.integers(2)]),
            WeightSlot(rng.integers(3), rng.normal()),
        ]
        yield slots[rng.integers(3)]


def random_circuit(n_qubits, n_gates, seed):
    """Any gates anywhere: inputs in the middle, products of inputs, gates on a part of the wires."""
    rng = np.random.default_rng(seed)
    gates = []
    while len(gates) < n_gates:
        name = str(rng.choice(list(GATES)))
        kind = GATES[name]
        if kind.n_wires > n_qubits:
            continue
        most = kind.n_wires if kind.most_wires is None else 2
        wires = rng.permutation(n_qubits)[: rng.integers(kind.n_wires, most + 1)]
        gates.append(reference.example(name, wires, random_slots(rng)))
    gates.append(Gate("RX", (0,), InputSlot(1)))
    gates.append(Gate("RY", (n_qubits - 1,), WeightSlot(2)))
    words = [PauliWord("Z", (0,)), PauliWord("Y", (n_qubits - 1,), -0.5)]
    if seed % 2 and n_qubits > 1:
        words = [PauliWord("ZZ", (0, 1)), PauliWord("Z", (0,), 2.0)]
    return Circuit(n_qubits, gates=gates, observables=words)


CIRCUITS = [
    Circuit(3, 1, "angle_z", observables="xyz"),
    Circuit(3, 1, "angle_y", "simplified_two_design", "zz"),
    Circuit(3, 2, "iqp", "basic_entangler", reupload=True),
    Circuit(3, 1, "amplitude", "basic_entangler_z", WORDS),
    Circuit(4, 9),
    Circuit(2, 2, "angle_x", reupload=True),
    Circuit(1, 2, observables="xyz"),
    Circuit(2, encoding="amplitude", gates=[Gate("CRY", (0, 1), WeightSlot(0))], observables="xyz"),
]


def label(circuit):
    c = circuit
    return f"{c.encoding}-{c.ansatz}-{c.n_qubits}x{c.n_layers}-{c.n_outputs}{'-reupload' * c.reupload}"


@pytest.mark.parametrize("circuit", [c for c in CIRCUITS if c.n_qubits > 2], ids=label)
def test_values_by_larger_blocks(circuit):
    """Small blocks and dense matrices are compared with the reference where gradients are."""
    inputs, columns, weights = draw_data(circuit, 3)
    expected = reference.values(circuit, inputs, weights)
    larger = set(strategies(circuit)) - {"dense", "fused-2"}
    assert larger
    for strategy in larger:
        np.testing.assert_allclose(run(circuit, columns, weights, strategy), expected, atol=1e-12)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_any_gate_list(seed):
    circuit = random_circuit(1 + seed % 4, 14, seed)
    inputs, columns, weights = draw_data(circuit, 2, seed)
    expected = reference.values(circuit, inputs, weights)
    for strategy in strategies(circuit):
        np.testing.assert_allclose(run(circuit, columns, weights, strategy), expected, atol=1e-12)


def test_blocks_of_every_size_agree():
    """Several blocks, of different sizes; too large for the reference, so against each other."""
    circuit = Circuit(11, 1)
    _, columns, weights = draw_data(circuit, 2)
    results = [run(circuit, columns, weights, strategy) for strategy in strategies(circuit)]
    for result in results[1:]:
        np.testing.assert_allclose(result, results[0], atol=1e-12)


@pytest.mark.parametrize("strategy", STRATEGIES[:2])
def test_closed_form_ry_gives_cosine(strategy):
    """With zero weights and one layer, `angle_y` and a CNOT ring measure products of cosines."""
    circuit = Circuit(2, 1, "angle_y", "basic_entangler", "z")
    x = np.array([[0.3, 1.1], [-0.7, 2.0]])
    expected = np.stack([np.cos(x[:, 0]), np.cos(x[:, 0]) * np.cos(x[:, 1])], axis=1)
    np.testing.assert_allclose(run(circuit, x, np.zeros((1, 2)), strategy), expected, atol=1e-12)


def test_closed_form_one_qubit_bloch_vector():
    """After RY(x) and then RX(w), the Bloch vector is (sin x, -cos x sin w, cos x cos w)."""
    circuit = Circuit(1, 1, "angle_y", "basic_entangler", "xyz")
    x, w = 0.4, 1.3
    expected = [[np.sin(x), -np.cos(x) * np.sin(w), np.cos(x) * np.cos(w)]]
    np.testing.assert_allclose(
        run(circuit, np.array([[x]]), np.array([[w]]), "fused-2"), expected, atol=1e-12
    )


def test_a_circuit_and_its_inverse_give_the_start_back():
    """Z on every wire is 1 again, which no wrong normalisation or phase survives."""
    rng = np.random.default_rng(5)
    gates = []
    for i in range(12):
        wires = tuple(int(wire) for wire in rng.permutation(4)[:2])
        names = ["RX", "RY", "RZ"] if i % 3 else ["CRX", "IsingYY", "IsingZZ"]
        gates.append(Gate(str(rng.choice(names)), wires[: 1 if i % 3 else 2], WeightSlot(i)))
        gates.append(Gate("CNOT", wires))
    undo = [
        Gate(g.name, g.wires, WeightSlot(g.parameter.index, -1.0) if g.parameter else None)
        for g in reversed(gates)
    ]
    circuit = Circuit(4, gates=gates + undo)
    values = run(circuit, np.zeros((1, 0)), rng.normal(size=12), "fused-2")
    np.testing.assert_allclose(values, np.ones((1, 4)), atol=1e-12)


def test_single_precision_is_as_good_as_promised():
    """Within 2e-5 of double precision for 12 qubits and 6 layers; here 8, which are a loop."""
    circuit = Circuit(12, 8)
    _, columns, weights = draw_data(circuit, 2)
    exact = run(circuit, columns, weights, "fused-4")
    single = programs.program(circuit, "fused-4", "adjoint").run(
        columns.astype(np.float32), weights.astype(np.float32)
    )
    assert single.dtype == np.float32
    np.testing.assert_allclose(single, exact, atol=2e-5)


def test_buckets_are_few_and_near():
    assert [bucket(n) for n in (0, 1, 2, 3, 4, 5, 7, 96, 97, 129)] == [1, 1, 2, 3, 4, 6, 8, 96, 128, 192]
    sizes = {bucket(n) for n in range(1, 1025)}
    assert len(sizes) == 20
    assert all(n <= bucket(n) < 1.5 * n for n in range(1, 1025))


def test_programs_are_shared_by_equal_circuits():
    assert programs.program(Circuit(3, 2), "dense", "adjoint") is programs.program(
        Circuit(3, 2), "dense", "adjoint"
    )


@pytest.mark.parametrize("columns", [8, 20, 24])
def test_overlaps_of_large_states_meet_piece_by_piece(monkeypatch, columns):
    """Whatever the size of the batch, which JAX users do not pad: no column is left out or counted twice."""
    monkeypatch.setattr(segments, "_AT_ONCE", 4)
    monkeypatch.setattr(segments, "_COLUMNS", 8)
    psi, bra = np.random.default_rng(0).normal(size=(2, 8, columns)).astype(np.float32)
    np.testing.assert_allclose(segments._overlaps(psi, bra, 8), bra @ psi.T, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch", [1, 3])
def test_wires_change_places(batch):
    """Whichever they are, the others stay where they are."""
    state = np.random.default_rng(0).normal(size=(2, 2**13, batch)).astype(np.float32)
    for first, second in ((0, 4), (3, 0), (3, 10), (4, 9), (9, 4), (11, 2), (4, 4), (8, 1)):
        expected = state.reshape(2, 2**first, 2**second, -1).swapaxes(1, 2).reshape(state.shape)
        np.testing.assert_array_equal(statevector.exchange(state, first, second), expected)
