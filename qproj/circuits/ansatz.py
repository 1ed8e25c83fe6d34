"""Ansaetze: the trainable part of the circuit, gate for gate as PennyLane's templates of the same names.

An ansatz is a function `(n_qubits, n_layers) -> Ansatz`: the shape of its weights, and gates whose
`WeightSlot` indices run through the flattened weights. To add one, write the function here and register it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from qproj.circuits.gates import Gate, WeightSlot
from qproj.registry import Registry


class Ansatz(NamedTuple):
    """What an ansatz function gives.

    Attributes:
        weight_shape: Shape of the weights, as PennyLane's template has it.
        gates: The gates, in the order in which they act.
    """

    weight_shape: tuple[int, ...]
    gates: tuple[Gate, ...]


ANSAETZE: Registry[Callable[[int, int], Ansatz]] = Registry("ansatz")


@ANSAETZE.register("basic_entangler")
def basic_entangler(n_qubits: int, n_layers: int) -> Ansatz:
    """RX on every wire, then a ring of CNOTs; weights `(n_layers, n_qubits)` in radians.

    On two wires the ring is a single CNOT, on one wire there is none: as `qml.BasicEntanglerLayers`.
    """
    gates: list[Gate] = []
    for layer in range(n_layers):
        gates += (Gate("RX", (wire,), WeightSlot(layer * n_qubits + wire)) for wire in range(n_qubits))
        gates += _ring(n_qubits, 1)[: 1 if n_qubits == 2 else None]
    return Ansatz((n_layers, n_qubits), tuple(gates))


@ANSAETZE.register("strongly_entangling")
def strongly_entangling(n_qubits: int, n_layers: int) -> Ansatz:
    """A general rotation on every wire, then a ring of CNOTs; weights `(n_layers, n_qubits, 3)` in radians.

    `qml.StronglyEntanglingLayers` with its default ranges: in layer `l` each wire controls the one
    `l mod (n_qubits - 1) + 1` further on. `Rot(a, b, c)` is written as the RZ(a), RY(b), RZ(c) it stands for.
    From Schuld, Bocharov, Svore and Wiebe, "Circuit-centric quantum classifiers" (2018), arXiv:1804.00633.
    """
    gates: list[Gate] = []
    for layer in range(n_layers):
        for wire in range(n_qubits):
            first = (layer * n_qubits + wire) * 3
            gates += (Gate(name, (wire,), WeightSlot(first + k)) for k, name in enumerate(("RZ", "RY", "RZ")))
        if n_qubits > 1:
            gates += _ring(n_qubits, layer % (n_qubits - 1) + 1)
    return Ansatz((n_layers, n_qubits, 3), tuple(gates))


def _ring(n_qubits: int, reach: int) -> tuple[Gate, ...]:
    """CNOTs from each wire to the one `reach` further on, around the end."""
    if n_qubits == 1:
        return ()
    return tuple(Gate("CNOT", (wire, (wire + reach) % n_qubits)) for wire in range(n_qubits))
