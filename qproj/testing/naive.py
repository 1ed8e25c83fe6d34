"""A deliberately naive simulator: full matrices from Kronecker products, one sample at a time."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot
from qproj.circuits.observables import PauliWord

_PAULI: dict[str, Any] = {
    "I": np.eye(2),
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.diag([1.0 + 0j, -1.0]),
}


def values(circuit: Circuit, inputs: Any, weights: Any) -> Any:
    """Expectation values `(batch, n_outputs)` of a circuit of RX, RY, RZ, Hadamard, CNOT and CRX gates."""
    rows = []
    for x in inputs:
        state = x.astype(complex) if circuit.amplitudes else np.eye(2**circuit.n_qubits, dtype=complex)[0]
        for gate in circuit.gates:
            state = _matrix(circuit.n_qubits, gate, x, np.ravel(weights)) @ state
        words = [word.coefficient * _kron(circuit.n_qubits, _paulis(word)) for word in circuit.words]
        found = np.zeros(circuit.n_outputs)
        for owner, word in zip(circuit.owners, words, strict=True):
            found[owner] += (state.conj() @ word @ state).real
        rows.append(found)
    return np.array(rows)


def gradients(circuit: Circuit, inputs: Any, weights: Any, cotangents: Any, step: float = 1e-5) -> list[Any]:
    """Gradients of `(values * cotangents).sum()` by central differences, for inputs and weights."""
    found = []
    for which in (0, 1):
        gradient = np.zeros(np.shape((inputs, weights)[which]))
        for at in np.ndindex(gradient.shape):
            ends = []
            for sign in (1, -1):
                point = [np.array(inputs), np.array(weights)]
                point[which][at] += sign * step
                ends.append((values(circuit, *point) * cotangents).sum())
            gradient[at] = (ends[0] - ends[1]) / (2 * step)
        found.append(gradient)
    return found


def _kron(n_qubits: int, matrices: dict[int, Any]) -> Any:
    """Kronecker product with `matrices[wire]` on each wire given, wire 0 leftmost."""
    return functools.reduce(np.kron, [matrices.get(wire, np.eye(2)) for wire in range(n_qubits)])


def _paulis(word: PauliWord) -> dict[int, Any]:
    return {wire: _PAULI[letter] for letter, wire in zip(word.letters, word.wires, strict=True)}


def _matrix(n_qubits: int, gate: Gate, x: Any, weights: Any) -> Any:
    if gate.name == "Hadamard":
        return _kron(n_qubits, {gate.wires[0]: (_PAULI["X"] + _PAULI["Z"]) / np.sqrt(2)})
    if gate.name == "CNOT":
        return _controlled(n_qubits, gate.wires, _PAULI["X"])
    slot: Any = gate.angle
    if isinstance(slot, Constant):
        t = slot.value
    elif isinstance(slot, InputSlot):
        t = slot.scale * x[slot.index] * (1 if slot.times is None else x[slot.times])
    else:
        t = slot.scale * weights[slot.index]
    turn = np.cos(t / 2) * np.eye(2) - 1j * np.sin(t / 2) * _PAULI[gate.name[-1]]
    return (
        _controlled(n_qubits, gate.wires, turn)
        if gate.name == "CRX"
        else _kron(n_qubits, {gate.wires[0]: turn})
    )


def _controlled(n_qubits: int, wires: tuple[int, ...], matrix: Any) -> Any:
    off, on = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    return _kron(n_qubits, {wires[0]: off}) + _kron(n_qubits, {wires[0]: on, wires[1]: matrix})
