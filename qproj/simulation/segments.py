"""Segments: consecutive layers of one kind, applied to states forwards and backwards. JAX only."""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qproj.planning.fusion import Layer
from qproj.planning.schedule import UNROLLED
from qproj.simulation import statevector as sv
from qproj.simulation.angles import angle_values
from qproj.simulation.given import Given

# Rows that are megabytes apart thrash the caches: larger states are multiplied column block by column block.
_AT_ONCE, _COLUMNS = 1 << 22, 1 << 13


class Prepared(NamedTuple):
    """Matrices and angles of a segment's layers; the first dimension of every array is the layer.

    Attributes:
        blocks: Real block matrices, one array per block of wires.
        angles: Angles of the Z rotations, `(n_layers, n_words, *batch)`, or `None`.
    """

    blocks: tuple[Array, ...]
    angles: Array | None


class Kept(NamedTuple):
    """States that forward keeps in a layer; of a compiled loop, stacked, with the layer as first dimension.

    Attributes:
        after_blocks: The state after each block, while its wires lead.
        after_local: The state after all one-qubit gates, if Z rotations follow.
    """

    after_blocks: tuple[Array, ...]
    after_local: Array | None


class Slopes(NamedTuple):
    """Gradients of a segment before the chain rule; the first dimension of every array is the layer.

    Attributes:
        reduced: `R[a, b] = sum conj(bra[a, ...]) psi[b, ...]` of each wire, `(n_layers, n_qubits, 2, 2)`
            complex, right after the one-qubit gates; or `None`.
        angles: Gradients for the angles of the Z rotations; or `None`.
    """

    reduced: Array | None
    angles: Array | None


@dataclass(frozen=True)
class Segment:
    """Consecutive layers of the same kind.

    Attributes:
        layers: The layers, stacked into one `Layer`; from `qproj.planning.schedule`.
        count: Number of layers.
        blocks: Number of wires of each block; empty if the layers have no one-qubit gates.
    """

    layers: Layer
    count: int
    blocks: tuple[int, ...]

    def prepare(self, given: Given, *, inverse: bool = False) -> Prepared:
        """Build the block matrices, or their inverses, and the angles of all layers at once."""
        matrices: list[Array] = []
        local, diagonal = self.layers.local, self.layers.diagonal
        if local is not None:
            unitaries = sv.fused(local, given, 1)
            if inverse:
                # Not the transpose of the blocks: XLA would fold it into the product, whose kernel for a
                # transposed left side takes up to four times as long.
                unitaries = unitaries.swapaxes(-1, -2).conj()
            done = 0
            for k in self.blocks:
                matrices.append(sv.real_matrix(sv.kron(unitaries[:, done : done + k])))
                done += k
        if diagonal is None:
            return Prepared(tuple(matrices), None)
        turned = diagonal.angles
        angles = given.once("angles", turned, lambda: angle_values(turned, given.inputs, given.weights))
        return Prepared(tuple(matrices), angles)

    def forward(
        self, state: Array, given: Given, *, keep: bool
    ) -> tuple[Array, Kept | list[Kept | None] | None]:
        """Apply the segment.

        Args:
            state: The state before the segment.
            given: Inputs and weights.
            keep: Whether to keep the intermediate states.

        Returns:
            The state after the segment, and the kept states.
        """

        def step(state: Array, at: tuple[Layer, Prepared]) -> tuple[Array, Kept | None]:
            layer, now = at
            after_blocks = []
            for i, matrix in enumerate(now.blocks):
                state = sv.exchange(state, sum(self.blocks[:i]), self.blocks[i])
                state = sv.apply_block(state, matrix)
                after_blocks.append(state)
            kept = Kept(tuple(after_blocks), None if layer.diagonal is None else state) if keep else None
            if layer.diagonal is not None:
                state = sv.apply_phases(state, self._phases(layer, now, state))
            if layer.permutation is not None:
                state = sv.permute(state, layer.permutation)
            return state, kept

        return self.fold(step, state, given, reverse=False)

    def backward(
        self, psi: Array | None, bra: Array, given: Given, kept: Kept | list[Kept | None] | None
    ) -> tuple[Array | None, Array, Slopes]:
        """Undo the segment and accumulate its gradients.

        Args:
            psi: The state after the segment; `None` if states were kept.
            bra: The bra after the segment.
            given: Inputs and weights.
            kept: The states that `forward` kept; `None` to recompute them from `psi`.

        Returns:
            State (or `None`) and bra before the segment, and the gradients.
        """

        def step(
            carry: tuple[Array | None, Array], at: tuple[Layer, Prepared, Kept | None]
        ) -> tuple[tuple[Array | None, Array], Slopes]:
            (psi, bra), (layer, now, here) = carry, at
            if layer.inverse is not None:
                bra = sv.permute(bra, layer.inverse)
                psi = None if psi is None else sv.permute(psi, layer.inverse)
            angles = None
            if layer.diagonal is not None:
                phases = self._phases(layer, now, bra)
                bra = sv.apply_phases(bra, phases, inverse=True)
                psi = None if psi is None else sv.apply_phases(psi, phases, inverse=True)
                ket = here.after_local if here is not None else psi
                assert ket is not None
                angles = self._word_slopes(layer, ket, bra)
            reduced = []
            # Blocks in reverse order, so that ket and bra are at the same point.
            for i, matrix in reversed(list(enumerate(now.blocks))):
                ket = here.after_blocks[i] if here is not None else psi
                assert ket is not None
                reduced.append(reduced_to_wires(_overlaps(ket, bra, len(matrix))))
                places = self.blocks[i], sum(self.blocks[:i])
                bra = sv.exchange(sv.apply_block(bra, matrix), *places)
                psi = None if psi is None else sv.exchange(sv.apply_block(psi, matrix), *places)
            return (psi, bra), Slopes(jnp.concatenate(reduced[::-1]) if reduced else None, angles)

        (psi, bra), slopes = self.fold(step, (psi, bra), given, kept, inverse=True)
        return psi, bra, stacked(slopes)

    def fold(
        self,
        step: Callable[..., tuple[Any, Any]],
        carry: Any,
        given: Given,
        *more: Any,
        inverse: bool = False,
        reverse: bool = True,
    ) -> tuple[Any, Any]:
        """Fold over the layers: unrolled, or in a compiled loop if there are many.

        Args:
            step: `(carry, (layer, prepared, *more)) -> (carry, result)`.
            carry: The first carry.
            given: Inputs and weights.
            more: Further values per layer, in a list or stacked, as `fold` returns them.
            inverse: As for `prepare`.
            reverse: Whether to start with the last layer.

        Returns:
            The last carry, and the results in the order of the layers: in a list, or stacked if in a loop.
        """
        if self.count > UNROLLED:

            def alone(carry: Any, at: tuple[Any, ...]) -> tuple[Any, Any]:
                # Prepared one layer at a time: the matrices of many layers are larger than a state.
                layer, *others = at
                one = replace(self, layers=jax.tree.map(lambda leaf: leaf[None], layer), count=1)
                now = jax.tree.map(operator.itemgetter(0), one.prepare(given.apart(), inverse=inverse))
                return step(carry, (layer, now, *others))

            return lax.scan(alone, carry, jax.tree.map(jnp.asarray, (self.layers, *more)), reverse=reverse)
        everything = (self.layers, self.prepare(given, inverse=inverse), *more)
        results = []
        order = range(self.count)
        for i in reversed(order) if reverse else order:
            carry, result = step(carry, tuple(_at(i, x) for x in everything))
            results.append(result)
        return carry, results[::-1] if reverse else results

    def _phases(self, layer: Layer, now: Prepared, state: Array) -> Array:
        assert layer.diagonal is not None
        assert now.angles is not None
        return sv.phases(layer.diagonal, now.angles, state.shape[1])

    def _word_slopes(self, layer: Layer, ket: Array, bra: Array) -> Array:
        """`Im <bra| Z...Z |psi>` of each word: `(n_words, batch)`, or summed over the batch."""
        assert layer.diagonal is not None
        overlap = bra[0] * ket[1] - bra[1] * ket[0]
        if not layer.diagonal.angles.per_sample:
            overlap = overlap.sum(axis=-1, keepdims=True)
        slopes = sv.matmul(sv.signs(layer.diagonal.masks, len(overlap), overlap.dtype), overlap)
        return slopes if layer.diagonal.angles.per_sample else slopes[:, 0]


