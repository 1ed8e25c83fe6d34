"""Reverse mode through density matrices. Noise cannot be undone: states are kept, or computed again.

The state is the vector of expectation values of all Pauli words (`qproj.planning.transfer`), so every gate
and channel is a real matrix, and a walk back is one with their transposes.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.planning.noisy import carries_outputs
from qproj.planning.transfer import Outcomes, Words, density_plan
from qproj.simulation import blocks as walks
from qproj.simulation import statevector as sv

# What an expectation value is in |0>: of I, X, Y, Z.
_ZERO = np.array([1.0, 0.0, 0.0, 1.0])


class Walked:
    """Forward and backward of a circuit in blocks; what the states are, subclasses say.

    Args:
        circuit: The circuit.
        keeps_states: Whether backward is given the states of forward; it computes them again otherwise.
    """

    in_place = False

    def __init__(self, circuit: Circuit, blocks: Any, *, keeps_states: bool) -> None:
        self._circuit, self._blocks, self.keeps_states = circuit, blocks, keeps_states

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Any]:
        """See `qproj.differentiation.adjoint.Adjoint.forward`."""
        x, w = inputs.T, weights.reshape(-1)
        state, kept = self._walk(self._start(x, w), x, w, keep=self.keeps_states)
        return self._measure(state).T, (state, *kept) if self.keeps_states else ()

    def backward(
        self, residuals: Any, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """See `qproj.differentiation.adjoint.Adjoint.backward`."""
        x, w = inputs.T, weights.reshape(-1)
        if not self.keeps_states:
            state, again = self._walk(self._start(x, w), x, w, keep=True)
            residuals = (state, *again)
        state, *kept = residuals
        bra = self._bra(state, cotangents.T)
        grad_x, grad_w = jnp.zeros_like(x), jnp.zeros_like(w)
        for segment, states in reversed(list(zip(self._blocks.segments, kept, strict=True))):
            matrices, pull_back = jax.vjp(lambda x, w, segment=segment: self._matrices(segment, x, w), x, w)
            bra, slopes = walks.walk_back(segment, bra, matrices, states=states)
            by_x, by_w = pull_back(slopes)
            grad_x, grad_w = grad_x + by_x, grad_w + by_w
        _, pull_back = jax.vjp(self._start, x, w)
        by_x, by_w = pull_back(bra)
        return (grad_x + by_x).T, (grad_w + by_w).reshape(weights.shape)

    def _walk(self, state: Array, x: Array, w: Array, *, keep: bool) -> tuple[Array, list[Any]]:
        kept = []
        for segment in self._blocks.segments:
            state, states = walks.walk(segment, state, self._matrices(segment, x, w), keep=keep)
            kept.append(states)
        return state, kept

    def _matrices(self, segment: Any, x: Array, w: Array) -> Array:
        return walks.matrices(segment, x, w, self._circuit.n_features)

    def _start(self, x: Array, w: Array) -> Array:
        raise NotImplementedError

    def _measure(self, state: Array) -> Array:
        raise NotImplementedError

    def _bra(self, state: Array, cotangents: Array) -> Array:
        raise NotImplementedError


class DensityMatrix(Walked):
    """Forward and backward of a noisy circuit, exactly.

    Where the blocks are the same for all samples and there are fewer outputs than samples, outputs are
    carried back to the first state in place of states to the end (the Heisenberg picture), so that the work
    behind the encoding does not grow with the batch.

    Args:
        circuit: The circuit, with channels.
        keeps_states: As for `Walked`.
    """

    def __init__(self, circuit: Circuit, *, keeps_states: bool) -> None:
        self._plan = density_plan(circuit)
        super().__init__(circuit, self._plan.blocks, keeps_states=keeps_states)

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Any]:
        """See `qproj.differentiation.adjoint.Adjoint.forward`."""
        if not carries_outputs(self._circuit, len(inputs)):
            return super().forward(inputs, weights)
        x, w = inputs.T, weights.reshape(-1)
        outputs, kept = self._carried(x, w)
        values = sv.matmul(self._start(x, w).T, outputs)
        return values, (outputs, *kept) if self.keeps_states else ()

    def backward(
        self, residuals: Any, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """See `qproj.differentiation.adjoint.Adjoint.backward`."""
        if not carries_outputs(self._circuit, len(inputs)):
            return super().backward(residuals, inputs, weights, cotangents)
        x, w = inputs.T, weights.reshape(-1)
        if not self.keeps_states:
            again = self._carried(x, w)
            residuals = (again[0], *again[1])
        outputs, *kept = residuals
        start, pull_back = jax.vjp(self._start, x, w)
        grad_x, grad_w = pull_back(sv.matmul(outputs, cotangents.T))
        state = sv.matmul(start, cotangents)  # of each output, the sum of what enters it
        for segment, bras in zip(self._blocks.segments, kept, strict=True):
            matrices, pull_back = jax.vjp(lambda w, segment=segment: self._matrices(segment, x, w), w)
            state, slopes = walks.walk(segment, state, matrices, bras=bras)
            grad_w = grad_w + pull_back(slopes)[0]
        return grad_x.T, grad_w.reshape(weights.shape)

    def _carried(self, x: Array, w: Array) -> tuple[Array, list[Any]]:
        """Outputs as linear functions of the first state, `(4**n_qubits, n_outputs)`, and of later ones."""
        n = self._circuit.n_outputs
        bra = self._bra(jnp.zeros((4**self._circuit.n_qubits, n), w.dtype), jnp.eye(n, dtype=w.dtype))
        kept = []
        for segment in reversed(self._blocks.segments):
            bra, bras = walks.walk_back(segment, bra, self._matrices(segment, x, w), keep=True)
            kept.append(bras)
        return bra, kept[::-1]

    def _start(self, x: Array, w: Array) -> Array:
        """The product state of all wires, or that of amplitudes: `(4**n_qubits, batch)`."""
        if self._plan.start is None:
            return _of_amplitudes(x, self._circuit.n_qubits)
        made = walks.factors(self._plan.start, x, w, self._circuit.n_features)
        return sv.product_state(walks.vectors(made, jnp.asarray(_ZERO, w.dtype), x.shape[1]))

    def _measure(self, state: Array) -> Array:
        return jnp.concatenate([_measured(part, state) for part in self._plan.measured])

    def _bra(self, state: Array, cotangents: Array) -> Array:
        bra: Array = jax.linear_transpose(self._measure, state)(cotangents)[0]
        return bra


def _measured(part: Words | Outcomes, state: Array) -> Array:
    """Outputs `(n_outputs, batch)`, linear in the state."""
    components = state.at[part.words].get(unique_indices=True, mode="promise_in_bounds")
    if isinstance(part, Words):
        return sv.matmul(jnp.asarray(part.mixing, state.dtype), components)
    found = sv.by_digit(components, part.reading)
    return found if part.outcome is None else found[part.outcome, None]


def _of_amplitudes(amplitudes: Array, n: int) -> Array:
    """Expectation values of all Pauli words in states of real amplitudes `(2**n, batch)`."""
    batch = amplitudes.shape[1]
    pairs = (amplitudes[:, None] * amplitudes[None]).reshape(*(2,) * (2 * n), batch)
    state = pairs.transpose(*(axis for wire in range(n) for axis in (wire, n + wire)), 2 * n)
    state = state.reshape(*(4,) * n, batch)
    # Of |0><0|, |0><1|, |1><0| and |1><1|; Y is i times a real matrix, so that an odd number of them gives 0.
    one = jnp.asarray([[1, 0, 0, 1], [0, 1, 1, 0], [0, 1, -1, 0], [1, 0, 0, -1]], amplitudes.dtype)
    for wire in range(n):
        state = jnp.moveaxis(jnp.tensordot(one, state, (1, wire)), 0, wire)
    digits = np.indices((4,) * n).reshape(n, -1)
    phases = np.array([1, 0, -1, 0])[(digits == 2).sum(axis=0) % 4]
    return jnp.asarray(phases, amplitudes.dtype)[:, None] * state.reshape(4**n, batch)
