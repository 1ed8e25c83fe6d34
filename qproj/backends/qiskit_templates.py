"""Circuits with free angles for Qiskit's runners, made of templates: gates, channels, prepared amplitudes."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qproj.backends.sampler import Array, Template
from qproj.circuits.gates import CHANNELS, Constant, Gate
from qproj.circuits.qiskit_writing import GATES, append
from qproj.circuits.rewriting import kraus

# Aer silently binds arrays of parameters wrongly to these (0.18; qiskit-aer issues 2323, 2391 and 2403).
_CONTROLLED = {"CRX", "CRY", "CRZ", "ControlledPhaseShift"}


def runnable(*, noise: bool) -> frozenset[str]:
    """Names of the gates that runners of Qiskit's run rightly, channels among them where asked for."""
    channels = {name for name in CHANNELS if CHANNELS[name].branches is not None} if noise else set()
    return (GATES | channels) - _CONTROLLED


def circuit_of(template: Template) -> Any:
    """A `QuantumCircuit` whose parameters, sorted by name, are `columns_of`."""
    from qiskit.circuit import ParameterVector, QuantumCircuit

    n = template.circuit.n_qubits
    made = QuantumCircuit(n)
    if template.circuit.amplitudes:
        _prepare(made, ParameterVector("start", 2**n - 1))
    angles = ParameterVector("angle", len(template.slots))
    for gate, column in zip(template.gates, template.columns, strict=True):
        if gate.is_channel:
            made.append(_channel(gate), gate.wires[::-1])
        else:
            constant = gate.angle.value if isinstance(gate.angle, Constant) else None
            append(made, gate, constant if column is None else angles[column])
    return made


def columns_of(angles: Array, amplitudes: Array | None) -> Array:
    """What the parameters of `circuit_of` are, `(rows, n_parameters)`.

    Args:
        angles: `(rows, n_columns)`, radians.
        amplitudes: `(rows, 2**n_qubits)`, real and of norm 1, of the state that is prepared first, or `None`.
    """
    return angles if amplitudes is None else np.hstack([angles, _preparation(amplitudes)])


def _preparation(amplitudes: Array) -> Array:
    """Angles of the RYs that prepare real amplitudes; see `_prepare`.

    Mottonen, Vartiainen, Bergholm and Salomaa, "Transformation of quantum states using uniformly controlled
    rotations" (2005), arXiv:quant-ph/0407010.
    """
    found, sizes = [], amplitudes
    while sizes.shape[1] > 1:
        halves = sizes.reshape(len(sizes), -1, 2)
        found.append(2 * np.arctan2(halves[..., 1], halves[..., 0]) @ _gray(halves.shape[1]))
        sizes = np.hypot(halves[..., 0], halves[..., 1])  # signs are with the last wire
    return np.hstack(found[::-1])


def _prepare(circuit: Any, angles: Sequence[Any]) -> None:
    """On each wire an RY for each state of the wires before it, written out as RYs and CNOTs."""
    left = iter(angles)
    for wire in range(circuit.num_qubits):
        for step in range(2**wire):
            circuit.ry(next(left), wire)
            if wire:
                flipped = min((step + 1 & -(step + 1)).bit_length() - 1, wire - 1)
                circuit.cx(wire - 1 - flipped, wire)


def _gray(n: int) -> Array:
    """`(n, n)`: from angles for each state of the controls to those of the RYs between CNOTs."""
    states, steps = np.arange(n)[:, None], np.arange(n)
    odd = np.bitwise_count(states & (steps ^ steps >> 1)) % 2
    return np.asarray((1 - 2.0 * odd) / n)


def _channel(gate: Gate) -> Any:
    from qiskit.quantum_info import Kraus

    constant = [p.value for p in gate.parameters if isinstance(p, Constant)]
    if len(constant) < len(gate.parameters):
        raise ValueError(
            f"strengths of channels must be constant on Qiskit, but {gate} has one that is not. Use "
            "backend='jax'."
        )
    branches: Callable[..., Any] = gate.kind.branches  # type: ignore[assignment]
    operators = [np.array(matrix) for matrix in gate.matrix or ()] or constant
    return Kraus(list(kraus(branches, *operators))).to_instruction()
