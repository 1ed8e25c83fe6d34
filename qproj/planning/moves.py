"""Gates and channels that send each Pauli word to a multiple of one: together they are one gather.

Clifford gates permute words, up to a sign, and Pauli channels shrink them, so a ring of noisy CNOTs is no
matrix product at all.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qproj.planning.fusion import Floats
from qproj.planning.permutations import Indices
from qproj.planning.tables import Factor


@dataclass(frozen=True, eq=False)
class Move:
    """Component `i` becomes `scale[i]` times component `source[i]`; wires are in their own order.

    Attributes:
        source: `(size,)`, each once.
        scale: `(size,)`.
    """

    source: Indices
    scale: Floats

    @classmethod
    def none(cls, size: int) -> Move:
        """What leaves a state as it is."""
        return cls(np.arange(size, dtype=np.int32), np.ones(size))

    def then(self, factor: Factor, n_qubits: int) -> Move:
        """This, and then a factor that `moves`, on wires of four digits each."""
        (matrix,) = factor.parts
        sources, scales = np.abs(matrix).argmax(axis=1), matrix.sum(axis=1)
        shifts = [shift(n_qubits, wire) for wire in factor.wires]
        index = rest = np.arange(len(self.source), dtype=np.int32)
        own = np.zeros_like(index)
        for by in shifts:
            own = own << 2 | index >> by & 3
            rest = rest & ~(3 << by)
        source = rest
        for place, by in enumerate(reversed(shifts)):
            source = source | (sources[own] >> 2 * place & 3).astype(np.int32) << by
        return Move(self.source[source], scales[own] * self.scale[source])


def shift(n_qubits: int, wire: int) -> int:
    """Of a wire's digit, two bits, in the number of a component."""
    return 2 * (n_qubits - 1 - wire)


def moves(matrix: npt.NDArray[np.float64]) -> bool:
    """Whether a matrix has one entry other than zero in each row and in each column."""
    there = np.abs(matrix) > 1e-15
    return bool((there.sum(axis=0) == 1).all() and (there.sum(axis=1) == 1).all())
