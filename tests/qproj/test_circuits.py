"""Circuits as data: derived fields, drawing, errors; encodings, ansaetze and gates against PennyLane's."""

import copy
import pickle
from typing import get_args

import numpy as np
import pennylane as qml
import pytest

from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot
from qproj.circuits.ansatz import ANSAETZE, AnsatzName
from qproj.circuits.encodings import ENCODINGS, EncodingName
from qproj.circuits.gates import GATES, lower
from qproj.circuits.measurements import Probs, State
from qproj.circuits.observables import OBSERVABLES, ObservablesName
from qproj.circuits.text import dumps, loads
from qproj.registry import Registry

from . import reference


def names(circuit):
    return [gate.name for gate in circuit.gates]


# --- Encodings and ansaetze: PennyLane's templates, amplitude for amplitude.


def embed(encoding, x, wires):
    if encoding == "angle_z":
        for wire in wires:
            qml.Hadamard(wire)
    if encoding == "iqp":
        qml.IQPEmbedding(x, wires)
    elif encoding == "amplitude":
        qml.AmplitudeEmbedding(x, wires, pad_with=0, normalize=True)
    else:
        qml.AngleEmbedding(x, wires, rotation=encoding[-1].upper())


def entangle(ansatz, n_layers, weights, wires):
    if ansatz == "strongly_entangling":
        qml.StronglyEntanglingLayers(weights, wires)
    elif ansatz == "simplified_two_design":
        n = len(wires)
        qml.SimplifiedTwoDesign(weights[:n], weights[n:].reshape(n_layers, n - 1, 2), wires)
    else:
        rotation = {"basic_entangler": qml.RX, "basic_entangler_y": qml.RY, "basic_entangler_z": qml.RZ}
        qml.BasicEntanglerLayers(weights, wires, rotation=rotation[ansatz])


def final_state(n_qubits, quantum_function):
    @qml.qnode(qml.device("default.qubit", wires=n_qubits))
    def run():
        quantum_function()
        return qml.state()

    return run()


def same_state_as_the_templates(circuit, seed):
    rng = np.random.default_rng(seed)
    x = rng.uniform(-2, 2, circuit.n_inputs)
    weights = rng.uniform(0, 7, circuit.weight_shape)
    wires = range(circuit.n_qubits)

    def templates():
        embed(circuit.encoding, x, wires)
        entangle(circuit.ansatz, circuit.n_layers, weights, wires)

    expected = final_state(circuit.n_qubits, templates)
    np.testing.assert_allclose(reference.state(circuit, x, weights), expected, atol=1e-12)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 4])
@pytest.mark.parametrize("encoding", list(ENCODINGS))
def test_encoding_is_the_template(encoding, n_qubits):
    same_state_as_the_templates(Circuit(n_qubits, 1, encoding, "strongly_entangling"), n_qubits)


