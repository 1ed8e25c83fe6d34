"""Permutations of basis states, as gathers with short index tables. NumPy only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from qproj.circuits.gates import Gate

Indices = npt.NDArray[np.int32]


@dataclass(frozen=True)
class Permutation:
    """A permutation of amplitudes: amplitude `i` after it is amplitude `source[i]` before it.

    CNOT, SWAP and their products are linear maps of an index's bits. So `source[i]` is the exclusive or of
    one entry for the leading bits of `i` and one for the others. Two short tables replace one of
    `2**n_qubits` entries, a constant that would be slow to compile at 20 qubits.

    Attributes:
        high: `(2**(n - n // 2),)` entries for the leading bits.
        low: `(2**(n // 2),)` entries for the other bits. For permutations that are not linear, such as
            Toffoli, `high` is `[0]` and `low` holds all `2**n` entries.
    """

    high: Indices
    low: Indices

    @property
    def source(self) -> Indices:
        """All entries, `(2**n_qubits,)`."""
        return (self.high[:, None] ^ self.low).reshape(-1)

    def at(self, index: Indices) -> Indices:
        """Some entries of `source`."""
        low_bits = len(self.low).bit_length() - 1
        found: Indices = self.high[index >> low_bits] ^ self.low[index & (len(self.low) - 1)]
        return found

    def from_reversed(self, split: Sequence[int]) -> Permutation:
        """The same permutation, applied to amplitudes whose blocks of wires are in reverse order."""
        return Permutation(reverse_blocks(self.high, split), reverse_blocks(self.low, split))

    def to_reversed(self, split: Sequence[int]) -> Permutation:
        """The same permutation, which leaves the blocks of wires in reverse order."""

        def source(index: Indices) -> Indices:
            return self.at(reverse_blocks(index, split[::-1]))

        high, low = (np.arange(len(table), dtype=np.int32) for table in (self.high, self.low))
        return Permutation(source(high << len(self.low).bit_length() - 1), source(low))


def compose(n_qubits: int, gates: Sequence[Gate], *, inverse: bool = False) -> Permutation:
    """Compose permutation gates into one gather.

    Args:
        n_qubits: Number of wires.
        gates: Permutation gates in the order in which they act.
        inverse: Whether to compose their inverse.

    Returns:
        The gather.
    """

    def source(index: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        for gate in gates if inverse else reversed(gates):
            index = _follow(n_qubits, gate, index, forwards=inverse)
        return index

    if not all(_linear(gate) for gate in gates):
        return Permutation(np.zeros(1, np.int32), source(np.arange(2**n_qubits)).astype(np.int32))
    low_bits = n_qubits // 2
    high = source(np.arange(2 ** (n_qubits - low_bits)) << low_bits)
    low = source(np.arange(2**low_bits))
    return Permutation(high.astype(np.int32), low.astype(np.int32))


def reverse_blocks(index: Indices, split: Sequence[int]) -> Indices:
    """Basis states, or bit masks of wires, when blocks of wires are put into the reverse order.

    Args:
        index: Of basis states in the old order.
        split: Wires of each block, in the old order.

    Returns:
        The same in the new order.
    """
    behind, moved = sum(split), np.zeros_like(index)
    for k in split:
        behind -= k
        moved |= (index >> behind & (2**k - 1)) << (sum(split) - behind - k)
    return moved


def _follow(
    n_qubits: int, gate: Gate, index: npt.NDArray[np.int64], *, forwards: bool
) -> npt.NDArray[np.int64]:
    """Where a gate sends basis states, or where it takes them from."""
    table = np.array(gate.kind.permutation)
    if not forwards:
        table = np.argsort(table)
    # Wire 0 is the most significant bit, of the state's index and of the gate's own.
    shifts = [n_qubits - 1 - wire for wire in gate.wires]
    rest, own = index, np.zeros_like(index)
    for shift in shifts:
        own = own << 1 | index >> shift & 1
        rest = rest & ~(1 << shift)
    other = table[own]
    for place, shift in enumerate(reversed(shifts)):
        rest = rest | (other >> place & 1) << shift
    return rest


def _linear(gate: Gate) -> bool:
    """Whether a permutation maps the bits of an index linearly: zero to zero, sums to sums."""
    table = gate.kind.permutation
    assert table is not None
    return all(table[a ^ b] == table[a] ^ table[b] for a in range(len(table)) for b in range(len(table)))
