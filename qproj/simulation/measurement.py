"""Expectation values of Pauli words and their sums, and the bra for their gradient. JAX only."""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
import numpy.typing as npt
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.planning.permutations import Permutation
from qproj.simulation.statevector import matmul, permute, signs
from qproj.simulation.xla_cpu import outlined


class _Group(NamedTuple):
    """Words that flip the same bits: `flip`; each word's place, sign mask and factor."""

    flip: int
    words: npt.NDArray[np.int32]
    masks: npt.NDArray[np.int32]
    factors: npt.NDArray[np.complex128]

    @classmethod
    def of(cls, flip: int, members: list[tuple[int, int, complex]]) -> _Group:
        """Group words, each given by its place, sign mask and factor."""
        words, masks, factors = zip(*members, strict=True)
        # 32 bits: JAX 0.10 fails on 64-bit indices when single precision follows double.
        return cls(flip, np.array(words, np.int32), np.array(masks, np.int32), np.array(factors))


class Measurement:
    """Expectation values of a circuit's observables, all of them Pauli words and sums of such.

    A word acts as `(P psi)[i] = phase[i] * psi[i ^ flip]`. Words with the same flip share one pass.

    Args:
        circuit: The circuit.
        absorbed: Inverse of a permutation before the measurement, which the measurement absorbs; see
            `qproj.planning.schedule.is_absorbed`.
    """

    def __init__(self, circuit: Circuit, absorbed: Permutation | None = None) -> None:
        n = circuit.n_qubits
        self._owners = np.array(circuit.owners, np.int32)
        self._n_outputs = circuit.n_outputs
        # Signs are factored into those of the leading and of the other wires: tables of 2**(n/2) entries.
        self._low_bits = n // 2
        self._n_states = 2**n
        groups: dict[int, list[tuple[int, int, complex]]] = {}  # by flip: word, sign mask, factor
        for i, word in enumerate(circuit.words):
            flip = sign = 0
            for letter, wire in zip(word.letters, word.wires, strict=True):
                bit = 1 << (n - 1 - wire)
                flip |= bit if letter in "XY" else 0
                sign |= bit if letter in "YZ" else 0
            if absorbed is not None:
                sign = _pulled_back(sign, absorbed, n)
            # Y = -i * (sign) * (flip): each Y brings a factor of -i.
            factor = word.coefficient * (-1j) ** word.letters.count("Y")
            groups.setdefault(flip, []).append((i, sign, factor))
        self._groups = [_Group.of(flip, members) for flip, members in groups.items()]

    def expectations(self, state: Array) -> Array:
        """`<psi|P|psi>` for each observable: `(2, 2**n_qubits, batch)` to `(n_outputs, batch)`."""
        parts = [jnp.zeros((0, state.shape[-1]), state.dtype)]
        for group in self._groups:
            other = self._flipped(state, group.flip)
            total = jnp.zeros((len(group.words), state.shape[-1]), state.dtype)
            if group.factors.real.any():
                products = outlined(lambda a, b: a[0] * b[0] + a[1] * b[1], state, other)
                total = total + self._real(group, state) * self._sums(group, products)
            if group.factors.imag.any():
                products = outlined(lambda a, b: a[0] * b[1] - a[1] * b[0], state, other)
                total = total - self._imag(group, state) * self._sums(group, products)
            parts.append(total)
        values = jnp.concatenate(parts)
        if len(self._groups) > 1:
            values = values[np.argsort(np.concatenate([group.words for group in self._groups]))]
        if len(self._owners) == self._n_outputs:
            return values
        owned = self._owners == np.arange(self._n_outputs)[:, None]
        return matmul(jnp.asarray(owned, state.dtype), values)

    def bra(self, state: Array, cotangents: Array) -> Array:
        """`sum_j cotangents[j] P_j psi`, all observables at once; same shape as `state`."""
        if len(self._owners) != self._n_outputs:
            cotangents = cotangents[self._owners]
        total: Array | None = None
        for group in self._groups:
            other = self._flipped(state, group.flip)
            chosen = cotangents if len(self._groups) == 1 else cotangents[group.words]
            if group.factors.real.any():
                weight = self._weights(group, self._real(group, state) * chosen)
                part = weight * other
                total = part if total is None else total + part
            if group.factors.imag.any():
                weight = self._weights(group, self._imag(group, state) * chosen)
                part = weight * jnp.stack([-other[1], other[0]])
                total = part if total is None else total + part
        return jnp.zeros_like(state) if total is None else total

    def _flipped(self, state: Array, flip: int) -> Array:
        if not flip:
            return state
        low = flip & (2**self._low_bits - 1)
        high_index = np.arange(self._n_states >> self._low_bits) ^ (flip >> self._low_bits)
        return permute(
            state,
            Permutation(
                (high_index << self._low_bits).astype(np.int32),
                (np.arange(2**self._low_bits) ^ low).astype(np.int32),
            ),
        )

    def _signs(self, group: _Group, dtype: jnp.dtype, *, states_first: bool) -> tuple[Array, Array]:
        leading, others = self._n_states >> self._low_bits, 2**self._low_bits
        high = signs(group.masks >> self._low_bits, leading, dtype, states_first=states_first)
        return high, signs(group.masks & (others - 1), others, dtype)

    def _sums(self, group: _Group, products: Array) -> Array:
        """`sum_i sign_w(i) * products[i]` for each word: `(2**n, batch)` to `(n_words, batch)`."""
        high, low = self._signs(group, products.dtype, states_first=False)
        partial = matmul(high, products.reshape(high.shape[1], -1))
        partial = partial.reshape(len(high), low.shape[1], -1)
        summed: Array = outlined(lambda partial, low: (partial * low[:, :, None]).sum(axis=1), partial, low)
        return summed

    def _weights(self, group: _Group, chosen: Array) -> Array:
        """`sum_w sign_w(i) * chosen[w]`: `(n_words, batch)` to `(2**n, batch)`."""
        high, low = self._signs(group, chosen.dtype, states_first=True)
        spread = (low[:, :, None] * chosen[:, None]).reshape(len(low), -1)
        return matmul(high, spread).reshape(self._n_states, -1)

    def _real(self, group: _Group, like: Array) -> Array:
        return jnp.asarray(group.factors.real, like.dtype)[:, None]

    def _imag(self, group: _Group, like: Array) -> Array:
        return jnp.asarray(group.factors.imag, like.dtype)[:, None]


def _pulled_back(mask: int, absorbed: Permutation, n_qubits: int) -> int:
    """The Z word before a linear permutation of basis states that is this Z word after it."""
    low_bits = n_qubits // 2
    sent = [
        int(absorbed.low[1 << bit] if bit < low_bits else absorbed.high[1 << (bit - low_bits)])
        for bit in range(n_qubits)
    ]
    return sum(((mask & to).bit_count() & 1) << bit for bit, to in enumerate(sent))