@pytest.mark.parametrize("n_qubits", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("ansatz", list(ANSAETZE))
def test_ansatz_is_the_template(ansatz, n_qubits):
    # As many layers as it takes for the reach of strongly entangling CNOTs to start over.
    same_state_as_the_templates(Circuit(n_qubits, 4, "angle_y", ansatz), n_qubits)


def test_amplitudes_are_padded_and_normalised():
    circuit = Circuit(2, 1, "amplitude")
    x = np.array([3.0, 0.0, 4.0])
    start = final_state(2, lambda: embed("amplitude", x, range(2)))
    np.testing.assert_allclose(start, [0.6, 0, 0.8, 0], atol=1e-15)
    weights = np.random.default_rng(1).uniform(0, 7, circuit.weight_shape)

    def templates():
        embed("amplitude", x, range(2))
        entangle("strongly_entangling", 1, weights, range(2))

    np.testing.assert_allclose(reference.state(circuit, x, weights), final_state(2, templates), atol=1e-12)


@pytest.mark.parametrize(
    ("encoding", "n_inputs", "products"),
    [*((f"angle_{letter}", 3, 0) for letter in "xyz"), ("iqp", 3, 3), ("amplitude", 8, 0)],
)
def test_what_encodings_take(encoding, n_inputs, products):
    circuit = Circuit(3, 1, encoding)
    assert (circuit.n_inputs, len(circuit.products)) == (n_inputs, products)
    assert circuit.n_features == n_inputs + products
    assert circuit.amplitudes == (encoding == "amplitude")


@pytest.mark.parametrize("ansatz", list(ANSAETZE))
def test_weights(ansatz):
    """Each used once, in order; their shapes are those of PennyLane's templates above."""
    circuit = Circuit(3, 2, ansatz=ansatz)
    used = [p.index for gate in circuit.gates for p in gate.parameters if isinstance(p, WeightSlot)]
    assert used == list(range(np.prod(circuit.weight_shape)))


# --- Re-uploading.


@pytest.mark.parametrize("encoding", ["angle_x", "angle_y", "angle_z", "iqp"])
@pytest.mark.parametrize("ansatz", ["strongly_entangling", "basic_entangler"])
def test_reupload_is_the_template_before_every_layer(encoding, ansatz):
    circuit = Circuit(3, 3, encoding, ansatz, reupload=True)
    rng = np.random.default_rng(5)
    x, weights = rng.uniform(-2, 2, 3), rng.uniform(0, 7, circuit.weight_shape)

    def templates():
        for layer in range(3):
            embed(encoding, x, range(3))
            if ansatz == "strongly_entangling":
                qml.StronglyEntanglingLayers(weights[layer : layer + 1], range(3), ranges=[layer % 2 + 1])
            else:
                entangle(ansatz, 1, weights[layer : layer + 1], range(3))

    np.testing.assert_allclose(reference.state(circuit, x, weights), final_state(3, templates), atol=1e-12)
    assert (circuit.n_inputs, circuit.weight_shape) == (3, Circuit(3, 3, encoding, ansatz).weight_shape)


def test_reupload_order():
    """The rotations that an ansatz starts with come once, after the first encoding."""
    circuit = Circuit(2, 2, "angle_x", "simplified_two_design", reupload=True)
    enter, layer = ["RX", "RX"], ["CZ", "RY", "RY"]
    assert names(circuit) == [*enter, "RY", "RY", *layer, *enter, *layer]
    assert Circuit(2, 1, reupload=True).gates == Circuit(2, 1).gates


# --- Observables.


def test_sets_of_observables():
    z = tuple(PauliWord("Z", (wire,)) for wire in range(3))
    zz = tuple(PauliWord("ZZ", pair) for pair in [(0, 1), (0, 2), (1, 2)])
    xyz = tuple(PauliWord(letter, (wire,)) for letter in "XYZ" for wire in range(3))
    others = {"probs": (Probs((0, 1, 2)),), "state": (State(3),)}
    sets = {name: OBSERVABLES[name](3) for name in OBSERVABLES}
    assert sets == {"z": z, "zz": z + zz, "xyz": xyz} | others


def test_hamiltonian_is_one_output():
    h = Hamiltonian((PauliWord("ZX", (0, 2), 0.5), PauliWord("Y", (1,), -2.0)))
    z = PauliWord("Z", (0,))
    circuit = Circuit(3, 1, observables=[z, h, z])
    assert circuit.observables == (z, h, z)
    assert circuit.n_outputs == 3
    assert circuit.words == (z, *h.words, z)
    assert circuit.owners == (0, 1, 1, 2)
    theirs = qml.matrix(0.5 * qml.Z(0) @ qml.X(2) - 2 * qml.Y(1), wire_order=range(3))
    np.testing.assert_allclose(reference.operator(3, h), theirs, atol=1e-15)


# --- Gates: PennyLane's of the same name.

PARAMETRISED = [name for name in GATES if GATES[name].frequencies]
TURN = 0.7321


def gate_on(name, wires, t=TURN):
    return reference.example(name, wires, (Constant(t * factor) for factor in (1, -0.7, 1.9)))


def theirs(name, wires, t=TURN):
    gate = gate_on(name, wires, t)
    numbers = [np.array(gate.matrix)] if gate.matrix else [angle.value for angle in gate.parameters]
    return getattr(qml, name)(*numbers, wires=list(wires))


def product(n_qubits, gates, x=None, weights=None):
    total = np.eye(2**n_qubits)
    for gate in gates:
        total = reference.matrix(n_qubits, gate, x, weights) @ total
    return total


@pytest.mark.parametrize("name", list(GATES))
@pytest.mark.parametrize("wires", [(0, 1, 2, 3), (2, 0, 3, 1), (1, 3, 2, 0)])
def test_reference_gate_is_pennylanes(name, wires):
    kind = GATES[name]
    wires = wires[: 3 if kind.most_wires else kind.n_wires]
    expected = qml.matrix(theirs(name, wires), wire_order=range(4))
    np.testing.assert_allclose(reference.matrix(4, gate_on(name, wires), None, None), expected, atol=1e-14)


@pytest.mark.parametrize("name", list(GATES))
def test_kind_says_what_the_gate_is(name):
    kind = GATES[name]
    wires = tuple(range(kind.n_wires))
    forms = (kind.generator, kind.z_rotation or None, kind.matrix, kind.permutation, kind.own_matrix or None)
    assert sum(form is not None for form in (*forms, kind.decomposition)) == 1
    expected = qml.matrix(theirs(name, wires), wire_order=wires)
    if kind.generator is not None:
        assert np.array_equal(np.array(kind.generator) @ kind.generator, np.eye(2))
        actual = reference.rotation(np.array(kind.generator), TURN)
    elif kind.z_rotation:
        z = reference.on_wires(kind.n_wires, dict.fromkeys(wires, reference.PAULI["Z"]))
        actual = reference.rotation(z, TURN)
    elif kind.matrix is not None:
        actual = np.array(kind.matrix)
    elif kind.permutation is not None:
        actual = np.zeros(expected.shape)
        actual[list(kind.permutation), range(len(expected))] = 1
    elif kind.own_matrix:
        actual = np.array(gate_on(name, wires).matrix)
    else:
        return  # its parts are of the other kinds; their product is the next test
    np.testing.assert_allclose(actual, expected, atol=1e-14)


@pytest.mark.parametrize("name", [name for name in GATES if GATES[name].decomposition])
@pytest.mark.parametrize("t", [0.0, TURN, np.pi, -4.5])
def test_decomposition_is_the_gate_up_to_a_phase(name, t):
    wires = (2, 0, 3, 1)[: GATES[name].n_wires]
    parts = lower([gate_on(name, wires, t)])
    assert all(gate.kind.decomposition is None for gate in parts)
    actual = product(4, parts)
    expected = qml.matrix(theirs(name, wires, t), wire_order=range(4))
    phase = np.vdot(actual, expected) / len(actual)
    assert abs(phase) == pytest.approx(1)
    np.testing.assert_allclose(phase * actual, expected, atol=1e-12)


def test_lower_keeps_slots_and_order():
    x, weights = np.array([0.3, -1.1]), np.array([0.9])
    gates = (
        Gate("Hadamard", (0,)),
        Gate("CRY", (0, 1), InputSlot(1, 0.5)),
        Gate("CRX", (1, 0), WeightSlot(0, -2.0)),
        Gate("ControlledPhaseShift", (0, 1), InputSlot(0, 1.5, times=1)),
        Gate("CNOT", (1, 0)),
    )
    actual, expected = product(2, lower(gates), x, weights), product(2, gates, x, weights)
    phase = np.vdot(actual, expected) / 4
    np.testing.assert_allclose(phase * actual, expected, atol=1e-12)
    plain = (gates[0], gates[-1])
    assert lower(plain) == plain


@pytest.mark.parametrize("name", PARAMETRISED)
def test_frequencies_are_those_of_the_generator(name):
    ours = GATES[name].frequencies
    operation = theirs(name, range(GATES[name].n_wires))
    assert [sorted(map(float, found)) for found in operation.parameter_frequencies] == [sorted(ours)]
    generator = qml.matrix(qml.generator(operation, format="observable"), wire_order=operation.wires)
    levels = np.linalg.eigvalsh(generator)
    differences = np.unique(np.round(np.abs(levels[:, None] - levels), 9))
    assert differences[differences > 0].tolist() == sorted(ours)


# --- The circuit.


def test_default_circuit():
    circuit = Circuit()
    assert (circuit.n_qubits, circuit.n_layers, circuit.n_inputs, circuit.n_outputs) == (4, 3, 4, 4)
    assert (circuit.encoding, circuit.ansatz) == ("angle_y", "strongly_entangling")
    assert circuit.weight_shape == (3, 4, 3)
    assert circuit.words == circuit.observables == tuple(PauliWord("Z", (wire,)) for wire in range(4))
    assert circuit.owners == (0, 1, 2, 3)
    assert circuit.n_features == 4
    assert circuit.plain_gates == circuit.gates
    assert (circuit.reupload, circuit.amplitudes, circuit.products) == (False, False, ())


def test_own_gates():
    gates = [
        Gate("RY", (0,), InputSlot(2)),
        Gate("CRX", (0, 3), WeightSlot(4, 0.5)),
        Gate("RZ", (1,), Constant(0.25)),
    ]
    circuit = Circuit(gates=iter(gates))
    assert circuit.gates == tuple(gates)
    assert (circuit.n_qubits, circuit.n_inputs, circuit.weight_shape) == (4, 3, (5,))
    assert (circuit.n_layers, circuit.encoding, circuit.ansatz) == (0, "", "")
    assert circuit.n_outputs == 4
    wider = Circuit(6, gates=gates, observables="zz")
    assert (wider.n_qubits, wider.n_outputs) == (6, 21)
    fixed = Circuit(gates=[Gate("Hadamard", (0,))])
    assert (fixed.n_inputs, fixed.weight_shape, fixed.n_features) == (0, (0,), 0)


def test_products_have_columns_of_their_own():
    gates = [
        Gate("RX", (0,), InputSlot(0, times=3)),
        Gate("RY", (0,), InputSlot(1)),
        Gate("RZ", (0,), InputSlot(0, -2.0, times=3)),
        Gate("RZ", (0,), InputSlot(1, 0.5, times=1)),
    ]
    circuit, slots = Circuit(gates=gates), [gate.parameter for gate in gates]
    assert circuit.products == (slots[0], slots[2], slots[3])
    assert (circuit.n_inputs, circuit.n_features) == (4, 7)
    plain = [gate.parameter for gate in circuit.plain_gates]
    assert plain == [InputSlot(4), InputSlot(1), InputSlot(5), InputSlot(6)]
    x = np.array([0.3, -1.1, 0.0, 0.9])
    features = np.concatenate([x, [s.scale * x[s.index] * x[s.times] for s in circuit.products]])
    plain = Circuit(gates=circuit.plain_gates)
    np.testing.assert_allclose(
        reference.state(plain, features, []), reference.state(circuit, x, []), atol=1e-15
    )


def test_equal_arguments_are_equal_keys():
    assert Circuit(3, 2) == Circuit(3, 2)
    assert hash(Circuit(3, 2)) == hash(Circuit(3, 2))
    assert Circuit(3, 2) == Circuit(3, 2, observables=tuple(PauliWord("Z", (w,)) for w in range(3)))
    assert len({Circuit(), Circuit(), Circuit(encoding="angle_x")}) == 2
    different = [
        Circuit(3, 2),
        Circuit(3, 3),
        Circuit(3, 2, reupload=True),
        Circuit(3, 2, observables="xyz"),
        Circuit(3, 2, observables=[Hamiltonian(Circuit(3, 2).words)]),
        Circuit(3, 2, "iqp"),
        Circuit(3, 2, ansatz="basic_entangler"),
        Circuit(gates=Circuit(3, 2).gates),
        Circuit(gates=Circuit(3, 2).gates[::-1]),
    ]
    assert len(set(different)) == len(different)
    assert Circuit(gates=list(Circuit(3, 2).gates)) == Circuit(gates=Circuit(3, 2).gates)


def test_frozen():
    with pytest.raises(AttributeError):
        Circuit().n_qubits = 5


@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(3, 2, "iqp", observables="xyz"),
        Circuit(2, 2, "amplitude"),
        Circuit(gates=Circuit(2, 1).gates, observables=[Hamiltonian([PauliWord("X", (1,), 0.5)])]),
    ],
    ids=["iqp", "amplitude", "gates"],
)
def test_copies_equal(circuit):
    for other in (pickle.loads(pickle.dumps(circuit)), copy.deepcopy(circuit)):
        assert other == circuit
        assert hash(other) == hash(circuit)
        assert other.gates == circuit.gates
        assert other.observables == circuit.observables
        assert (other.n_inputs, other.weight_shape) == (circuit.n_inputs, circuit.weight_shape)
        assert other.amplitudes == circuit.amplitudes


