"""Ansaetze: the trainable part of the circuit, gate for gate as PennyLane's templates of the same names.

An ansatz is a function `(n_qubits, n_layers) -> Ansatz`: the shape of its weights, and gates whose
`WeightSlot` indices run through the flattened weights. To add one, write the function here and register it.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

from qproj.circuits.gates import Gate
from qproj.circuits.parameters import WeightSlot
from qproj.registry import Registry

# The names below, for type checkers and completion: a new one is added here as well.
AnsatzName = Literal[
    "basic_entangler",
    "basic_entangler_y",
    "basic_entangler_z",
    "strongly_entangling",
    "simplified_two_design",
]


class Ansatz(NamedTuple):
    """What an ansatz function gives.

    Attributes:
        weight_shape: Shape of the weights, as PennyLane's template has it.
        layers: The gates of each layer, in the order in which they act.
        start: Gates before the first layer.
    """

    weight_shape: tuple[int, ...]
    layers: tuple[tuple[Gate, ...], ...]
    start: tuple[Gate, ...] = ()


ANSAETZE: Registry[Callable[[int, int], Ansatz]] = Registry("ansatz")


def basic_entangler(n_qubits: int, n_layers: int, *, rotation: str) -> Ansatz:
    """A rotation on every wire, then a ring of CNOTs; weights `(n_layers, n_qubits)` in radians.

    On two wires the ring is a single CNOT, on one wire there is none: as `qml.BasicEntanglerLayers`.
    """
    layers = []
    for layer in range(n_layers):
        turns = [Gate(rotation, (w,), WeightSlot(layer * n_qubits + w)) for w in range(n_qubits)]
        layers.append((*turns, *_ring(n_qubits, 1)[: 1 if n_qubits == 2 else None]))
    return Ansatz((n_layers, n_qubits), tuple(layers))


ANSAETZE.add("basic_entangler", partial(basic_entangler, rotation="RX"))
ANSAETZE.add("basic_entangler_y", partial(basic_entangler, rotation="RY"))
ANSAETZE.add("basic_entangler_z", partial(basic_entangler, rotation="RZ"))


@ANSAETZE.register("strongly_entangling")
def strongly_entangling(n_qubits: int, n_layers: int) -> Ansatz:
    """A general rotation on every wire, then a ring of CNOTs; weights `(n_layers, n_qubits, 3)` in radians.

    `qml.StronglyEntanglingLayers` with its default ranges: in layer `l` each wire controls the one
    `l mod (n_qubits - 1) + 1` further on. `Rot(a, b, c)` is written as the RZ(a), RY(b), RZ(c) it stands for.
    From Schuld, Bocharov, Svore and Wiebe, "Circuit-centric quantum classifiers" (2018), arXiv:1804.00633.
    """
    layers = []
    for layer in range(n_layers):
        gates: list[Gate] = []
        for wire in range(n_qubits):
            first = (layer * n_qubits + wire) * 3
            gates += (Gate(name, (wire,), WeightSlot(first + k)) for k, name in enumerate(("RZ", "RY", "RZ")))
        if n_qubits > 1:
            gates += _ring(n_qubits, layer % (n_qubits - 1) + 1)
        layers.append(tuple(gates))
    return Ansatz((n_layers, n_qubits, 3), tuple(layers))


@ANSAETZE.register("simplified_two_design")
def simplified_two_design(n_qubits: int, n_layers: int) -> Ansatz:
    """RY on every wire, then layers of CZ and two RY on even pairs of neighbours, then on odd ones.

    `qml.SimplifiedTwoDesign`. Weights, in radians, are one vector: `n_qubits` for the first rotations, then
    PennyLane's `(n_layers, n_qubits - 1, 2)` flattened. From Cerezo et al., "Cost function dependent barren
    plateaus in shallow parametrized quantum circuits" (2021), arXiv:2001.00550.
    """
    start = tuple(Gate("RY", (wire,), WeightSlot(wire)) for wire in range(n_qubits))
    pairs = [(w, w + 1) for w in range(0, n_qubits - 1, 2)] + [(w, w + 1) for w in range(1, n_qubits - 1, 2)]
    slot = n_qubits
    layers = []
    for _ in range(n_layers):
        gates: list[Gate] = []
        for pair in pairs:
            turns = [Gate("RY", (wire,), WeightSlot(slot + k)) for k, wire in enumerate(pair)]
            gates += (Gate("CZ", pair), *turns)
            slot += 2
        layers.append(tuple(gates))
    return Ansatz((slot,), tuple(layers), start)


def _ring(n_qubits: int, reach: int) -> tuple[Gate, ...]:
    """CNOTs from each wire to the one `reach` further on, around the end."""
    if n_qubits == 1:
        return ()
    return tuple(Gate("CNOT", (wire, (wire + reach) % n_qubits)) for wire in range(n_qubits))
