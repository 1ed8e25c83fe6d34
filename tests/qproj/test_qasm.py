"""OpenQASM 3: written and read back, and read by PennyLane and Qiskit; what cannot be read is named."""

import sys

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj.circuits import Circuit, Constant, Gate, InputSlot, WeightSlot
from qproj.circuits.gates import GATES

from . import reference
from .test_simulation import random_slots

pytest.importorskip("openqasm3.parser")


def numbers(circuit):
    rng = np.random.default_rng(5)
    return rng.normal(size=circuit.n_inputs), rng.normal(size=np.prod(circuit.weight_shape, dtype=int))


def by_name(x, w):
    """Values of the parameters as `to_qasm` calls them."""
    return {f"x{i}": float(v) for i, v in enumerate(x)} | {f"w{i}": float(v) for i, v in enumerate(w)}


def overlap(one, two):
    return abs(np.vdot(one, two))


def of_every_gate():
    rng = np.random.default_rng(2)
    slots = random_slots(rng)
    names = [name for name in GATES for _ in range(3 if name in ("MultiRZ", "QubitUnitary") else 1)]
    gates = [Gate("Hadamard", (wire,)) for wire in range(4)]
    for place, name in enumerate(names):
        n = GATES[name].n_wires + (place % 3 if GATES[name].most_wires else 0)
        gates.append(reference.example(name, tuple(map(int, rng.permutation(4)[:n])), slots))
    return Circuit(4, gates=gates)


EVERY_GATE = of_every_gate()


def test_every_gate_comes_back():
    again = Circuit.from_qasm(EVERY_GATE.to_qasm(), observables="xyz")
    assert again.n_outputs == 12
    x, w = numbers(EVERY_GATE)
    assert overlap(reference.state(EVERY_GATE, x, w), reference.state(again, x, w)) == pytest.approx(1)


@settings(max_examples=8)
@given(data=st.data())
def test_circuits_come_back(data):
    """Gates that OpenQASM has are the same gates afterwards, with the same slots."""
    numbers = st.floats(-1e6, 1e6, allow_subnormal=False).filter(bool)
    slot = st.one_of(
        st.builds(Constant, numbers),
        st.builds(InputSlot, st.integers(0, 2), numbers, st.none() | st.just(2)),
        st.builds(WeightSlot, st.integers(0, 3), numbers),
    )
    name = st.sampled_from(["RX", "CRY", "PhaseShift", "CSWAP", "T", "SX", "CH"])
    wires = st.permutations(range(3))
    gates = []
    for _ in range(data.draw(st.integers(1, 5))):
        kind = data.draw(name)
        angle = data.draw(slot) if GATES[kind].n_angles else None
        gates.append(Gate(kind, data.draw(wires)[: GATES[kind].n_wires], angle))
    circuit = Circuit(3, gates=gates)
    assert Circuit.from_qasm(circuit.to_qasm()).gates == circuit.gates


def pennylanes_state(text, n_qubits, **values):
    """By PennyLane's importer, which knows the gates of stdgates.inc, but cannot include it."""
    text = text.replace('include "stdgates.inc";', "")

    @qml.qnode(qml.device("default.qubit", wires=[f"q[{i}]" for i in range(n_qubits)]))
    def run():
        qml.from_qasm3(text)(**values)
        return qml.state()

    return run()


def qiskits_state(text, values):
    """By Qiskit's importer, whose first qubit is the least significant bit."""
    pytest.importorskip("qiskit_qasm3_import")
    import qiskit.qasm3
    from qiskit.quantum_info import Statevector

    circuit = qiskit.qasm3.loads(text)
    circuit.remove_final_measurements()
    bound = circuit.assign_parameters({p: values[p.name] for p in circuit.parameters})
    return Statevector(bound.reverse_bits()).data


def test_pennylane_reads_what_is_written():
    circuit = Circuit(3, 1, "iqp")
    x, w = numbers(circuit)
    found = pennylanes_state(circuit.to_qasm(), 3, **by_name(x, w))
    assert overlap(found, reference.state(circuit, x, w)) == pytest.approx(1)


def test_qiskit_reads_what_is_written():
    x, w = numbers(EVERY_GATE)
    found = qiskits_state(EVERY_GATE.to_qasm(), by_name(x, w))
    assert overlap(found, reference.state(EVERY_GATE, x, w)) == pytest.approx(1)


# What PennyLane's importer knows, and what only Qiskit's does.
LOOPS = """
OPENQASM 3.0;
include "stdgates.inc";
input float[64] a;
input float[64] b;
const int n = 3;
const float half = pi / 2;
qubit[3] q;
for int i in {0, 1, n - 1} { ry(0.3 * (i + 1) - a) q[i]; }
for int i in {0, 1} { crz(a * 1.5 + b / 2) q[i], q[i + 1]; }
if (n > 2) { sdg q[1]; }
cu(0.3, 0.2, half, b) q[2], q[0];
u3(0.1, sqrt(2), -b) q[1];
"""
MODIFIERS = """
OPENQASM 3.0;
include "stdgates.inc";
input float[64] a;
qubit[2] q;
qubit r;
bit[2] c;
gate plain(turned) one { rx(2 * turned + 0.1) one; gphase(turned / 3); }
gate mixed(turned) one, two { h one; sx two; s one; t one; plain(-turned) two; swap one, two; }
h q;
ry(0.4) q[0];
cx q, r;
ctrl @ mixed(a) r, q[0], q[1];
inv @ mixed(0.7) q[1], r;
negctrl @ p(a) q[0], r;
ctrl(2) @ x q[1], r, q[0];
pow(2) @ sx q[0];
ctrl @ inv @ sx q[{1}], r;
barrier q;
u2(0.2, a) q[-1];
c = measure q;
"""