# --- Drawing.


def test_drawing():
    circuit = Circuit(3, 1, "angle_y", "basic_entangler")
    assert str(circuit).splitlines() == [
        "0: ─RY(x0)─RX(w0)─●───X─",
        "1: ─RY(x1)─RX(w1)─X─●─│─",
        "2: ─RY(x2)─RX(w2)───X─●─",
        "expval: Z0, Z1, Z2",
    ]


def test_drawing_of_wide_gates():
    gates = [
        Gate("CRX", (2, 0), InputSlot(1, 0.5)),
        Gate("Toffoli", (0, 2, 1)),
        Gate("SWAP", (0, 1)),
        Gate("CZ", (1, 2)),
        Gate("PhaseShift", (0,), WeightSlot(4)),
    ]
    observable = Hamiltonian((PauliWord("Z", (0,), 0.5), PauliWord("XY", (0, 1))))
    assert str(Circuit(gates=gates, observables=[observable])).splitlines() == [
        "0: ─CRX(0.5*x1):1─●─x─PhaseShift(w4)─",
        "1: ───────│───────X─x───────●────────",
        "2: ─CRX(0.5*x1):0─●─────────●────────",
        "expval: 0.5 Z0 + X0 Y1",
    ]


def test_drawing_of_amplitudes_and_products():
    assert str(Circuit(2, 1, "amplitude", "basic_entangler")).splitlines()[0] == "0: |x⟩──RX(w0)─●─"
    assert "IsingZZ(x0*x1):0" in str(Circuit(2, 1, "iqp"))


