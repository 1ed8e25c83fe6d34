"""Kernels on a batch of state vectors: prepare, apply a layer, measure. JAX only.

A state is a real array `(2, 2**n_qubits, batch)`: real and imaginary parts, amplitudes with wire 0 as the
most significant bit, samples last. Real, because a real matrix product runs several times faster on XLA's
CPU than a complex one; samples last, because then a block of leading wires and the pair of parts are
adjacent once the block's turn has come, and a block is one plain matrix product. All functions keep
the dtype they are given, so the same code is complex64 or complex128.
"""

from __future__ import annotations

from collections.abc import Sequence

import jax.numpy as jnp
from jax import Array, lax

from qproj.circuits.observables import PauliWord
from qproj.simulation.fusion import GateTable, blocks


def as_complex(state: Array) -> Array:
    """Real pairs `(2, ...)` as one complex array `(...)`."""
    return lax.complex(state[0], state[1])


def as_pair(state: Array) -> Array:
    """A complex array `(...)` as real pairs `(2, ...)`."""
    return jnp.stack([state.real, state.imag])


def multiply(left: Array, right: Array) -> Array:
    """Product of 2 x 2 matrices `(wires, 2, 2, *batch)`, written out so that XLA fuses it."""
    return (left[:, :, :, None] * right[:, None]).sum(axis=2)


def adjoint(matrices: Array) -> Array:
    """Conjugate transpose of `(wires, 2, 2, *batch)`."""
    return matrices.swapaxes(1, 2).conj()


def gate_matrices(table: GateTable, inputs: Array, weights: Array) -> Array:
    """Build every one-qubit gate of a layer.

    Args:
        table: The gates.
        inputs: `(n_inputs, batch)`, radians.
        weights: `(n_weights,)`, radians.

    Returns:
        Complex `(depth, n_qubits, 2, 2, *batch)`, where `batch` is there only if the layer is per sample.
    """
    real = weights.dtype
    angles = jnp.asarray(table.constant, real)
    if table.has_weights:
        angles = angles + jnp.asarray(table.weight_scale, real) * weights[table.weight_index]
    if table.per_sample:
        angles = (
            angles[..., None] + jnp.asarray(table.input_scale, real)[..., None] * inputs[table.input_index]
        )
    angles = angles[:, :, None, None]
    extra = (1,) * (angles.ndim - 4)
    kind = jnp.result_type(real, jnp.complex64)
    fixed = jnp.asarray(table.fixed, kind).reshape(*table.fixed.shape, *extra)
    generator = jnp.asarray(-1j * table.generator, kind).reshape(*table.fixed.shape, *extra)
    return jnp.cos(angles / 2) * fixed + jnp.sin(angles / 2) * generator


def fuse(gates: Array) -> Array:
    """Multiply the gates of each wire: `(depth, n_qubits, 2, 2, *batch)` to `(n_qubits, 2, 2, *batch)`."""
    product = gates[0]
    for gate in gates[1:]:
        product = multiply(gate, product)
    return product


