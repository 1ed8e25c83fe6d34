"""The schedule of a circuit: its layers, in the order and block shapes in which they run. NumPy only."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qproj.circuits.circuit import Circuit
from qproj.planning.fusion import Layer, Local, blocks
from qproj.planning.permutations import Permutation, compose, reverse_blocks

# More consecutive layers of one kind than these become a compiled loop, so that compile time does not grow.
UNROLLED = 6


def compiled_layers(made: Sequence[Layer]) -> int:
    """The number of layers that XLA compiles: a loop counts once."""
    groups = [len(list(group)) for _, group in itertools.groupby(made, key=lambda layer: layer.kind)]
    return sum(1 if count > UNROLLED else count for count in groups)


@dataclass(frozen=True)
class Schedule:
    """The layers of a circuit, split into blocks of wires.

    Attributes:
        start: One-qubit gates that prepare a product state, or `None`.
        layers: The layers after it.
        absorbed: Inverse of the last permutation, if the measurement absorbs it; else `None`.
        split: Number of wires of each block.
    """

    start: Local | None
    layers: tuple[Layer, ...]
    absorbed: Permutation | None
    split: tuple[int, ...]


def schedule(circuit: Circuit, made: Sequence[Layer], block: int) -> Schedule:
    """Schedule the layers of a circuit.

    Args:
        circuit: The circuit.
        made: Its layers.
        block: Largest number of wires in a block.
    """
    first, *others = made
    split = blocks(circuit.n_qubits, block)
    # The first one-qubit gates act on |0...0>, unless the inputs are the initial state.
    start = None if circuit.amplitudes else first.local
    order = [first if circuit.amplitudes else replace(first, local=None), *others]
    order = [in_blocks(layer, circuit.n_qubits, split if layer.local else ()) for layer in order]
    absorbed = None
    last = order[-1]
    if is_absorbed(circuit, last.permutation):
        absorbed = last.inverse
        order[-1] = replace(last, diagonal=None, permutation=None, inverse=None)
    return Schedule(start, tuple(x for x in order if x.local or x.diagonal or x.permutation), absorbed, split)


def is_absorbed(circuit: Circuit, last: Permutation | None) -> bool:
    """Whether a permutation right before the measurement maps Z words to Z words, so none is applied."""
    linear = last is None or len(last.high) > 1
    words = len(circuit.words) == len(circuit.terms)
    return linear and words and all(set(word.letters) <= {"I", "Z"} for word in circuit.words)


def in_blocks(layer: Layer, n_qubits: int, split: Sequence[int]) -> Layer:
    """Adapt a layer to one-qubit gates that are applied block by block, each moved to the leading wires.

    This leaves the blocks in reverse order. The diagonal is written for that order, and the permutation at
    the end of the layer restores the original one.

    Args:
        layer: The layer.
        n_qubits: Number of wires.
        split: Number of wires of each block; with fewer than two the layer stays as it is.
    """
    if len(split) < 2:
        return layer
    diagonal = layer.diagonal
    if diagonal is not None:
        diagonal = replace(diagonal, masks=reverse_blocks(diagonal.masks, split))
    identity = compose(n_qubits, [])
    return replace(
        layer,
        diagonal=diagonal,
        permutation=(layer.permutation or identity).from_reversed(split),
        inverse=(layer.inverse or identity).to_reversed(split),
    )