def test_every_wire_is_as_long_as_the_others():
    for encoding in ENCODINGS:
        for ansatz in ANSAETZE:
            *lines, _ = str(Circuit(11, 2, encoding, ansatz)).splitlines()
            assert len(lines) == 11
            assert len(set(map(len, lines))) == 1


def test_drawing_shows_scales_and_words():
    assert str(Gate("RX", (0,), InputSlot(2, 0.5))) == "RX(0.5*x2)"
    assert str(Gate("RX", (0,), InputSlot(2, -0.5, times=3))) == "RX(-0.5*x2*x3)"
    assert str(Gate("RX", (0,), WeightSlot(7, 2.0))) == "RX(2*w7)"
    assert str(Gate("RX", (0,), Constant(0.25))) == "RX(0.25)"
    assert str(PauliWord("ZX", (0, 2), -0.5)) == "-0.5 Z0 X2"


# --- Errors.

H0 = Gate("Hadamard", (0,))


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"encoding": "angel_y"}, ValueError, r"encoding must be one of .*Did you mean 'angle_y'\?"),
        ({"ansatz": "basic_entangle"}, ValueError, r"'basic_entangler'.*'strongly_entangling'"),
        ({"observables": "yz"}, ValueError, "observables must be one of .*'xyz', 'z', 'zz', but was 'yz'"),
        ({"observables": ()}, ValueError, "observables must hold at least one Pauli word, but was empty"),
        ({"observables": (PauliWord("Z", (4,)),)}, ValueError, r"wires must be in 0\.\.3, but Z4"),
        (
            {"observables": [Hamiltonian([PauliWord("Z", (0,)), PauliWord("X", (9,))])]},
            ValueError,
            r"wires must be in 0\.\.3, but X9",
        ),
        ({"n_qubits": 0}, ValueError, "n_qubits must be at least 1, but was 0"),
        ({"n_layers": -1}, ValueError, "n_layers must be at least 1, but was -1"),
        ({"n_qubits": 2.0}, TypeError, r"n_qubits must be an int, but was 2\.0 \(float\)"),
        ({"n_layers": True}, TypeError, "n_layers must be an int"),
        ({"encoding": "amplitude", "reupload": True}, ValueError, "reupload must be False.*'amplitude'"),
        ({"gates": []}, ValueError, r"gates must hold at least one qproj\.Gate.*but was empty"),
        ({"gates": [H0, "RX"]}, ValueError, r"gates must hold .*nothing else, but held 'RX'"),
        ({"gates": [H0], "encoding": "iqp"}, ValueError, r"gates .*must come alone, but encoding='iqp'"),
        ({"gates": [H0], "ansatz": "basic_entangler"}, ValueError, "alone, but ansatz='basic_entangler'"),
        ({"gates": [H0], "n_layers": 2}, ValueError, "alone, but n_layers=2"),
        ({"gates": [H0], "reupload": True}, ValueError, "alone, but reupload=True"),
        ({"gates": [H0], "n_layers": 0}, ValueError, "n_layers must be at least 1"),
        ({"gates": [Gate("S", (3,))], "n_qubits": 2}, ValueError, r"wires must be in 0\.\.1, but S"),
    ],
)
def test_bad_circuit(arguments, error, message):
    with pytest.raises(error, match=message):
        Circuit(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CNOT", (0,)), "wires of CNOT must be 2 different wires"),
        (("CNOT", (1, 1)), r"wires of CNOT must be different wires, but were \(1, 1\)"),
        (("Toffoli", (0, 1)), r"wires of Toffoli must be 3 different wires, but were \(0, 1\)"),
        (("RX", (0,)), "parameter of RX must be given"),
        (("CRX", (0, 1)), "parameter of CRX must be given"),
        (("Hadamard", (0,), Constant(1.0)), "parameter of Hadamard must be None"),
        (("CX", (0, 1)), r"gate name must be one of .*Did you mean 'CNOT'\?"),
        (("H", (0,)), r"Did you mean 'Hadamard'\?"),
        (("rx", (0,), Constant(1.0)), r"Did you mean 'RX'\?"),
        (("S", (-1,)), r"wires of S must be ints from 0, but were \(-1,\)"),
        (("Rot", (0,), (Constant(1.0),) * 2), "parameter of Rot must be 3 angles, but were 2"),
        (("QubitUnitary", (0,)), r"matrix of QubitUnitary must be given: a unitary of shape \(2, 2\)"),
        (("QubitUnitary", (0,), None, [[1, 0], [0, 2]]), "matrix of QubitUnitary must be unitary"),
        (("QubitUnitary", (0, 1), None, np.eye(2)), r"must have shape \(4, 4\) on 2 wires, but had shape"),
        (("QubitUnitary", (0,), None, [[np.nan, 0], [0, 1]]), "must be unitary"),
        (("QubitUnitary", range(4), None, np.eye(16)), "must be 1 to 3 different wires"),
        (("SX", (0,), None, np.eye(2)), "matrix of SX must be None"),
    ],
)
def test_bad_gate(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gate(*arguments)


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("RX", (0,), 0.5), TypeError, r"parameter of RX must be .* but was 0\.5.*qproj\.Constant\(0\.5\)"),
        (("Rot", (0,), 0.5), TypeError, "parameter of Rot must be a tuple of 3"),
        (("QubitUnitary", (0,), np.eye(2)), TypeError, "Pass its unitary as matrix"),
        (("RX", (0.5,), Constant(1.0)), TypeError, "wires of RX must be ints from 0"),
        (("RX", "0", Constant(1.0)), TypeError, "wires of RX must be ints from 0"),
    ],
)
def test_errors_of_gates_show_the_way(arguments, error, message):
    with pytest.raises(error, match=message):
        Gate(*arguments)


