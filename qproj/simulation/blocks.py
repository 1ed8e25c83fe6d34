"""Walks over real vectors in blocks of two wires, whose matrices rows share or have each their own. JAX only.

A state is `(size, batch)`. See `qproj.planning.blocks` for the blocks and `qproj.planning.tables` for what
fills them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qproj.noise.probability import PAULIS
from qproj.planning.blocks import Segment
from qproj.planning.permutations import Permutation
from qproj.planning.tables import Table
from qproj.simulation import statevector as sv

# Blocks that are written out in a program, where a compiled loop would take longer to turn than to compute.
_UNROLLED = 32
# Rows of matrices of which XLA makes one loop of all products sooner than as many calls.
_SMALL = 4


def factors(table: Table, angles: Array, drawn: Array) -> Array:
    """All factors of a table.

    Args:
        table: `(n_products, depth)`.
        angles: Its angles, as `angle_values` gives them.
        drawn: `(n_drawn, batch)`: which branch is drawn.

    Returns:
        `(n_products, depth, m, m)`, with `batch` at the end where rows have their own.
    """
    real = angles.dtype
    if table.per_row and not table.angles.per_sample:
        angles = angles[..., None]
    n_parts, m = table.library.shape[1], table.library.shape[-1]
    trailing = (1,) * (angles.ndim - 2)
    rotates = jnp.asarray(table.rotates).reshape(*table.rotates.shape, *trailing)
    numbers = [jnp.ones_like(angles)] + [jnp.zeros_like(angles)] * (n_parts - 1)
    if table.rotates.any():
        numbers[1] = jnp.where(rotates, jnp.cos(angles), 0)
        numbers[2] = jnp.where(rotates, jnp.sin(angles), 0)
    coefficients = jnp.stack(numbers, 2)
    if (table.drawn >= 0).any():
        branch = drawn[np.maximum(table.drawn, 0)][:, :, None]
        chosen = branch == jnp.arange(n_parts, dtype=real)[:, None]
        is_drawn = (table.drawn >= 0)[:, :, None, None]
        coefficients = jnp.where(is_drawn, chosen.astype(real), coefficients)
    for (k, d), branches in table.strengths:
        entries = _transfer(branches, angles[k, d].reshape(-1)[0])
        coefficients = coefficients.at[k, d].set(entries.reshape(-1, *trailing))
    library = jnp.asarray(table.library, real)[table.entry]
    if n_parts <= 3:  # XLA makes one loop of a sum, but as many calls as there are factors of a product
        # It would compute a cosine for every entry.
        coefficients = lax.optimization_barrier(coefficients)  # type: ignore[no-untyped-call]
        terms = (
            coefficients[:, :, j, None, None] * library[:, :, j].reshape(*library.shape[:2], m, m, *trailing)
            for j in range(n_parts)
        )
        return sum(terms, jnp.zeros((), real))
    if coefficients.ndim == 3:
        return jnp.einsum("kdj,kdjab->kdab", coefficients, library, precision=lax.Precision.HIGHEST)
    return jnp.einsum("kdjz,kdjab->kdabz", coefficients, library, precision=lax.Precision.HIGHEST)


def _transfer(branches: Callable[..., Any], strength: Array) -> Array:
    """The transfer matrix `(4, 4)` of a channel on one wire, of a traced strength."""
    weights, matrices = branches(jnp, strength)
    total = jnp.zeros((4, 4), strength.dtype)
    kind = jnp.result_type(strength.dtype, jnp.complex64)
    words = jnp.asarray(PAULIS, kind)
    for weight, matrix in zip(weights, matrices, strict=True):
        operator = jnp.asarray(matrix, kind)
        moved = operator @ words @ operator.conj().T
        total = total + weight * jnp.einsum("pij,qji->pq", words, moved).real / 2
    # Nothing else would tell that a weight is no probability.
    return jnp.where((strength >= 0) & (strength <= 1), total, jnp.nan)


def matrices(segment: Segment, angles: Sequence[Array], drawn: Array) -> Array:
    """The matrices of a segment's blocks, `(n_blocks, m, m)`, or with `batch` at the end.

    Args:
        segment: The segment.
        angles: Those of each of `segment.tables`.
        drawn: As for `factors`.
    """
    whole, *others = (
        products(factors(table, values, drawn)) for table, values in zip(segment.tables, angles, strict=True)
    )
    if not others:
        return whole
    (alone,) = others
    first, second = alone[0::2, :, None, :, None], alone[1::2, None, :, None]
    both = (first * second).reshape(len(whole), *whole.shape[1:3], *alone.shape[3:])
    if len(segment.table.library) == 1:  # the identity
        return both
    if both.ndim == whole.ndim == 3:
        return sv.matmul(whole, both)
    whole, both = (each if each.ndim == 4 else each[..., None] for each in (whole, both))
    return _each(whole, both)


def products(factors: Array) -> Array:
    """Multiply the factors of each product: `(n_products, depth, m, m, ...)`, without `depth` then."""
    product, *rest = (factors[:, d] for d in range(factors.shape[1]))
    if factors.ndim == 5 and rest:
        # A loop, since each product is written out.
        later = jnp.moveaxis(factors[:, 1:], 1, 0)
        return lax.scan(lambda product, factor: (_each(factor, product), None), product, later)[0]
    for factor in rest:
        product = _each(factor, product) if len(factor[0]) <= _SMALL else sv.matmul(factor, product)
    return product


def _each(left: Array, right: Array) -> Array:
    """Matrix products of `(n, m, m, ...)`, written out, so that XLA makes one loop of them."""
    terms = (left[:, :, j, None] * right[:, j, None] for j in range(right.shape[1]))
    return sum(terms, jnp.zeros((), right.dtype))


def vectors(factors: Array, start: Array, batch: int) -> Array:
    """Apply the factors of each wire to a vector: `(n, depth, m, m, ...)` and `(m,)` to `(n, m, batch)`."""
    factors = factors if factors.ndim == 5 else factors[..., None]
    state = jnp.broadcast_to(start[:, None], (len(factors), len(start), factors.shape[-1]))
    for d in range(factors.shape[1]):
        terms = [factors[:, d, :, j] * state[:, j, None] for j in range(len(start))]
        state = jnp.stack(terms).sum(axis=0)
    return jnp.broadcast_to(state, (*state.shape[:2], batch))


def gathered(state: Array, high: Array, low: Array) -> Array:
    """Move the rows of `(size, batch)`: see `Permutation`."""
    source = jnp.bitwise_xor(high[:, None], low).reshape(-1)
    moved: Array = state.at[source].get(mode="promise_in_bounds", unique_indices=True)
    return moved


def walk(
    segment: Segment, state: Array, matrices: Array, *, keep: bool = False, bras: Array | None = None
) -> tuple[Array, Array | None]:
    """Apply the blocks of a segment.

    Args:
        segment: The segment.
        state: `(size, batch)`.
        matrices: `(n_blocks, m, m)`, or with `batch` at the end.
        keep: Whether to return the states `(n_blocks, size, batch)` that the blocks are applied to.
        bras: What `walk_back` kept, where the gradients for the matrices are to be returned.

    Returns:
        The state, and what was asked for.
    """

    def step(state: Array, now: Any) -> tuple[Array, Array | None]:
        matrix, bra, scale, high, low = now
        before = gathered(state, high, low) * scale
        kept = before if keep else None if bra is None else _slope(matrix, bra, before)
        return _applied(matrix, before), kept

    tables = _scale(segment, state.dtype), *_tables(segment.forth)
    return lax.scan(step, state, (matrices, bras, *tables), unroll=_unrolled(segment))


def walk_back(
    segment: Segment, bra: Array, matrices: Array, *, keep: bool = False, states: Array | None = None
) -> tuple[Array, Array | None]:
    """Apply the transposed blocks of a segment, from the last to the first: what is linear in the state.

    Args:
        segment: The segment.
        bra: `(size, n)`, of the state after it.
        matrices: As for `walk`.
        keep: Whether to return the bras `(n_blocks, size, n)` that the transposed blocks are applied to.
        states: What `walk` kept, where the gradients for the matrices are to be returned.

    Returns:
        The bra of the state before it, and what was asked for.
    """

    def step(bra: Array, now: Any) -> tuple[Array, Array | None]:
        matrix, before, scale, high, low = now
        kept = bra if keep else None if before is None else _slope(matrix, bra, before)
        return gathered(scale * _applied(matrix.swapaxes(0, 1), bra), high, low), kept

    tables = _scale(segment, bra.dtype), *_tables(segment.back)
    return lax.scan(step, bra, (matrices, states, *tables), reverse=True, unroll=_unrolled(segment))


def _slope(matrix: Array, bra: Array, before: Array) -> Array:
    """The gradient for a block's matrix."""
    m = len(matrix)
    rows, columns = bra.reshape(m, -1, bra.shape[-1]), before.reshape(m, -1, bra.shape[-1])
    if matrix.ndim == 2:
        return sv.matmul(rows.reshape(m, -1), columns.reshape(m, -1).T)
    return jnp.stack([(rows * columns[j]).sum(axis=1) for j in range(m)], axis=1)


def _applied(matrix: Array, state: Array) -> Array:
    """Multiply the leading wires: `(m, m)`, or `(m, m, batch)`, to `(size, batch)`."""
    m = len(matrix)
    if matrix.ndim == 2:
        return sv.matmul(matrix, state.reshape(m, -1)).reshape(state.shape)
    rows = state.reshape(m, -1, state.shape[-1])
    after: Any = sum(matrix[:, j, None] * rows[j] for j in range(m))
    return after.reshape(state.shape)  # type: ignore[no-any-return]


def _tables(reordering: Permutation) -> tuple[Array, Array]:
    return jnp.asarray(reordering.high), jnp.asarray(reordering.low)


def _scale(segment: Segment, real: Any) -> Array:
    """What multiplies a state before each block, `(n_blocks, size, 1)`, or ones, `(n_blocks, 1, 1)`."""
    scale = np.ones((len(segment.table.entry), 1)) if segment.scale is None else segment.scale
    return jnp.asarray(scale, real)[..., None]


def _unrolled(segment: Segment) -> int:
    n_blocks = len(segment.table.entry)
    return n_blocks if n_blocks <= _UNROLLED and not segment.per_row else 1
