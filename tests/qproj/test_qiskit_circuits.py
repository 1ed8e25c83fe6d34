"""Circuits as Qiskit's and back, compared with Qiskit's own state vectors."""

import math

import numpy as np
import pytest

from qproj import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, Projector

from . import reference
from .test_qasm import EVERY_GATE, numbers

pytest.importorskip("qiskit")

from qiskit.circuit import Parameter, ParameterVector, QuantumCircuit, library
from qiskit.quantum_info import Operator, SparsePauliOp, Statevector

RNG = np.random.default_rng(5)


def values_in_qiskit(circuit, parameters, angles, observables):
    """Expectation values by Qiskit's own simulator, for one sample."""
    state = Statevector(circuit.assign_parameters(dict(zip(parameters, angles, strict=True))))
    return [state.expectation_value(observable).real for observable in observables]


def compare(circuit, inputs, weights, observables):
    """Read a circuit and compare its values with Qiskit's."""
    found = Circuit.from_qiskit(circuit, inputs, weights, observables)
    x, w = RNG.normal(size=len(inputs)), RNG.normal(size=len(weights))
    wanted = values_in_qiskit(circuit, [*inputs, *weights], [*x, *w], observables)
    np.testing.assert_allclose(reference.values(found, x[None], w)[0], wanted, atol=1e-10)
    return found


def z_and_xy(n):
    return [SparsePauliOp("I" * (n - 1) + "Z"), SparsePauliOp.from_list([("X" + "I" * (n - 2) + "Y", 0.7)])]


def test_every_gate_there_and_back():
    circuit = EVERY_GATE.measuring(
        [PauliWord("ZX", (0, 3), 0.5), PauliWord("Y", (1,)), Projector("01", (2, 0))]
    )
    x, w = numbers(circuit)
    qiskit = circuit.to_qiskit()
    angles = dict(zip([*qiskit.input_params, *qiskit.weight_params], [*x, *w], strict=True))
    found = Statevector(qiskit.circuit.assign_parameters(angles)).reverse_qargs().data
    np.testing.assert_allclose(found, reference.state(circuit, x, w), atol=1e-9)
    values = values_in_qiskit(qiskit.circuit, angles, angles.values(), qiskit.observables)
    again = Circuit.from_qiskit(*qiskit)
    np.testing.assert_allclose(reference.values(again, x[None], w)[0], values, atol=1e-10)
    chance = np.sum(np.abs(found.reshape(2, 2, 2, 2)[1, :, 0]) ** 2)
    assert values[2] == pytest.approx(chance), "wire 2 is 0, and wire 0 is 1"


def test_circuits_come_back():
    circuit = Circuit(3, 4, "iqp", "simplified_two_design")
    assert Circuit.from_qiskit(circuit.to_qiskit().circuit).gates == circuit.gates


@pytest.mark.parametrize(
    "ansatz",
    [
        library.real_amplitudes(3, reps=1),
        library.efficient_su2(3, reps=1, entanglement="circular"),
        library.n_local(3, ["rx", "rz"], "cz", entanglement="linear", reps=1),
    ],
    ids=["real_amplitudes", "efficient_su2", "n_local"],
)
def test_circuits_of_the_library(ansatz):
    features = library.zz_feature_map(3, reps=1)
    whole = features.compose(ansatz)
    found = compare(whole, list(features.parameters), list(ansatz.parameters), z_and_xy(3))
    assert len(found.products) == 3, "products of two inputs are inputs of their own"
    assert found.weight_shape == (ansatz.num_parameters,)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_two_local_objects_and_boxes_are_opened():
    two_local = library.TwoLocal(2, ["ry"], "cx", reps=1)
    box = QuantumCircuit(3)
    box.append(two_local.to_gate(), [2, 0])
    box.append(library.UGate(0.1, 0.2, 0.3).control(1, ctrl_state=0), [1, 2])
    named = QuantumCircuit(1, name="h")  # a box of a user's may have any name
    named.ry(0.4, 0)
    box.append(named.to_gate(), [0])
    compare(box, [], list(two_local.parameters), z_and_xy(3))


def test_affine_angles_and_their_order():
    a, b, v = Parameter("b"), Parameter("a"), ParameterVector("v", 11)
    circuit = QuantumCircuit(2)
    circuit.rx(2 * a - b / 3 + 0.5, 0)
    circuit.u(a * b + 1, -v[10], math.pi * v[2], 1)
    circuit.cp((math.pi - a) * (math.pi - b), 0, 1)
    circuit.sdg(0)
    circuit.barrier()
    circuit.unitary(Operator(library.iSwapGate()).data, [1, 0])
    compare(circuit, [a, b], list(v)[2:11:8], z_and_xy(2))


def test_labels_are_little_endian():
    circuit = QuantumCircuit(2)
    circuit.rx(Parameter("x"), 0)
    found = Circuit.from_qiskit(circuit, ["x"], observables=["IZ", {"ZI": 2.0, "XX": -1.0}, PauliWord("Y")])
    word = PauliWord("ZI", (1, 0), 2.0)
    assert found.observables == (
        PauliWord("Z", (0,)),
        Hamiltonian((word, PauliWord("XX", (0, 1), -1.0))),
        PauliWord("Y"),
    )


def _circuit(*steps):
    circuit = QuantumCircuit(2, 1)
    for step in steps:
        step(circuit)
    return circuit


X = Parameter("x")


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        ([lambda c: c.rx(X, 0), lambda c: c.reset(1)], r"instruction 1, 'reset' on qubits \[1\] is a reset"),
        ([lambda c: c.rx(X.sin(), 1)], r"instruction 0, 'rx' on qubits \[1\] was sin\(x\)"),
        ([lambda c: c.rx(abs(X), 1)], r"instruction 0, 'rx' on qubits \[1\] was "),
        ([lambda c: c.rx(X * X * X, 1)], r"instruction 0, 'rx' on qubits \[1\]"),
        (
            [lambda c: c.measure(0, 0), lambda c: c.rx(X, 0)],
            r"instruction 1, 'rx' on qubits \[0\] comes after",
        ),
        ([lambda c: c.rx(Parameter("y"), 0)], "must hold each symbol once, but 'x' was not among y"),
    ],
)
def test_what_cannot_be_expressed_is_named_with_its_place(steps, message):
    with pytest.raises(ValueError, match=message):
        Circuit.from_qiskit(_circuit(*steps), ["x"])


def test_refusals_of_writing():
    with pytest.raises(ValueError, match="circuit must start in"):
        Circuit(2, 1, "amplitude").to_qiskit()
    noisy = Circuit(gates=[Gate("RX", (0,), InputSlot(0)), Gate("BitFlip", (0,), Constant(0.1))])
    with pytest.raises(ValueError, match="gate 1 is BitFlip"):
        noisy.to_qiskit()
    with pytest.raises(ValueError, match="real coefficients, but one was 1j"):
        Circuit.from_qiskit(library.real_amplitudes(1), [], None, SparsePauliOp("Z", 1j))