@pytest.mark.parametrize(
    ("make", "error"),
    [
        (lambda: Constant("1"), TypeError),
        (lambda: Constant(True), TypeError),
        (lambda: Constant(1j), TypeError),
        (lambda: Constant(float("nan")), ValueError),
        (lambda: Constant(np.float32("inf")), ValueError),
        (lambda: InputSlot(0.0), TypeError),
        (lambda: InputSlot(0, float("nan")), ValueError),
        (lambda: WeightSlot(-1), ValueError),
        (lambda: PauliWord("Z", (0,), float("nan")), ValueError),
        (lambda: PauliWord("Z", (0,), "2"), TypeError),
        (lambda: PauliWord("Z", (0,), 1j), TypeError),
        (lambda: Hamiltonian(["Z"]), TypeError),
        (lambda: Circuit("2"), TypeError),
        (lambda: Circuit(2, reupload="no"), TypeError),
    ],
)
def test_what_is_no_number_is_refused(make, error):
    with pytest.raises(error, match="must"):
        make()


def test_numbers_of_numpy_are_numbers():
    """Equal circuits, whatever library the numbers are from, and of Python's own types."""
    two, half = np.int64(2), np.float32(0.5)
    theirs = Circuit(
        two,
        gates=[
            Gate("RX", (np.int32(1),), InputSlot(np.int64(1), half, times=np.uint8(0))),
            Gate("CNOT", np.array([0, 1])),
            Gate("RY", np.int64(0), WeightSlot(np.int64(0), np.array(2))),
            Gate("RZ", [0], Constant(half)),
        ],
        observables=[PauliWord("ZX", np.arange(2), half)],
    )
    ours = Circuit(
        2,
        gates=[
            Gate("RX", (1,), InputSlot(1, 0.5, times=0)),
            Gate("CNOT", (0, 1)),
            Gate("RY", (0,), WeightSlot(0, 2.0)),
            Gate("RZ", (0,), Constant(0.5)),
        ],
        observables=[PauliWord("ZX", (0, 1), 0.5)],
    )
    assert theirs == ours
    assert dumps(theirs) == dumps(ours)
    assert Circuit(two, np.int64(1), reupload=np.True_) == Circuit(2, 1, reupload=True)


