"""A noisy circuit in blocks of two wires: which of its factors share one, and how states are turned to it.

A state is a real vector with a digit for each wire. A block acts on the leading two, so its wires are moved
there first, and stay until others are. All blocks of a segment have one shape, for a compiled loop.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field

import numpy as np

from qproj.planning.fusion import Floats, Ints
from qproj.planning.moves import Move, moves
from qproj.planning.permutations import Permutation
from qproj.planning.tables import Factor, Table

_MOVED = 1 << 12  # components up to which moves are written down, one by one

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
        forth: What reordering the wires of each to the front, `(n_blocks, ...)`, after the moves before it.
        back: What undoes it.
        scale: By what those moves multiply the components then, `(n_blocks, size)`; `None` for ones.
    """

    table: Table
    single: Table | None
    forth: Permutation
    back: Permutation
    scale: Floats | None = None

    @property
    def tables(self) -> tuple[Table, ...]:
        """Both tables, or the first."""
        return (self.table,) if self.single is None else (self.table, self.single)

    @property
    def per_row(self) -> bool:
        """Whether rows have matrices of their own."""
        return any(table.per_row for table in self.tables)


@dataclass(frozen=True, eq=False)
class Blocks:
    """A circuit in blocks.

    Attributes:
        segments: In the order in which they act.
        order: The wires as they stand in the end.
        last: What moves the components after the last block; `None` where nothing does.
    """

    segments: tuple[Segment, ...]
    order: tuple[int, ...]
    last: Move | None = None

    @property
    def n_blocks(self) -> int:
        """How many there are."""
        return sum(len(segment.table.entry) for segment in self.segments)


@dataclass
class _Block:
    wires: tuple[int, ...]
    by_input: bool
    factors: list[Factor] = field(default_factory=list)


@dataclass
class _Member:
    """A block, the orders of the wires before and in it, and the moves before it."""

    before: tuple[int, ...]
    block: _Block
    after: tuple[int, ...]
    move: Move | None


def blocks(
    n_qubits: int, factors: Sequence[Factor], digits: Digits, embed: Embed, *, apart: bool = True
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
    placed = _Placement(n_qubits, factors, apart=apart, alone_first=not digits.front)
    size = 4**n_qubits
    if not digits.front and size <= _MOVED:
        moving = _Placement(n_qubits, factors, apart=apart, alone_first=True, moving=True)
        placed = min(placed, moving, key=lambda made: made.n_blocks)
    order = tuple(range(n_qubits))
    grouped: list[list[_Member]] = []
    move = Move.none(size) if placed.moving else None
    for item in placed.items:
        if isinstance(item, Factor):
            assert move is not None
            move = move.then(item, n_qubits)
            continue
        wires = _filled(item.wires, order)
        after = (*wires, *(wire for wire in order if wire not in wires))
        if not grouped or grouped[-1][0].block.by_input != item.by_input:
            grouped.append([])
        grouped[-1].append(_Member(order, item, after, move))
        order, move = after, None if move is None else Move.none(size)
    return Blocks(tuple(_segment(members, digits, embed) for members in grouped), order, move)


def _segment(members: Sequence[_Member], digits: Digits, embed: Embed) -> Segment:
    width = min(2, len(members[0].before))
    size = 2 ** (digits.front + width * digits.per_wire)
    products, singles = [], []
    for member in members:
        wires = member.after[:width]
        # Small matrices are multiplied before they become large ones.
        apart = not digits.front and width == 2
        alone, rest = _split(member.block.factors, wires) if apart else ([], member.block.factors)
        products.append([embed(factor, wires) for factor in rest])
        singles += alone
    single = Table.of(singles, 2**digits.per_wire) if any(singles) else None
    forth, back, scales = zip(*(_gather(member, digits) for member in members), strict=True)
    scale = None if scales[0] is None or np.all(np.equal(scales, 1)) else np.array(scales)
    return Segment(Table.of(products, size), single, _stacked(forth), _stacked(back), scale)


def _gather(member: _Member, digits: Digits) -> tuple[Permutation, Permutation, Floats | None]:
    """What brings a block its state, what undoes that, and by what components are multiplied in between."""
    before, after, move = member.before, member.after, member.move
    if move is None:
        return reordering(before, after, digits), reordering(after, before, digits), None
    own = sorted(before)
    index = reordering(own, after, digits).source
    source = reordering(before, own, digits).source[move.source[index]]
    none = np.zeros(1, np.int32)
    return (
        Permutation(none, source),
        Permutation(none, np.argsort(source).astype(np.int32)),
        move.scale[index],
    )


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
        factors: In the order in which they act.
        apart: As for `blocks`.
        alone_first: Whether a factor on one wire waits for the next block, where it comes before what acts on
            two, as `Segment.single` wants it.
        moving: Whether constant factors that move components stand between blocks.
    """

    def __init__(
        self,
        n_qubits: int,
        factors: Iterable[Factor],
        *,
        apart: bool,
        alone_first: bool,
        moving: bool = False,
    ) -> None:
        self._apart, self._alone_first, self.moving = apart, alone_first, moving
        self.items: list[_Block | Factor] = []
        self._last: dict[int, int] = {}  # the last item on each wire
        self._waiting: dict[int, list[Factor]] = {wire: [] for wire in range(n_qubits)}
        for factor in factors:
            self.add(factor)
        self.flush(range(n_qubits))

    @property
    def n_blocks(self) -> int:
        """How many blocks there are."""
        return sum(isinstance(item, _Block) for item in self.items)

    def add(self, factor: Factor) -> None:
        """Place a factor."""
        waits = any(self._waiting[wire] for wire in factor.wires)
        if self.moving and factor.kind == "constant" and moves(factor.parts[0]):
            if waits and len(factor.wires) == 1:
                self._waiting[factor.wires[0]].append(factor)
                return
            if waits:
                self.flush(self._waiting)  # all, since two wires make a block
            self._last |= dict.fromkeys(factor.wires, len(self.items))
            self.items.append(factor)
            return
        last = {self._last.get(wire) for wire in factor.wires}
        block = (
            self.items[next(iter(last)) or 0] if not waits and len(last) == 1 and None not in last else None
        )
        if isinstance(block, _Block):
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
            self._open(factor.wires, by_input=False).factors.append(factor)

    def flush(self, wires: Iterable[int]) -> None:
        """Place what waits on some wires, two of them in a block."""
        waiting = [wire for wire in wires if self._waiting[wire]]
        for first in range(0, len(waiting), 2):
            self._open(tuple(waiting[first : first + 2]), by_input=False)

    def _enters(self, factor: Factor) -> bool:
        return self._apart and factor.by_input

    def _enter(self, factor: Factor) -> None:
        self.flush(factor.wires)
        newest = self.items[-1] if self.items else None
        if isinstance(newest, _Block) and newest.by_input and len({*newest.wires, *factor.wires}) <= 2:
            newest.wires = (*newest.wires, *(wire for wire in factor.wires if wire not in newest.wires))
            self._last |= dict.fromkeys(factor.wires, len(self.items) - 1)
            newest.factors.append(factor)
        else:
            self._open(factor.wires, by_input=True).factors.append(factor)

    def _open(self, wires: tuple[int, ...], *, by_input: bool) -> _Block:
        block = _Block(wires, by_input, [factor for wire in wires for factor in self._waiting[wire]])
        self._waiting |= {wire: [] for wire in wires}
        self._last |= dict.fromkeys(wires, len(self.items))
        self.items.append(block)
        return block
