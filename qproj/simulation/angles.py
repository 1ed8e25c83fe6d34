"""Angles of gates, from inputs and weights, exact however large these are. JAX only.

An angle in single precision is off by 6e-8 of its size, so before it is rounded it is made small: less
multiples of 4 pi, a period of every gate. What a product loses to rounding is computed apart (Dekker, "A
floating-point technique for extending the available precision" (1971), doi:10.1007/BF01397083).
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.planning.fusion import Angles, rest_of

# So that layers of the same kind can be stacked, and a compiled loop can run over them.
jax.tree_util.register_dataclass(
    Angles,
    ["constant", "weight_index", "weight_scale", "weight_rest", "input_index", "input_scale", "input_rest"],
    ["has_weights", "per_sample", "rounds"],
)


def angle_values(angles: Angles, inputs: Array, weights: Array) -> Array:
    """The angles in radians.

    Args:
        angles: Of any shape.
        inputs: `(n_features, batch)`.
        weights: `(n_weights,)`.

    Returns:
        `(*shape, *batch)`, where `batch` is there only if they are per sample.
    """
    real = weights.dtype
    values = jnp.asarray(angles.constant, real)
    if angles.has_weights:
        scale, rest = (jnp.asarray(part, real) for part in (angles.weight_scale, angles.weight_rest))
        values = values + multiple(rows(weights, angles.weight_index), scale, rest, rounds=angles.rounds)
    if angles.per_sample:
        scale, rest = (jnp.asarray(part, real)[..., None] for part in (angles.input_scale, angles.input_rest))
        values = values[..., None] + multiple(
            rows(inputs, angles.input_index), scale, rest, rounds=angles.rounds
        )
    return values


def rows(values: Array, index: ArrayLike) -> Array:
    """`values[index]` for indices known to be in bounds, without the operations that would check them."""
    at = jnp.expand_dims(index, -1) if isinstance(index, Array) else np.asarray(index, np.int32)[..., None]
    kept = tuple(range(at.ndim - 1, at.ndim - 2 + values.ndim))
    numbers = lax.GatherDimensionNumbers(offset_dims=kept, collapsed_slice_dims=(0,), start_index_map=(0,))
    found: Array = lax.gather(values, at, numbers, (1, *values.shape[1:]), mode="promise_in_bounds")
    return found


def multiple(values: Array, scale: Array, rest: Array, *, rounds: bool = True) -> Array:
    """`(scale + rest) * values`, less multiples of 4 pi where it `rounds` in single precision."""
    if not rounds or values.dtype == jnp.float64:
        return scale * values
    return _small(*_product(values, scale, rest))


def multiples(values: Array, scales: Sequence[float]) -> Array:
    """`multiple` of the columns of `(rows, k)` by a scale each."""
    exact = np.asarray(scales, np.float64)
    return multiple(values, *(jnp.asarray(part, values.dtype) for part in (exact, rest_of(exact))))


def products(first: Array, second: Array, scale: ArrayLike) -> Array:
    """`scale * first * second`, less multiples of 4 pi in single precision."""
    scale, rest = (jnp.asarray(part, first.dtype) for part in (scale, rest_of(np.asarray(scale))))
    if first.dtype == jnp.float64:
        return scale * first * second
    return _small(*_product(second, *_product(first, scale, rest)))


def reduced(angles: Array) -> Array:
    """Angles less multiples of 4 pi. Sine and cosine are exact for large arguments; the derivative is 1."""
    half = lax.stop_gradient(angles) / 2
    turned = jnp.where(jnp.abs(half) <= jnp.pi, 2 * half, 2 * jnp.arctan2(jnp.sin(half), jnp.cos(half)))
    return turned + (angles - lax.stop_gradient(angles))


def _small(whole: Array, lost: Array) -> Array:
    return reduced(whole) + lost


def _product(a: Array, b: Array, rest: Array) -> tuple[Array, Array]:
    """`a * (b + rest)` in single precision, rounded, and what that is too little."""
    whole = a * b
    (a_high, a_low), (b_high, b_low) = (_halves(lax.stop_gradient(given)) for given in (a, b))
    lost = (a_high * b_high - lax.stop_gradient(whole)) + a_high * b_low + a_low * b_high + a_low * b_low
    return whole, lost + lax.stop_gradient(a * rest)


def _halves(given: Array) -> tuple[Array, Array]:
    """Twelve bits each, so that their products are exact."""
    high = lax.reduce_precision(given, exponent_bits=8, mantissa_bits=11)
    return high, given - high
