"""Cirq: circuits both ways, amplitude for amplitude, and its simulators as backends."""

import sys

import numpy as np
import pytest
import sympy
import torch

import qproj
from qproj.backends import get_backend
from qproj.circuits import Circuit, Constant, Gate, InputSlot, PauliWord, WeightSlot
from qproj.noise import NoiseModel
from qproj.testing import conformance

from . import mixed_reference, reference
from .test_qasm import EVERY_GATE, by_name, numbers, overlap

cirq = pytest.importorskip("cirq")
A, B, C = sympy.symbols("a b c")


def amplitudes(circuit, values, order=None):
    simulator = cirq.Simulator(dtype=np.complex128)
    return simulator.simulate(
        circuit, values, qubit_order=order or sorted(circuit.all_qubits())
    ).final_state_vector


def test_every_gate_is_cirqs_amplitude_for_amplitude():
    x, w = numbers(EVERY_GATE)
    theirs = EVERY_GATE.to_cirq()
    expected = reference.state(EVERY_GATE, x, w)
    np.testing.assert_allclose(amplitudes(theirs, by_name(x, w)), expected, atol=1e-12)
    again = Circuit.from_cirq(theirs)
    assert overlap(reference.state(again, x, w), expected) == pytest.approx(1)


def test_circuits_come_back():
    circuit = Circuit(3, 2, "iqp", "simplified_two_design")
    assert Circuit.from_cirq(circuit.to_cirq()).gates == circuit.gates


def test_idle_qubits_are_kept():
    circuit = Circuit(3, gates=[Gate("RX", (1,), InputSlot(0))])
    qubits = cirq.NamedQubit.range(3, prefix="q")
    assert circuit.to_cirq(qubits).all_qubits() == {*qubits}
    again = Circuit.from_cirq(circuit.to_cirq(qubits))
    assert (again.gates, again.n_qubits) == (circuit.gates, 3)


def test_cirqs_own_gates_are_read():
    """Global phases under controls, powers, decompositions, matrices; qubits in an order of one's own."""
    first, second, third = order = [cirq.NamedQubit(name) for name in "zyx"]
    theirs = cirq.Circuit(
        (cirq.H**0.3)(first),
        cirq.PhasedXZGate(x_exponent=0.1, z_exponent=A, axis_phase_exponent=0.3)(second),
        (cirq.X ** (0.5 * A + 0.2)).controlled()(first, third),
        cirq.Z.controlled(control_values=[0])(third, first),
        cirq.XPowGate(exponent=B, global_shift=0.3).controlled()(second, first),
        cirq.FSimGate(0.3, 0.2)(first, second),
        (cirq.CNOT**B)(second, third),
        cirq.rz(2 * B * A - B).on(first).with_tags("tagged"),
        cirq.ZPowGate(exponent=1.0, global_shift=0.25).controlled()(first, second),
        (cirq.ISWAP ** (-A))(first, third),
        cirq.MatrixGate(reference.unitary(2))(third, second),
        cirq.CSWAP(first, second, third),
        cirq.S(third) ** -1,
    )
    measured = theirs + cirq.measure(first, key="m")
    circuit = Circuit.from_cirq(measured, ["a", "b"], observables="xyz", qubit_order=order)
    assert circuit.n_outputs == 9
    expected = amplitudes(theirs, {"a": 0.7, "b": -0.4}, order)
    assert overlap(reference.state(circuit, [0.7, -0.4], []), expected) == pytest.approx(1)


def test_channels_go_both_ways():
    strength = Constant(0.2)
    names = ("DepolarizingChannel", "AmplitudeDamping", "PhaseDamping", "BitFlip", "PhaseFlip")
    channels = [Gate(name, (i % 2,), strength) for i, name in enumerate(names)]
    channels += [Gate("ThermalRelaxationError", (1,), tuple(map(Constant, (0.1, 5.0, 4.0, 1.0))))]
    circuit = Circuit(
        gates=[Gate("Hadamard", (0,)), Gate("CNOT", (0, 1)), Gate("RY", (0,), InputSlot(0)), *channels],
        observables=[PauliWord("XX"), PauliWord("YZ"), PauliWord("Z", (1,))],
    )
    x = np.array([[0.4], [1.9]])
    expected = mixed_reference.values(circuit, x, np.zeros(0))
    layer = qproj.QuantumLayer(circuit=circuit, backend="cirq:density_matrix").double()
    np.testing.assert_allclose(layer(torch.from_numpy(x)).detach(), expected, atol=1e-6)
    again = Circuit.from_cirq(circuit.to_cirq(), observables=circuit.observables)
    np.testing.assert_allclose(mixed_reference.values(again, x, np.zeros(0)), expected, atol=1e-6)