def test_text_keeps_matrices_and_several_angles():
    circuit = Circuit(
        gates=[
            Gate("QubitUnitary", (2, 0), matrix=reference.unitary(2)),
            Gate("Rot", (1,), (InputSlot(0), WeightSlot(1, 0.5), Constant(0.1))),
        ],
        observables=[Hamiltonian([PauliWord("I", coefficient=0.5), PauliWord("Z")])],
    )
    read = loads(dumps(circuit))
    assert (read, read.gates, hash(read)) == (circuit, circuit.gates, hash(circuit))
    assert (circuit.n_inputs, circuit.weight_shape) == (1, (2,))


def test_a_pickle_leaves_hashes_behind():
    """Another process hashes text with another salt."""
    circuit = Circuit(2, 1)
    hash(circuit)
    assert "_hash" not in circuit.__getstate__()


def test_identities():
    assert PauliWord("XIZ", (0, 1, 3)) == PauliWord("XZ", (0, 3))
    assert str(PauliWord("I", 2, 0.5)) == "0.5 I"
    assert PauliWord("II").letters == "I"


@pytest.mark.parametrize(
    ("names", "registry"), [(EncodingName, ENCODINGS), (AnsatzName, ANSAETZE), (ObservablesName, OBSERVABLES)]
)
def test_literals_are_the_registered_names(names, registry):
    assert set(get_args(names)) == set(registry)


