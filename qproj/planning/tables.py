"""Products of small matrices that depend on angles, as arrays: what fills the blocks of a noisy circuit.

Each factor of a product is `sum_j c_j parts[j]`, with numbers `c` that are

- `1, cos t, sin t` of an angle `t`, for a rotation;
- the entries of a channel's matrix, for a channel whose strength is a weight;
- 1 for the branch that was drawn and 0 for the others, for a channel of which each row has one branch.

So a constant matrix beside a factor goes into its parts, and is no factor of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from qproj.circuits.parameters import InputSlot, Parameter
from qproj.planning.fusion import Angles, Floats, Ints

Kind = Literal["constant", "rotation", "strength", "drawn"]


@dataclass(frozen=True)
class Factor:
    """A factor on one or two wires.

    Attributes:
        wires: The wires; the first is the most significant digit of the matrices' index.
        parts: `(n, m, m)`.
        kind: What its numbers are.
        parameter: The angle or the strength.
        branches: Of a channel whose strength is a weight, as in its `GateKind`.
        drawn: Of a channel of which a branch is drawn: its place among them.
    """

    wires: tuple[int, ...]
    parts: npt.NDArray[Any]
    kind: Kind = "constant"
    parameter: Parameter | None = None
    branches: Callable[..., Any] | None = None
    drawn: int = 0

    @property
    def by_input(self) -> bool:
        """Whether each sample has an angle of its own."""
        return isinstance(self.parameter, InputSlot)

    def times(self, left: npt.NDArray[Any]) -> Factor:
        """The factor, with a constant matrix that acts after it."""
        return replace(self, parts=left @ self.parts)


@dataclass(frozen=True, eq=False)
class Table:
    """Products of factors, padded with identities: arrays of shape `(n_products, depth)`.

    Attributes:
        library: `(n_entries, n_parts, m, m)`: the parts of all factors, equal ones once.
        entry: Of each factor.
        rotates: Whether it is a rotation.
        angles: Of rotations, and strengths.
        drawn: Column of the drawn branch after the features; -1 where none is drawn.
        strengths: Place and branches of each factor with a strength.
    """

    library: Floats
    entry: Ints
    rotates: npt.NDArray[np.bool_]
    angles: Angles
    drawn: Ints
    strengths: tuple[tuple[tuple[int, int], Callable[..., Any]], ...] = field(default=())

    @property
    def per_row(self) -> bool:
        """Whether rows have products of their own."""
        return self.angles.per_sample or bool((self.drawn >= 0).any())

    @classmethod
    def of(cls, products: Sequence[Sequence[Factor]], size: int) -> Table:
        """The table of some products, each of factors in their order, with matrices of a size."""
        merged = [_merged(factors, size) for factors in products]
        depth = max(1, *map(len, merged))
        most = max((len(factor.parts) for factors in merged for factor in factors), default=1)
        identity = np.zeros((most, size, size))
        identity[0] = np.eye(size)
        known: dict[bytes, int] = {identity.tobytes(): 0}
        library = [identity]
        entry = np.zeros((len(merged), depth), np.int32)
        rotates, drawn = np.zeros(entry.shape, bool), np.full(entry.shape, -1, np.int32)
        parameters: dict[tuple[int, ...], Parameter | None] = {}
        strengths = []
        for k, factors in enumerate(merged):
            for d, factor in enumerate(factors):
                parts = np.zeros((most, size, size))
                parts[: len(factor.parts)] = factor.parts
                entry[k, d] = known.setdefault(parts.tobytes(), len(library))
                if entry[k, d] == len(library):
                    library.append(parts)
                rotates[k, d] = factor.kind == "rotation"
                drawn[k, d] = factor.drawn if factor.kind == "drawn" else -1
                parameters[k, d] = factor.parameter
                if factor.kind == "strength":
                    assert factor.branches is not None
                    strengths.append(((k, d), factor.branches))
        angles = Angles.of(entry.shape, parameters)
        return cls(np.array(library), entry, rotates, angles, drawn, tuple(strengths))


def _merged(factors: Sequence[Factor], size: int) -> list[Factor]:
    """Factors without constant ones, unless there is nothing else."""
    left: list[Factor] = []
    before: npt.NDArray[Any] = np.eye(size)
    for factor in factors:
        if factor.kind != "constant":
            left.append(replace(factor, parts=factor.parts @ before))
            before = np.eye(size)
        elif left:
            left[-1] = left[-1].times(factor.parts[0])
        else:
            before = factor.parts[0] @ before
    return left or [Factor((), before[None])]
