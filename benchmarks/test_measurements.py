"""Shots, probabilities and kernels beside PennyLane's simulators, on the same circuit and weights."""

from __future__ import annotations

import functools
import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks.grid import STRONG, Cell
from benchmarks.recording import beside
from benchmarks.workloads import circuit
from qproj import Circuit, Constant, InputSlot, QuantumLayer
from qproj.backends.pennylane_tapes import operation
from qproj.kernels import FidelityKernel

_SHOTS = 1000
_CELL = Cell(STRONG, 8, 32)
_SAMPLES, _FEW = 300, 12  # of a kernel, and of how many those are timed that run a circuit for each pair
_PAIRS = math.comb(_SAMPLES, 2) / math.comb(_FEW, 2)


@functools.cache
def _layer(observables, shots=None):
    made = circuit(_CELL).measuring(observables)
    generator = torch.Generator().manual_seed(0)
    return QuantumLayer(circuit=made, shots=shots, seed=1 if shots else None, generator=generator)


@functools.cache
def _inputs(rows=_CELL.batch):
    return torch.randn(rows, _CELL.n_qubits, generator=torch.Generator().manual_seed(1))


def _gates(x, made=None):
    """Queue a circuit's gates with PennyLane, for one sample or a broadcast of all."""
    weights = _layer("z").weights.detach().numpy().ravel()
    for gate in (made or circuit(_CELL)).plain_gates:
        slot, angle = gate.angle, None
        if isinstance(slot, Constant):
            angle = slot.value
        elif slot is not None:
            angle = slot.scale * (x[..., slot.index] if isinstance(slot, InputSlot) else weights[slot.index])
        operation(gate, list(range(_CELL.n_qubits)), angle)


def _qnode(name, measure, shots=None):
    """The same gates and weights on a PennyLane device."""
    import pennylane as qml

    @qml.set_shots(shots)
    @qml.qnode(qml.device(name, wires=_CELL.n_qubits))
    def run(x):
        _gates(x)
        return measure(qml)

    return run


def _expectations(qml):
    return [qml.expval(qml.Z(wire)) for wire in range(_CELL.n_qubits)]


@pytest.mark.parametrize("simulator", ["lightning.qubit", "default.qubit", "default.mixed"])
def test_shots(benchmark, simulator, pace):
    """Expectation values of each qubit's Z by measurements, forward."""
    layer, x = _layer("z", _SHOTS), _inputs()
    other = _qnode(simulator, _expectations, _SHOTS)

    def own():
        with torch.no_grad():
            return layer(x)

    found = np.array(other(x.numpy())).T
    assert np.abs(found - own().numpy()).max() < 8 * np.sqrt(2 / _SHOTS)
    beside(benchmark, f"{_SHOTS} shots", simulator, _CELL, own, lambda: other(x.numpy()), pace)


@pytest.mark.parametrize("simulator", ["lightning.qubit", "default.qubit"])
def test_probabilities(benchmark, simulator, pace):
    """Probabilities of all basis states, forward."""
    layer, x = _layer("probs"), _inputs()
    other = _qnode(simulator, lambda qml: qml.probs(wires=range(_CELL.n_qubits)))

    def own():
        with torch.no_grad():
            return layer(x)

    assert np.abs(np.array(other(x.numpy())) - own().numpy()).max() < 1e-5
    beside(benchmark, "probabilities", simulator, _CELL, own, lambda: other(x.numpy()), pace)


def _kernel(again=False):
    """Ours, its samples, what it computes, and under which name.

    Where all inputs enter at the start, what follows them cancels, and ours leaves it out; not so where they
    enter again.
    """
    made = circuit(_CELL)
    if again:
        made = Circuit(_CELL.n_qubits, _CELL.n_layers, made.encoding, made.ansatz, reupload=True)
    weights = _layer("z").weights.detach().double().numpy()
    cell = replace(_CELL, batch=_SAMPLES, dtype="float64")
    kind = "kernel, inputs in each layer" if again else "kernel"
    return FidelityKernel(made, weights), _inputs(_SAMPLES).double().numpy(), cell, kind


def test_kernel(benchmark, pace):
    """A fidelity kernel of samples with themselves, against PennyLane's, which runs a circuit for each pair.

    All pairs would take it far too long, so it is timed on few, and multiplied by how many more there are.
    """
    import pennylane as qml

    kernel, x, cell, kind = _kernel()

    @qml.qnode(qml.device("lightning.qubit", wires=_CELL.n_qubits))
    def overlap(a, b):
        _gates(a)
        qml.adjoint(_gates)(b)
        return qml.probs(wires=range(_CELL.n_qubits))

    def other():
        return qml.kernels.square_kernel_matrix(x[:_FEW], lambda a, b: overlap(a, b)[0])

    assert np.abs(other() - kernel(x[:_FEW])).max() < 1e-6
    beside(benchmark, kind, "lightning.qubit", cell, lambda: kernel(x), other, pace, times=_PAIRS)


@pytest.mark.parametrize("again", [False, True])
@pytest.mark.parametrize("name", ["FidelityStatevectorKernel", "FidelityQuantumKernel"])
def test_kernel_of_qiskit(benchmark, name, again, pace):
    """Against those of Qiskit Machine Learning: by states, and by shots of each pair."""
    kernels = pytest.importorskip("qiskit_machine_learning.kernels")
    kernel, x, cell, kind = _kernel(again)
    written = kernel.circuit.to_qiskit()
    weights = dict(zip(written.weight_params, kernel.weights.ravel(), strict=True))
    other = getattr(kernels, name)(feature_map=written.circuit.assign_parameters(weights))
    exact = name == "FidelityStatevectorKernel"
    error = np.abs(other.evaluate(x[:_FEW]) - kernel(x[:_FEW])).max()
    assert error < (1e-10 if exact else 8 / np.sqrt(_SHOTS))
    given, times = (x, 1) if exact else (x[:_FEW], _PAIRS)
    beside(benchmark, kind, name, cell, lambda: kernel(x), lambda: other.evaluate(given), pace, times=times)


@pytest.mark.parametrize("again", [False, True])
def test_kernel_by_states(benchmark, again, pace):
    """Against no library, but what a user can write by hand: one broadcast of states, and their products."""
    import pennylane as qml

    kernel, x, cell, kind = _kernel(again)

    @qml.qnode(qml.device("default.qubit", wires=_CELL.n_qubits), diff_method=None)
    def states(a):
        _gates(a, kernel.circuit)
        return qml.state()

    def other():
        found = states(x)
        return np.abs(found @ found.conj().T) ** 2

    assert np.abs(other() - kernel(x)).max() < 1e-10
    beside(benchmark, kind, "default.qubit, states by hand", cell, lambda: kernel(x), other, pace)