def _at(i: int, values: Any) -> Any:
    """One layer's, of values in a list or stacked."""

    def chosen(leaf: Any) -> Any:
        return lax.index_in_dim(leaf, i, keepdims=False) if isinstance(leaf, Array) else leaf[i]

    return values[i] if isinstance(values, list) else jax.tree.map(chosen, values)


def stacked(results: Any) -> Any:
    """Results of `Segment.fold`, stacked."""
    return jax.tree.map(lambda *parts: jnp.stack(parts), *results) if isinstance(results, list) else results


def _overlaps(psi: Array, bra: Array, rows: int) -> Array:
    """`bra psi^T` on the leading wires as real pairs, summed over everything else: `(rows, rows)`."""
    bra, psi = bra.reshape(rows, -1), psi.reshape(rows, -1)
    if psi.size <= _AT_ONCE:
        return sv.matmul(bra, psi.T)

    def add(total: Array, begin: Array) -> tuple[Array, None]:
        some = [lax.dynamic_slice_in_dim(given, begin, _COLUMNS, axis=1) for given in (bra, psi)]
        return total + sv.matmul(some[0], some[1].T), None

    whole = psi.shape[1] // _COLUMNS * _COLUMNS
    rest = sv.matmul(bra[:, whole:], psi[:, whole:].T)
    return lax.scan(add, rest, jnp.arange(0, whole, _COLUMNS))[0]


def complex_overlaps(overlaps: Array) -> Array:
    """`sum conj(bra[a, ...]) psi[b, ...]` from overlaps of real pairs: `(..., 2 m, 2 m)` to `(..., m, m)`."""
    m = overlaps.shape[-1] // 2
    pairs = overlaps.reshape(*overlaps.shape[:-2], 2, m, 2, m)
    real = pairs[..., 0, :, 0, :] + pairs[..., 1, :, 1, :]
    return lax.complex(real, pairs[..., 0, :, 1, :] - pairs[..., 1, :, 0, :])


def reduced_to_wires(overlaps: Array) -> Array:
    """`R` of each wire of a block: overlaps `(..., 2 * 2**k, 2 * 2**k)` to `(..., k, 2, 2)` complex."""
    block = complex_overlaps(overlaps)
    k = block.shape[-1].bit_length() - 1
    wires = []
    for wire in range(k):
        shape = (2**wire, 2, 2 ** (k - 1 - wire))
        wires.append(jnp.einsum("...iajibj->...ab", block.reshape(*block.shape[:-2], *shape, *shape)))
    return jnp.stack(wires, axis=-3)


def segments(layers: Sequence[Layer], split: tuple[int, ...]) -> tuple[Segment, ...]:
    """Group consecutive layers of the same kind.

    Args:
        layers: Layers of a `Schedule`.
        split: Number of wires of each block.
    """
    groups = (list(group) for _, group in itertools.groupby(layers, key=operator.attrgetter("kind")))
    return tuple(
        Segment(
            jax.tree.map(lambda *parts: np.stack(parts), *group),
            len(group),
            split if group[0].local is not None else (),
        )
        for group in groups
    )
