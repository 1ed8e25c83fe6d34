"""A noisy circuit in blocks of two wires: which of its factors share one, and how states are turned to it.

A state is a real vector with a digit for each wire. A block acts on the leading two, so its wires are moved
there first, and stay until others are. All blocks of a segment have one shape, for a compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qproj.planning.fusion import Ints
from qproj.planning.permutations import Permutation
from qproj.planning.tables import Factor, Table

Embed = Callable[[Factor, tuple[int, ...]], Factor]


@dataclass(frozen=True)
class Digits:
    """How a state is indexed: bits in front of all wires, and for each wire."""

    front: int
    per_wire: int


@dataclass(frozen=True, eq=False)
class Segment:
    """Blocks that follow each other, all shared by the rows, or all with matrices for each row.

    Attributes:
        table: Their matrices, or what of them acts after `single`.
        single: Of density matrices: what each of a block's two wires goes through first, `(2 * n_blocks,
            depth)`. `None` where nothing is set apart.
        forth: What reordering the wires of each to the front, `(n_blocks, ...)`.
        back: What undoes it.
    """

    table: Table
    single: Table | None
    forth: Permutation
    back: Permutation

    @property
    def per_row(self) -> bool:
        """Whether rows have matrices of their own."""
        return self.table.per_row or (self.single is not None and self.single.per_row)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A circuit in blocks.

    Attributes:
        segments: In the order in which they act.
        order: The wires as they stand in the end.
    """

    segments: tuple[Segment, ...]
    order: tuple[int, ...]

    @property
    def n_blocks(self) -> int:
        """How many there are."""
        return sum(len(segment.table.entry) for segment in self.segments)


@dataclass
class _Block:
    wires: tuple[int, ...]
    by_input: bool
    factors: list[Factor] = field(default_factory=list)


def blocks(
    n_qubits: int, factors: Iterable[Factor], digits: Digits, embed: Embed, *, apart: bool = True
) -> Blocks:
    """Gather factors into blocks.

    Args:
        n_qubits: Number of wires.
        factors: On one or two wires, in the order in which they act.
        digits: How states are indexed.
        embed: Makes of a factor one on more wires.
        apart: Whether factors with an angle for each sample get blocks of their own, so that samples share
            the others.
    """
    placement = _Placement(n_qubits, apart=apart, alone_first=not digits.front)
    for factor in factors:
        placement.add(factor)
    placement.flush(range(n_qubits))
    order = tuple(range(n_qubits))
    grouped: list[tuple[bool, list[tuple[tuple[int, ...], _Block, tuple[int, ...]]]]] = []
    for block in placement.blocks:
        wires = _filled(block.wires, order)
        after = (*wires, *(wire for wire in order if wire not in wires))
        if not grouped or grouped[-1][0] != block.by_input:
            grouped.append((block.by_input, []))
        grouped[-1][1].append((order, block, after))
        order = after
    segments = tuple(_segment(members, digits, embed) for _, members in grouped)
    return Blocks(segments, order)


def _segment(
    members: Sequence[tuple[tuple[int, ...], _Block, tuple[int, ...]]], digits: Digits, embed: Embed
) -> Segment:
    width = min(2, len(members[0][0]))
    size = 2 ** (digits.front + width * digits.per_wire)
    forth = [reordering(before, after, digits) for before, _, after in members]
    back = [reordering(after, before, digits) for before, _, after in members]
    products, singles = [], []
    for _, block, after in members:
        # Small matrices are multiplied before they become large ones.
        apart = not digits.front and width == 2
        alone, rest = _split(block.factors, after[:width]) if apart else ([], block.factors)
        products.append([embed(factor, after[:width]) for factor in rest])
        singles += alone
    single = Table.of(singles, 2**digits.per_wire) if any(singles) else None
    return Segment(Table.of(products, size), single, _stacked(forth), _stacked(back))


def _split(factors: Sequence[Factor], wires: tuple[int, ...]) -> tuple[list[list[Factor]], list[Factor]]:
    """What each wire goes through before it meets the other, and the rest."""
    until = next((i for i, factor in enumerate(factors) if len(factor.wires) > 1), len(factors))
    first = factors[:until]
    return [[factor for factor in first if factor.wires == (wire,)] for wire in wires], list(factors[until:])


def reordering(before: Sequence[int], after: Sequence[int], digits: Digits) -> Permutation:
    """The permutation that brings a state from one order of its wires to another."""
    n_bits = digits.front + len(before) * digits.per_wire

    def bits(order: Sequence[int]) -> list[tuple[int, int]]:
        """Each bit of an index, from the least significant: its wire and its place there."""
        places = [(wire, bit) for wire in order for bit in reversed(range(digits.per_wire))]
        return places[::-1] + [(-1, bit) for bit in range(digits.front)]

    from_bit = {place: bit for bit, place in enumerate(bits(before))}
    sources = [from_bit[place] for place in bits(after)]
    low_bits = n_bits // 2

    def table(targets: Sequence[int]) -> Ints:
        index = np.arange(2 ** len(targets), dtype=np.int32)
        return sum(
            (((index >> i) & 1) << source for i, source in enumerate(targets)), np.zeros_like(index)
        ).astype(np.int32)

    return Permutation(table(sources[low_bits:]), table(sources[:low_bits]))


def _stacked(each: Sequence[Permutation]) -> Permutation:
    return Permutation(np.stack([one.high for one in each]), np.stack([one.low for one in each]))


def _filled(wires: tuple[int, ...], order: Sequence[int]) -> tuple[int, ...]:
    """Two wires where there are two; one that is in front already, if it can be."""
    missing = min(2, len(order)) - len(wires)
    return (*wires, *[wire for wire in order if wire not in wires][:missing])


class _Placement:
    """Puts factors into blocks.

    Args:
        n_qubits: Number of wires.
        apart: As for `blocks`.
        alone_first: Whether a factor on one wire waits for the next block, where it comes before what acts on
            two, as `Segment.single` wants it.
    """

    def __init__(self, n_qubits: int, *, apart: bool, alone_first: bool) -> None:
        self._apart, self._alone_first = apart, alone_first
        self.blocks: list[_Block] = []
        self._last: dict[int, int] = {}  # the last block on each wire
        self._waiting: dict[int, list[Factor]] = {wire: [] for wire in range(n_qubits)}

    def add(self, factor: Factor) -> None:
        """Place a factor."""
        waits = any(self._waiting[wire] for wire in factor.wires)
        last = {self._last.get(wire) for wire in factor.wires}
        if not waits and len(last) == 1 and None not in last:
            block = self.blocks[next(iter(last)) or 0]
            waits = self._alone_first and len(factor.wires) == 1
            takes = factor.kind == "constant" or (self._enters(factor) == block.by_input and not waits)
            if set(factor.wires) <= set(block.wires) and takes:
                block.factors.append(factor)
                return
        if self._enters(factor):
            self._enter(factor)
        elif len(factor.wires) == 1:
            self._waiting[factor.wires[0]].append(factor)
        else:
            self._open(factor.wires, by_input=False)
            self.blocks[-1].factors.append(factor)

    def flush(self, wires: Iterable[int]) -> None:
        """Place what waits on some wires, two of them in a block."""
        waiting = [wire for wire in wires if self._waiting[wire]]
        for first in range(0, len(waiting), 2):
            self._open(tuple(waiting[first : first + 2]), by_input=False)

    def _enters(self, factor: Factor) -> bool:
        return self._apart and factor.by_input

    def _enter(self, factor: Factor) -> None:
        self.flush(factor.wires)
        newest = self.blocks[-1] if self.blocks else None
        if newest is not None and newest.by_input and len({*newest.wires, *factor.wires}) <= 2:
            newest.wires = (*newest.wires, *(wire for wire in factor.wires if wire not in newest.wires))
            for wire in factor.wires:
                self._last[wire] = len(self.blocks) - 1
        else:
            self._open(factor.wires, by_input=True)
        self.blocks[-1].factors.append(factor)

    def _open(self, wires: tuple[int, ...], *, by_input: bool) -> None:
        waited = [factor for wire in wires for factor in self._waiting[wire]]
        for wire in wires:
            self._waiting[wire] = []
            self._last[wire] = len(self.blocks)
        self.blocks.append(_Block(wires, by_input, waited))