def product_state(vectors: Array) -> Array:
    """Tensor product of `(n, 2, *batch)` as `(2**n, *batch)`; by halves, so the last step is the bulk."""
    n = len(vectors)
    if n == 1:
        return vectors[0]
    left, right = product_state(vectors[: n // 2]), product_state(vectors[n // 2 :])
    return (left[:, None] * right[None]).reshape(-1, *left.shape[1:])


def block_matrix(unitaries: Array) -> Array:
    """Kronecker product of `(k, 2, 2)` as the real `(2 * 2**k, 2 * 2**k)` matrix that acts on real pairs."""
    product = unitaries[0]
    for unitary in unitaries[1:]:
        product = jnp.kron(product, unitary)
    return jnp.block([[product.real, -product.imag], [product.imag, product.real]])


def apply_shared(state: Array, unitaries: Array) -> Array:
    """Apply one 2 x 2 matrix to each wire, the same ones for every sample.

    Block by block: multiply the leading wires, then rotate them to the end; the last rotation restores
    the order.

    Args:
        state: `(2, 2**n_qubits, batch)`.
        unitaries: Complex `(n_qubits, 2, 2)`.

    Returns:
        The state after.
    """
    shape, done = state.shape, 0
    for k in blocks(len(unitaries)):
        matrix = block_matrix(unitaries[done : done + k])
        state = jnp.matmul(matrix, state.reshape(len(matrix), -1), precision=lax.Precision.HIGHEST)
        state = rotate(state.reshape(shape), k)
        done += k
    return state


def rotate(state: Array, k: int) -> Array:
    """Move the `k` leading wires behind the others."""
    return state.reshape(2, 2**k, -1, state.shape[-1]).swapaxes(1, 2).reshape(state.shape)


def apply_per_sample(state: Array, unitaries: Array) -> Array:
    """Apply one 2 x 2 matrix to each wire, different ones for every sample.

    Args:
        state: `(2, 2**n_qubits, batch)`.
        unitaries: Complex `(n_qubits, 2, 2, batch)`.

    Returns:
        The state after.
    """
    psi = as_complex(state)
    for wire, u in enumerate(unitaries):
        zero, one = split(psi, wire)
        psi = jnp.stack([u[0, 0] * zero + u[0, 1] * one, u[1, 0] * zero + u[1, 1] * one], axis=1)
        psi = psi.reshape(state.shape[1:])
    return as_pair(psi)


def split(psi: Array, wire: int) -> tuple[Array, Array]:
    """The halves of a complex `(2**n, batch)` in which `wire` is 0 and 1, each `(2**wire, rest, batch)`."""
    halves = psi.reshape(2**wire, 2, -1, psi.shape[-1])
    return halves[:, 0], halves[:, 1]


def permute(state: Array, source: object) -> Array:
    """Gather amplitudes: `after[:, i] = state[:, source[i]]`."""
    return jnp.asarray(state).at[:, source].get(mode="promise_in_bounds", unique_indices=True)


class Measurement:
    """Expectation values of Pauli words, and the vector their weighted sum makes of a state.

    A word acts as `(P psi)[i] = phase[i] * psi[i ^ flip]`. Words with the same flip share one pass.

    Args:
        n_qubits: Number of wires.
        words: The observables, one for each output.
    """

    def __init__(self, n_qubits: int, words: Sequence[PauliWord]) -> None:
        self._index = range(2**n_qubits)
        self._groups: dict[int, list[int]] = {}
        self._masks: list[int] = []
        self._factors: list[complex] = []
        for output, word in enumerate(words):
            flip = sign = 0
            for letter, wire in zip(word.letters, word.wires, strict=True):
                bit = 1 << (n_qubits - 1 - wire)
                flip |= bit if letter in "XY" else 0
                sign |= bit if letter in "YZ" else 0
            # Y = -i * (sign) * (flip): each Y brings a factor of -i.
            self._factors.append(word.coefficient * (-1j) ** word.letters.count("Y"))
            self._masks.append(sign)
            self._groups.setdefault(flip, []).append(output)

    def expectations(self, state: Array) -> Array:
        """`<psi|P|psi>` for each word: `(2, 2**n_qubits, batch)` to `(n_outputs, batch)`."""
        values: dict[int, Array] = {}
        re, im = state
        for flip, outputs in self._groups.items():
            flipped_re, flipped_im = self._flip(state, flip)
            signs = self._signs(outputs, state)
            real, imag = self._factor(outputs, state)
            total = jnp.zeros((), state.dtype)
            if any(self._factors[j].real for j in outputs):
                total = total + real * _matmul(signs, re * flipped_re + im * flipped_im)
            if any(self._factors[j].imag for j in outputs):
                total = total - imag * _matmul(signs, re * flipped_im - im * flipped_re)
            total = jnp.broadcast_to(total, (len(outputs), state.shape[-1]))
            values |= dict(zip(outputs, total, strict=True))
        return jnp.stack([values[j] for j in range(len(self._masks))])

    def bra(self, state: Array, cotangents: Array) -> Array:
        """`sum_j cotangents[j] P_j psi`, all words at once; same shape as `state`."""
        total = jnp.zeros_like(state)
        for flip, outputs in self._groups.items():
            flipped_re, flipped_im = self._flip(state, flip)
            signs = self._signs(outputs, state).T
            real, imag = self._factor(outputs, state)
            chosen = cotangents[jnp.asarray(outputs)]
            if any(self._factors[j].real for j in outputs):
                weight = _matmul(signs, real * chosen)
                total = total + jnp.stack([weight * flipped_re, weight * flipped_im])
            if any(self._factors[j].imag for j in outputs):
                weight = _matmul(signs, imag * chosen)
                total = total + jnp.stack([-weight * flipped_im, weight * flipped_re])
        return total

    def _flip(self, state: Array, flip: int) -> Array:
        if not flip:
            return state
        return permute(state, jnp.arange(len(self._index), dtype=jnp.int32) ^ flip)

    def _signs(self, outputs: Sequence[int], like: Array) -> Array:
        """`(len(outputs), 2**n_qubits)` of +-1, computed on the spot: constants would fill programs."""
        masks = jnp.asarray([self._masks[j] for j in outputs], jnp.int32)[:, None]
        parity = lax.population_count(jnp.arange(len(self._index), dtype=jnp.int32) & masks) & 1
        return (1 - 2 * parity).astype(like.dtype)

    def _factor(self, outputs: Sequence[int], like: Array) -> tuple[Array, Array]:
        factors = [self._factors[j] for j in outputs]
        real, imag = [f.real for f in factors], [f.imag for f in factors]
        return jnp.asarray(real, like.dtype)[:, None], jnp.asarray(imag, like.dtype)[:, None]


def _matmul(left: Array, right: Array) -> Array:
    return jnp.matmul(left, right, precision=lax.Precision.HIGHEST)
