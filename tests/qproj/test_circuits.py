"""Circuits as data: gates, registries, derived fields, drawing."""

import copy
import pickle

import pytest

from qproj.circuits import Circuit, Constant, Gate, InputSlot, PauliWord, WeightSlot
from qproj.circuits.ansatz import ANSAETZE
from qproj.circuits.encodings import ENCODINGS
from qproj.registry import Registry


def names(circuit):
    return [gate.name for gate in circuit.gates]


def cnots(circuit):
    return [gate.wires for gate in circuit.gates if gate.name == "CNOT"]


def test_default_circuit():
    circuit = Circuit()
    assert (circuit.n_qubits, circuit.n_layers, circuit.n_inputs, circuit.n_outputs) == (4, 3, 4, 4)
    assert circuit.weight_shape == (3, 4, 3)
    assert circuit.words == tuple(PauliWord("Z", (wire,)) for wire in range(4))
    weights = [g.parameter.index for g in circuit.gates if isinstance(g.parameter, WeightSlot)]
    assert weights == list(range(36))


def test_strongly_entangling_reaches_further_each_layer():
    assert cnots(Circuit(3, 3)) == [
        *[(0, 1), (1, 2), (2, 0)],
        *[(0, 2), (1, 0), (2, 1)],
        *[(0, 1), (1, 2), (2, 0)],
    ]


@pytest.mark.parametrize(("n_qubits", "expected"), [(1, []), (2, [(0, 1)]), (3, [(0, 1), (1, 2), (2, 0)])])
def test_basic_entangler_ring(n_qubits, expected):
    circuit = Circuit(n_qubits, 1, ansatz="basic_entangler")
    assert cnots(circuit) == expected
    assert circuit.weight_shape == (1, n_qubits)


@pytest.mark.parametrize(("n_qubits", "expected"), [(1, []), (2, [(0, 1), (1, 0)])])
def test_strongly_entangling_small(n_qubits, expected):
    assert cnots(Circuit(n_qubits, 1)) == expected


def test_angle_z_opens_with_hadamards():
    circuit = Circuit(2, 1, "angle_z", "basic_entangler")
    assert names(circuit)[:4] == ["Hadamard", "Hadamard", "RZ", "RZ"]


def test_equal_arguments_are_equal_keys():
    assert Circuit(3, 2) == Circuit(3, 2)
    assert hash(Circuit(3, 2)) == hash(Circuit(3, 2))
    assert Circuit(3, 2) != Circuit(3, 2, observables="xyz")
    assert Circuit(3, 2) == Circuit(3, 2, observables=tuple(PauliWord("Z", (w,)) for w in range(3)))
    assert len({Circuit(), Circuit(), Circuit(encoding="angle_x")}) == 2


def test_frozen():
    with pytest.raises(AttributeError):
        Circuit().n_qubits = 5


def test_copies_equal():
    circuit = Circuit(3, 2, observables="xyz")
    assert pickle.loads(pickle.dumps(circuit)) == circuit
    assert copy.deepcopy(circuit).gates == circuit.gates


def test_drawing():
    circuit = Circuit(3, 1, "angle_y", "basic_entangler")
    assert str(circuit).splitlines() == [
        "0: ─RY(x0)─RX(w0)─●───X─",
        "1: ─RY(x1)─RX(w1)─X─●─│─",
        "2: ─RY(x2)─RX(w2)───X─●─",
        "expval: Z0, Z1, Z2",
    ]


def test_drawing_shows_scales_and_words():
    assert str(Gate("RX", (0,), InputSlot(2, 0.5))) == "RX(0.5*x2)"
    assert str(Gate("RX", (0,), Constant(0.25))) == "RX(0.25)"
    assert str(PauliWord("ZX", (0, 2), -0.5)) == "-0.5 Z0 X2"


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"encoding": "angel_y"}, ValueError, r"encoding must be one of .*Did you mean 'angle_y'\?"),
        ({"ansatz": "basic_entangle"}, ValueError, r"'basic_entangler'.*'strongly_entangling'"),
        ({"observables": "zz"}, ValueError, "observables must be one of 'xyz', 'z', but was 'zz'"),
        ({"observables": ()}, ValueError, "at least one Pauli word"),
        ({"observables": (PauliWord("Z", (4,)),)}, ValueError, r"wires must be in 0\.\.3, but Z4"),
        ({"n_qubits": 0}, ValueError, "n_qubits must be at least 1, but was 0"),
        ({"n_layers": -1}, ValueError, "n_layers must be at least 1, but was -1"),
        ({"n_qubits": 2.0}, TypeError, r"n_qubits must be an int, but was 2\.0 \(float\)"),
        ({"n_layers": True}, TypeError, "n_layers must be an int"),
    ],
)
def test_bad_circuit(arguments, error, message):
    with pytest.raises(error, match=message):
        Circuit(**arguments)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("CNOT", (0,)), "wires of CNOT must be 2 different wires"),
        (("CNOT", (1, 1)), "wires of CNOT must be 2 different wires"),
        (("RX", (0,)), "parameter of RX must be given"),
        (("Hadamard", (0,), Constant(1.0)), "parameter of Hadamard must be None"),
        (("CX", (0, 1)), "gate name must be one of 'CNOT'"),
    ],
)
def test_bad_gate(arguments, message):
    with pytest.raises(ValueError, match=message):
        Gate(*arguments)


@pytest.mark.parametrize("arguments", [("", ()), ("A", (0,)), ("ZZ", (0,)), ("ZZ", (1, 1))])
def test_bad_word(arguments):
    with pytest.raises(ValueError, match="must be"):
        PauliWord(*arguments)


def test_registries():
    assert list(ENCODINGS) == ["angle_x", "angle_y", "angle_z"]
    assert "basic_entangler" in ANSAETZE
    registry = Registry("colour")
    registry.add("red", 1)
    with pytest.raises(ValueError, match="colour 'red' is already registered"):
        registry.add("red", 2)
    with pytest.raises(ValueError, match=r"colour must be one of 'red', but was \['red'\]"):
        registry[["red"]]