def test_programs_are_read_as_others_read_them():
    circuit = Circuit.from_qasm(LOOPS, ["a"])
    found = reference.state(circuit, [0.6], [-0.9])
    assert overlap(found, pennylanes_state(LOOPS, 3, a=0.6, b=-0.9)) == pytest.approx(1)
    found = reference.state(Circuit.from_qasm(MODIFIERS, ["a"]), [0.6], [])
    assert overlap(found, qiskits_state(MODIFIERS, {"a": 0.6})) == pytest.approx(1)


def test_the_end_of_a_range_is_part_of_it():
    """As its specification says; PennyLane 0.45 leaves it out."""
    text = 'include "stdgates.inc"; qubit[6] q; for int i in [4:-2:0] { x q[i]; } y q[1:3:5]; h q[4:];'
    gates = Circuit.from_qasm(text).gates
    assert [(gate.name[-1], *gate.wires) for gate in gates] == [
        ("X", 4), ("X", 2), ("X", 0), ("Y", 1), ("Y", 4), ("d", 4), ("d", 5)
    ]  # fmt: skip


def test_qiskits_exporter_is_read():
    pytest.importorskip("qiskit")
    import qiskit.qasm3
    from qiskit.circuit.library import efficient_su2
    from qiskit.quantum_info import Statevector

    theirs = efficient_su2(3, reps=1)
    theirs.rzz(2 * theirs.parameters[0] + 0.3, 0, 2)
    w = np.random.default_rng(1).normal(size=theirs.num_parameters)
    names = [p.name.replace("[", "_").replace("]", "_") for p in theirs.parameters]
    names = [f"_{name}" for name in names]  # as Qiskit writes names with brackets
    circuit = Circuit.from_qasm(qiskit.qasm3.dumps(theirs), weight_params=names)
    found = reference.state(circuit, [], w)
    expected = Statevector(theirs.assign_parameters(w).reverse_bits()).data
    assert overlap(found, expected) == pytest.approx(1)


START = 'include "stdgates.inc";\nqubit[3] q;\ninput float x0;\ninput float w0;\n'


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("reset q[0];", r"must have gates, loops .* but line 5, column 1 has 'reset q\[0\];'"),
        ("rx(x0 q[0];", "must be OpenQASM 3, but line 5, column 7 has 'q'"),
        ("iswap q[0], q[1];", "gates that are defined before.* line 5, column 1"),
        ("gate g(t) a {\n rx(sin(t)) a;\n}\ng(x0) q[0];", "parameters in sums.* line 6, column 2"),
        ("rx(x0 * w0) q[0];", r"angles must be sums .* one was 1\*w0\*x0, in line 5"),
        ("rx(3 / 2) q[0];", "divide integers without a remainder"),
        ("rx(1 / 0.0) q[0];", "finite real numbers"),
        ("rx(0.1, 0.2) q[0];", "give rx 1 angles and 1 qubits"),
        ("cx q[0], q[0];", "give a gate different qubits"),
        ("h q[3];", "indices of q from 0 to 2"),
        ("ctrl(2) @ rx(0.1) q[0], q[1], q[2];", "no controlled CRX"),
        ("pow(0.5) @ x q[0];", "integers as sizes, indices and powers"),
        ("measure q[0];\nh q[0];", "measure qubits at the end only, but line 6"),
        ("if (x0 > 1) { h q[0]; }", "sums, multiples and products of parameters"),
        ("bit c = measure q[0]; if (c) { h q[1]; }", "parameters that have a value.* column 23"),
        ("for int i in [0:1000000] { h q; }", "have at most 20000 gates"),
        ("pow(100000) @ x q[0];", "have at most 20000 gates"),
        ("gate g a { g a; }\ng q[0];", "defined one by itself"),
        ("input int k;", "gates, loops and measurements"),
    ],
)
def test_what_cannot_be_expressed_is_named_with_its_place(line, message):
    with pytest.raises(ValueError, match=message):
        Circuit.from_qasm(START + line)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "input_params must name .* 'a' is neither"),
        ({"input_params": ["c"]}, "'c' was not among a, b"),
        ({"input_params": ["a"], "weight_params": ["a"]}, "'a' was twice"),
        ({"input_params": ["a"], "weight_params": []}, "all symbols, but not 'b'"),
    ],
)
def test_parameters_are_inputs_or_weights(given, message):
    with pytest.raises(ValueError, match=message):
        Circuit.from_qasm(LOOPS, **given)


def test_what_cannot_be_written_is_named_with_its_place():
    noisy = Circuit(gates=[Gate("RX", (0,), Constant(0.1)), Gate("BitFlip", (0,), Constant(0.1))])
    with pytest.raises(ValueError, match=r"gate 1 is BitFlip\(0.1\) on wires \(0,\)"):
        noisy.to_qasm()
    with pytest.raises(ValueError, match=r"must start in .* amplitudes of another state"):
        Circuit(2, encoding="amplitude").to_qasm()


def test_without_the_parser_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "openqasm3.parser", None)
    with pytest.raises(ImportError, match=r"Circuit.from_qasm needs .* pip install 'qproj\[qasm\]'"):
        Circuit.from_qasm("")
