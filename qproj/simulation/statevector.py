"""Kernels on a batch of state vectors: prepare, apply a block, a diagonal, a permutation. JAX only.

A state is a real array `(2, 2**n_qubits, batch)`: real and imaginary parts, amplitudes with wire 0 as the
most significant bit, samples last. Real, because a real matrix product runs several times faster on XLA's
CPU than a complex one; samples last, because then a block of leading wires and the pair of parts are
adjacent once the block's turn has come, and a block is one plain matrix product. All functions keep
the dtype they are given, so the same code is complex64 or complex128.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax
import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.planning.fusion import Diagonal, Layer, Local
from qproj.planning.permutations import Permutation
from qproj.simulation.angles import angle_values, reduced
from qproj.simulation.given import Given
from qproj.simulation.xla_cpu import outlined

# So that layers of the same kind can be stacked, and a compiled loop can run over them.
jax.tree_util.register_dataclass(Local, ["fixed", "generator", "angles"], [])
jax.tree_util.register_dataclass(Diagonal, ["masks", "angles"], [])
jax.tree_util.register_dataclass(Permutation, ["high", "low"], [])
jax.tree_util.register_dataclass(Layer, ["local", "diagonal", "permutation", "inverse"], [])


_CONSTANT = 1024  # numbers of a table that is written into a program; larger ones are computed there


def as_complex(state: Array) -> Array:
    """Real pairs `(2, ...)` as one complex array `(...)`."""
    return lax.complex(state[0], state[1])


def as_pair(state: Array) -> Array:
    """A complex array `(...)` as real pairs `(2, ...)`."""
    return jnp.stack([state.real, state.imag])


def matmul(left: Array, right: Array) -> Array:
    """A matrix product in full precision, also on accelerators that would round to less."""
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)


def gate_matrices(local: Local, given: Given) -> Array:
    """Build every one-qubit gate, `(..., 2, 2, *batch)` complex for tables of shape `(...)`."""
    return given.once("gates", local, lambda: _gate_matrices(local, given.inputs, given.weights))


def _gate_matrices(local: Local, inputs: Array, weights: Array) -> Array:
    angles = angle_values(local.angles, inputs, weights) / 2
    leading = local.fixed.ndim - 2
    angles = jnp.expand_dims(angles, (leading, leading + 1))
    extra = (1,) * (angles.ndim - local.fixed.ndim)
    kind = jnp.result_type(weights.dtype, jnp.complex64)
    fixed = jnp.asarray(local.fixed, kind).reshape(*local.fixed.shape, *extra)
    generator = jnp.asarray(-1j * local.generator, kind).reshape(*local.fixed.shape, *extra)
    return jnp.cos(angles) * fixed + jnp.sin(angles) * generator


def multiply(left: Array, right: Array, axis: int) -> Array:
    """Product of 2 x 2 matrices at `axis` and `axis + 1`, written out so that XLA fuses it."""
    return (jnp.expand_dims(left, axis + 2) * jnp.expand_dims(right, axis)).sum(axis=axis + 1)


def fused(local: Local, given: Given, depth_axis: int) -> Array:
    """The gates of each wire as one matrix: `gate_matrices` without `depth`."""
    return given.once("fused", local, lambda: _fuse(gate_matrices(local, given), depth_axis))


def _fuse(gates: Array, depth_axis: int) -> Array:
    product, *rest = (lax.index_in_dim(gates, k, depth_axis, False) for k in range(gates.shape[depth_axis]))
    for gate in rest:
        product = multiply(gate, product, depth_axis + 1)
    return product


def product_state(vectors: Array) -> Array:
    """Tensor product of `(n, 2, *batch)` as `(2**n, *batch)`; by halves, so the last step is the bulk."""
    n = len(vectors)
    if n == 1:
        return vectors[0]
    halves = product_state(vectors[: n // 2]), product_state(vectors[n // 2 :])

    def product(left: Array, right: Array) -> Array:
        return (left[:, None] * right[None]).reshape(-1, *left.shape[1:])

    return outlined(product, *halves)


def product_pair(vectors: Array) -> Array:
    """`product_state` of complex vectors `(n, 2, batch)`, as real pairs `(2, 2**n, batch)`."""
    n = len(vectors)
    if n == 1:
        return as_pair(vectors[0])
    left, right = product_state(vectors[: n // 2]), product_state(vectors[n // 2 :])

    def product(left: Array, turned: Array, right: Array) -> Array:
        # Both parts by one formula; to stack what two formulas give takes twice as long.
        return left[:, :, None] * right[0] + turned[:, :, None] * right[1]

    shape = (2, len(left) * len(right), left.shape[-1])
    pair = _narrow(as_pair(left)), _narrow(as_pair(1j * left)), _narrow(as_pair(right))
    whole: Array = outlined(product, *pair)
    return whole.reshape(shape)


def kron(unitaries: Array) -> Array:
    """Kronecker product of `(..., k, 2, 2)` over its wires: `(..., 2**k, 2**k)`."""
    product = unitaries[..., 0, :, :]
    for k in range(1, unitaries.shape[-3]):
        factor = unitaries[..., k, :, :]
        product = product[..., :, None, :, None] * factor[..., None, :, None, :]
        product = product.reshape(*product.shape[:-4], 2 ** (k + 1), 2 ** (k + 1))
    return product


def real_matrix(matrix: Array) -> Array:
    """A complex `(..., m, m)` matrix as the real `(..., 2 m, 2 m)` one that acts on real pairs.

    It is orthogonal where the matrix is unitary, so its transpose undoes it.
    """
    real, imaginary = matrix.real, matrix.imag
    upper = jnp.concatenate([real, -imaginary], axis=-1)
    lower = jnp.concatenate([imaginary, real], axis=-1)
    return jnp.concatenate([upper, lower], axis=-2)


def apply_block(state: Array, matrix: Array) -> Array:
    """Multiply the leading wires by a real `(2 * 2**k, 2 * 2**k)` matrix."""
    return matmul(matrix, state.reshape(len(matrix), -1)).reshape(state.shape)


def exchange(state: Array, first: int, second: int) -> Array:
    """Let the `first` leading wires and the `second` ones that follow them change places."""
    if not first or not second:
        return state

    split = state.reshape(2, 2**first, 2**second, -1)
    moved: Array = outlined(lambda given: given.swapaxes(1, 2), _narrow(split))
    return moved.reshape(state.shape)


def permute(state: Array, permutation: Permutation) -> Array:
    """Gather amplitudes: `after[:, i] = state[:, source[i]]`."""

    def gathered(state: Array, high: Array, low: Array) -> Array:
        # Rows of real numbers: with parts apart XLA would put the amplitudes first, and copy them back after.
        rows = state.reshape(-1, *state.shape[2:])
        source = jnp.bitwise_xor(high[:, None], low)
        return rows.at[source].get(mode="promise_in_bounds", unique_indices=True).reshape(state.shape)

    # Imaginary parts follow the real ones, so theirs is one bit more.
    high = jnp.asarray(permutation.high)
    high = jnp.concatenate([high, high | state.shape[1]])
    moved: Array = outlined(gathered, _narrow(state), high, jnp.asarray(permutation.low))
    return moved.reshape(state.shape)


def _narrow(state: Array) -> Array:
    """Without a last dimension of 1, which XLA would take the liberty to lay out first, and then copy."""
    return state[..., 0] if state.shape[-1] == 1 else state


def signs(masks: ArrayLike, n_states: int, dtype: jnp.dtype, *, states_first: bool = False) -> Array:
    """`(n_words, n_states)` of +-1, or the other way round: the eigenvalues of Z words on basis states.

    Computed on the spot unless small, since larger constants would fill programs, and in the order that a
    product needs, since products with a transposed left side are slow.
    """
    if isinstance(masks, np.ndarray) and masks.size * n_states <= _CONSTANT:
        known = np.arange(n_states)[:, None] & masks if states_first else np.arange(n_states) & masks[:, None]
        return jnp.asarray(1 - 2 * (np.bitwise_count(known) & 1).astype(np.int8), dtype)
    states, words = jnp.arange(n_states, dtype=jnp.int32), jnp.asarray(masks)
    both = states[:, None] & words if states_first else states & words[:, None]
    return (1 - 2 * (lax.population_count(both) & 1)).astype(dtype)


def phases(diagonal: Diagonal, angles: Array, n_states: int) -> Array:
    """Real pairs `(2, n_states, *batch)` of `exp(-i sum_w angle_w * sign_w / 2)`."""
    eigenvalues = signs(diagonal.masks, n_states, angles.dtype, states_first=True)
    total = matmul(eigenvalues, reduced(angles).reshape(len(angles), -1)) / 2
    total = total.reshape(n_states, *angles.shape[1:])
    return jnp.stack([jnp.cos(total), -jnp.sin(total)])


def apply_phases(state: Array, phase: Array, *, inverse: bool = False) -> Array:
    """Multiply by phases `(2, 2**n_qubits)` or `(2, 2**n_qubits, batch)`, or by their conjugates."""
    if phase.ndim == 2:
        phase = phase[..., None]
    re, im = state
    cos, sin = phase[0], -phase[1] if inverse else phase[1]
    return jnp.stack([cos * re - sin * im, sin * re + cos * im])


def by_digit(values: Array, matrices: Sequence[npt.ArrayLike]) -> Array:
    """Apply a 2 x 2 matrix to each binary digit of an index, the first digit first: `(2**k, batch)`."""
    shape = values.shape
    for digit, matrix in enumerate(np.asarray(matrices).tolist()):
        split = values.reshape(2**digit, 2, -1)
        rows = [to_zero * split[:, 0] + to_one * split[:, 1] for to_zero, to_one in matrix]
        values = jnp.stack(rows, axis=1)
    return values.reshape(shape)
