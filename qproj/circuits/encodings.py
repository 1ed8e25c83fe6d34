"""Encodings: how classical inputs enter the circuit.

An encoding is a function `n_qubits -> Encoding`. To add one, write the function here and register it. Angle
encodings are `AngleEmbedding` of PennyLane; see Schuld and Petruccione, "Supervised Learning with Quantum
Computers", section 5.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations
from typing import Literal, NamedTuple

from qproj.circuits.gates import Gate
from qproj.circuits.parameters import InputSlot
from qproj.registry import Registry

# The names below, for type checkers and completion: a new one is added here as well.
EncodingName = Literal["angle_x", "angle_y", "angle_z", "iqp", "amplitude"]


class Encoding(NamedTuple):
    """What an encoding function gives.

    Attributes:
        n_inputs: Number of input values per sample.
        gates: The gates, in the order in which they act, with `InputSlot` parameters.
        amplitudes: Whether the inputs are the amplitudes of the state that the circuit starts in, instead.
    """

    n_inputs: int
    gates: tuple[Gate, ...] = ()
    amplitudes: bool = False


ENCODINGS: Registry[Callable[[int], Encoding]] = Registry("encoding")


@ENCODINGS.register("angle_x")
def angle_x(n_qubits: int) -> Encoding:
    """`RX(x_i)` on wire `i`; `x` in radians."""
    return Encoding(n_qubits, _rotations("RX", n_qubits))


@ENCODINGS.register("angle_y")
def angle_y(n_qubits: int) -> Encoding:
    """`RY(x_i)` on wire `i`; `x` in radians."""
    return Encoding(n_qubits, _rotations("RY", n_qubits))


@ENCODINGS.register("angle_z")
def angle_z(n_qubits: int) -> Encoding:
    """A Hadamard, then `RZ(x_i)`, on wire `i`; `x` in radians.

    Alone, RZ would multiply |0> by a phase that no measurement sees; after the Hadamard the input turns
    the qubit around the equator.
    """
    return Encoding(n_qubits, _hadamards(n_qubits) + _rotations("RZ", n_qubits))


@ENCODINGS.register("iqp")
def iqp(n_qubits: int) -> Encoding:
    """Hadamards, `RZ(x_i)`, then `IsingZZ(x_i * x_j)` on every pair of wires: `qml.IQPEmbedding`.

    Havlicek et al., "Supervised learning with quantum-enhanced feature spaces" (2019), arXiv:1804.11326.
    """
    pairs = tuple(Gate("IsingZZ", (i, j), InputSlot(i, times=j)) for i, j in combinations(range(n_qubits), 2))
    return Encoding(n_qubits, _hadamards(n_qubits) + _rotations("RZ", n_qubits) + pairs)


@ENCODINGS.register("amplitude")
def amplitude(n_qubits: int) -> Encoding:
    """The state whose amplitudes are the inputs, padded with zeros to `2**n_qubits` and normalised.

    `qml.AmplitudeEmbedding(x, wires, pad_with=0, normalize=True)`.
    """
    return Encoding(2**n_qubits, amplitudes=True)


def _rotations(name: str, n_qubits: int) -> tuple[Gate, ...]:
    return tuple(Gate(name, (wire,), InputSlot(wire)) for wire in range(n_qubits))


def _hadamards(n_qubits: int) -> tuple[Gate, ...]:
    return tuple(Gate("Hadamard", (wire,)) for wire in range(n_qubits))
