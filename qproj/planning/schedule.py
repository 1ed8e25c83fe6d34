"""The layers of a circuit, in the order and shape in which they are walked through. Pure Python and NumPy."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass, replace

from qproj.circuits.circuit import Circuit
from qproj.planning.fusion import Layer, Local, blocks
from qproj.planning.permutations import Moves, moves, reverse_blocks

# More consecutive layers of one kind than these become a compiled loop, so that compile time does not grow.
UNROLLED = 6


def compiled_layers(made: Sequence[Layer]) -> int:
    """How many layers are compiled each for itself: of a loop one."""
    groups = [len(list(group)) for _, group in itertools.groupby(made, key=lambda layer: layer.kind)]
    return sum(1 if count > UNROLLED else count for count in groups)


@dataclass(frozen=True)
class Walk:
    """What is walked through, block by block.

    Attributes:
        start: One-qubit gates that prepare a product state; nothing where there are none.
        layers: What follows.
        undone: What undoes the gather that the last layer should have ended with, where the measurement
            takes its place.
        split: Wires of each block.
    """

    start: Local | None
    layers: tuple[Layer, ...]
    undone: Moves | None
    split: tuple[int, ...]


def walk(circuit: Circuit, made: Sequence[Layer], block: int) -> Walk:
    """Prepare the layers of a circuit for a walk.

    Args:
        circuit: The circuit.
        made: Its layers.
        block: Largest number of wires in a block.
    """
    first, *others = made
    split = blocks(circuit.n_qubits, block)
    # The first one-qubit gates act on |0...0>, where the inputs are not the state to start from.
    start = None if circuit.amplitudes else first.local
    walked = [first if circuit.amplitudes else replace(first, local=None), *others]
    walked = [in_blocks(layer, circuit.n_qubits, split if layer.local else ()) for layer in walked]
    undone = None
    last = walked[-1]
    if absorbed(circuit, last.forth):
        undone = last.back
        walked[-1] = replace(last, diagonal=None, forth=None, back=None)
    return Walk(start, tuple(x for x in walked if x.local or x.diagonal or x.forth), undone, split)


def absorbed(circuit: Circuit, last: Moves | None) -> bool:
    """Whether a permutation right before the measurement only turns Z words into other Z words."""
    linear = last is None or len(last.high) > 1
    return linear and all(set(word.letters) <= {"I", "Z"} for word in circuit.words)


def in_blocks(layer: Layer, n_qubits: int, split: Sequence[int]) -> Layer:
    """A layer whose one-qubit gates are run block by block, each brought to the front when its turn comes.

    That leaves the blocks of wires in the reverse order, which the rest of the layer then counts with, and
    puts right again in the gather that it ends with.

    Args:
        layer: The layer.
        n_qubits: Number of wires.
        split: Wires of each block; none or one where the order stays.
    """
    if len(split) < 2:
        return layer
    diagonal = layer.diagonal
    if diagonal is not None:
        diagonal = replace(diagonal, masks=reverse_blocks(diagonal.masks, split))
    forth, back = layer.forth or moves(n_qubits, []), layer.back or moves(n_qubits, [])
    return replace(layer, diagonal=diagonal, forth=forth.from_reversed(split), back=back.to_reversed(split))