@pytest.mark.parametrize("n_wires", [1, 2, 3])
def test_matrices_are_taken_apart_exactly(n_wires):
    wires = (2, 0, 1)[:n_wires]
    given = [reference.unitary(n_wires, seed) for seed in range(3)]
    given += [np.eye(2**n_wires), np.eye(2**n_wires)[::-1], np.diag(np.exp(1j * np.arange(2**n_wires)))]
    for matrix in given:
        parts = lower([Gate("QubitUnitary", wires, matrix=matrix)])
        assert all(part.kind.z_rotation or len(part.wires) == 1 for part in parts)
        theirs = qml.matrix(qml.QubitUnitary(matrix, wires=wires), wire_order=range(3))
        np.testing.assert_allclose(product(3, parts), theirs, atol=1e-13)


@pytest.mark.parametrize("arguments", [("", ()), ("A", (0,)), ("ZZ", (0,)), ("ZZ", (1, 1))])
def test_bad_word(arguments):
    with pytest.raises(ValueError, match="must be"):
        PauliWord(*arguments)


def test_empty_hamiltonian():
    with pytest.raises(ValueError, match="words must hold at least one Pauli word, but was empty"):
        Hamiltonian(())


def test_registries():
    registry = Registry("colour")
    registry.add("red", 1)
    with pytest.raises(ValueError, match="colour 'red' is already registered"):
        registry.add("red", 2)
    with pytest.raises(ValueError, match=r"colour must be one of 'red', but was \['red'\]"):
        registry[["red"]]