@pytest.mark.parametrize("name", ["cirq:simulator", "cirq:density_matrix"])
def test_simulators_conform(name):
    assert conformance.failures(name) == {}


def test_a_batch_is_one_sweep(monkeypatch):
    sizes = []
    whole = cirq.Simulator.simulate_expectation_values_sweep

    def count(self, *args, params, **options):
        sizes.append(len(list(params)))
        return whole(self, *args, params=params, **options)

    monkeypatch.setattr(cirq.Simulator, "simulate_expectation_values_sweep", count)
    layer = qproj.QuantumLayer(2, 1, backend=cirq.Simulator(dtype=np.complex128))
    layer(torch.rand(5, 2)).sum().backward()
    assert sizes == [5, 5 * 2 * 6]  # backward: two runs for each of six weights


def test_samplers_of_cirqs_interface_measure():
    layer = qproj.QuantumLayer(2, 1, backend=cirq.ZerosSampler(), shots=10)
    assert layer(torch.rand(3, 2)).tolist() == [[1, 1]] * 3
    assert not layer.sample(torch.rand(1, 2)).any()
    with pytest.raises(ValueError, match="shots must be a number on"):
        layer.to_backend(cirq.ZerosSampler(), shots=None)
    with pytest.raises(TypeError, match="backend must be a str"):
        get_backend(cirq.H)


def test_bits_are_read_wrongly_as_the_noise_has_it():
    circuit = Circuit(gates=[Gate("PauliX", (0,))])
    noise = NoiseModel(readout=[[0.9, 0.1], [0.3, 0.7]])
    layer = qproj.QuantumLayer(
        circuit=circuit, backend="cirq:density_matrix", shots=4000, noise=noise, seed=1
    )
    expected = 1 - 2 * 0.7
    assert abs(layer(torch.zeros(1, 0)).item() - expected) < 5 * np.sqrt((1 - expected**2) / 4000)


q = cirq.LineQubit(0)
REFUSED = {
    "nonlinear": (cirq.Circuit(cirq.H(q), cirq.rx(sympy.sin(A))(q)), r"moment 1 .*: angles must be sums"),
    "weights": (cirq.Circuit(cirq.rx(A * B)(q)), r"angles must be sums of constants.* one was 1\*a\*b"),
    "after": (cirq.Circuit(cirq.measure(q), cirq.X(q)), "X.q.0.. in moment 1 .* measured before"),
    "classical": (
        cirq.Circuit(cirq.measure(q, key="m"), cirq.X(cirq.LineQubit(1)).with_classical_controls("m")),
        "depends on a measurement",
    ),
    "large": (cirq.Circuit(cirq.MatrixGate(np.eye(16))(*cirq.LineQubit.range(4))), "no gate for it on 4"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_expressed_is_named_with_its_moment(case):
    circuit, message = REFUSED[case]
    with pytest.raises(ValueError, match=message):
        Circuit.from_cirq(circuit, weight_params=["a", "b"][: len(cirq.parameter_names(circuit))])


def test_what_cirq_cannot_have_is_refused():
    trained = Circuit(gates=[Gate("BitFlip", (0,), WeightSlot(0))])
    for refused in (
        trained.to_cirq,
        lambda: qproj.QuantumLayer(circuit=trained, backend="cirq:density_matrix"),
    ):
        with pytest.raises(ValueError, match=r"strengths must be constant .* BitFlip\(w0\)"):
            refused()
    with pytest.raises(ValueError, match="initial_state"):
        Circuit(1, encoding="amplitude").to_cirq()
    with pytest.raises(ValueError, match="qubits must be 2 different qubits"):
        Circuit(2).to_cirq([q, q])
    with pytest.raises(TypeError, match=r"circuit must be a cirq.Circuit, but was a list"):
        Circuit.from_cirq([])
    with pytest.raises(ValueError, match=r"'cirq:simulator'.* Did you mean 'cirq:density_matrix'"):
        get_backend("cirq:density")


def test_without_cirq_the_error_says_how_to_install_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "cirq", None)
    for needs in (Circuit(1).to_cirq, lambda: get_backend("cirq:")):
        with pytest.raises(ImportError, match=r"needs cirq, .* pip install 'qproj\[cirq\]'"):
            needs()
