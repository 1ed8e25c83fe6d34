"""Encodings: how classical inputs enter the circuit.

An encoding is a function `n_qubits -> gates` whose gates carry `InputSlot` parameters. To add one, write
the function here and register it. Angle encodings are `AngleEmbedding` of PennyLane; see Schuld and
Petruccione, "Supervised Learning with Quantum Computers", section 5.
"""

from __future__ import annotations

from collections.abc import Callable

from qproj.circuits.gates import Gate, InputSlot
from qproj.registry import Registry

Encoding = Callable[[int], tuple[Gate, ...]]

ENCODINGS: Registry[Encoding] = Registry("encoding")


@ENCODINGS.register("angle_x")
def angle_x(n_qubits: int) -> tuple[Gate, ...]:
    """`RX(x_i)` on wire `i`; `x` in radians."""
    return tuple(Gate("RX", (wire,), InputSlot(wire)) for wire in range(n_qubits))


@ENCODINGS.register("angle_y")
def angle_y(n_qubits: int) -> tuple[Gate, ...]:
    """`RY(x_i)` on wire `i`; `x` in radians."""
    return tuple(Gate("RY", (wire,), InputSlot(wire)) for wire in range(n_qubits))


@ENCODINGS.register("angle_z")
def angle_z(n_qubits: int) -> tuple[Gate, ...]:
    """A Hadamard, then `RZ(x_i)`, on wire `i`; `x` in radians.

    Alone, RZ would multiply |0> by a phase that no measurement sees; after the Hadamard the input turns
    the qubit around the equator.
    """
    hadamards = tuple(Gate("Hadamard", (wire,)) for wire in range(n_qubits))
    return hadamards + tuple(Gate("RZ", (wire,), InputSlot(wire)) for wire in range(n_qubits))
