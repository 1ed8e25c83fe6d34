"""Reverse mode through density matrices. Noise cannot be undone: states are kept, or computed again.

The state is the vector of expectation values of all Pauli words (`qproj.planning.transfer`), so every gate
and channel is a real matrix, and a walk back is one with their transposes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.differentiation.chain import Gradients, add
from qproj.planning.blocks import Blocks, Segment
from qproj.planning.noisy import carries_outputs
from qproj.planning.transfer import Outcomes, Words, density_plan
from qproj.simulation import blocks as walks
from qproj.simulation import statevector as sv
from qproj.simulation.angles import angle_values, rows

# Adds to gradients what the slopes of matrices or of a state contribute.
Chained = Callable[[Gradients, Any], Gradients]

# What an expectation value is in |0>: of I, X, Y, Z.
_ZERO = np.array([1.0, 0.0, 0.0, 1.0])


class Walked:
    """Forward and backward of a circuit in blocks; what the states are, subclasses say.

    Args:
        circuit: The circuit.
        keeps_states: Whether backward is given the states of forward; it computes them again otherwise.
    """

    in_place = False

    def __init__(self, circuit: Circuit, blocks: Blocks, *, keeps_states: bool) -> None:
        self._circuit, self._blocks, self.keeps_states = circuit, blocks, keeps_states

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Any]:
        """See `qproj.differentiation.adjoint.Adjoint.forward`."""
        x, w = inputs.T, weights.reshape(-1)
        state, kept = self._walk(self._start(x, w)[0], x, w, keep=self.keeps_states)
        return self._measure(state).T, (state, *kept) if self.keeps_states else ()

    def backward(
        self, residuals: Any, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """See `qproj.differentiation.adjoint.Adjoint.backward`."""
        x, w = inputs.T, weights.reshape(-1)
        if not self.keeps_states:
            state, again = self._walk(self._start(x, w)[0], x, w, keep=True)
            residuals = (state, *again)
        state, *kept = residuals
        bra = self._bra(state, cotangents.T)
        gradients = (jnp.zeros_like(x), jnp.zeros_like(w))
        for segment, states in reversed(list(zip(self._blocks.segments, kept, strict=True))):
            matrices, chained = self._chained(segment, x, w)
            bra, slopes = walks.walk_back(segment, bra, matrices, states=states)
            gradients = chained(gradients, slopes)
        _, chained = self._start(x, w)
        grad_x, grad_w = chained(gradients, bra)
        return grad_x.T, grad_w.reshape(weights.shape)

    def _walk(self, state: Array, x: Array, w: Array, *, keep: bool) -> tuple[Array, list[Any]]:
        kept = []
        for segment in self._blocks.segments:
            matrices = walks.matrices(segment, *self._angles(segment, x, w))
            state, states = walks.walk(segment, state, matrices, keep=keep)
            kept.append(states)
        return state, kept

    def _angles(self, segment: Segment, x: Array, w: Array) -> tuple[list[Array], Array]:
        """The angles of a segment's tables, and the drawn branches."""
        return [angle_values(table.angles, x, w) for table in segment.tables], x[self._circuit.n_features :]

    def _chained(self, segment: Segment, x: Array, w: Array) -> tuple[Array, Chained]:
        """The matrices of a segment, and the chain rule from them to inputs and weights."""
        angles, drawn = self._angles(segment, x, w)
        matrices, pull_back = jax.vjp(lambda angles: walks.matrices(segment, angles, drawn), angles)

        def chained(gradients: Gradients, slopes: Array) -> Gradients:
            (by_angle,) = pull_back(slopes)
            for table, slope in zip(segment.tables, by_angle, strict=True):
                gradients = add(gradients, table.angles, slope)
            return gradients

        return matrices, chained

    def _start(self, x: Array, w: Array) -> tuple[Array, Chained]:
        """The first state, and the chain rule from it to inputs and weights."""
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
        values = _read(outputs, *self._halves(x, w)[0])
        return values.T, (outputs, *kept) if self.keeps_states else ()

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
        halves, chained = self._halves(x, w)
        # For the outputs: of each, the sum of what enters it.
        state, *bras = jax.vjp(_read, outputs, *halves)[1](cotangents.T)
        gradients = chained((jnp.zeros_like(x), jnp.zeros_like(w)), bras)
        for segment, bras in zip(self._blocks.segments, kept, strict=True):
            matrices, chained = self._chained(segment, x, w)
            state, slopes = walks.walk(segment, state, matrices, bras=bras)
            gradients = chained(gradients, slopes)
        return gradients[0].T, gradients[1].reshape(weights.shape)

    def _carried(self, x: Array, w: Array) -> tuple[Array, list[Any]]:
        """Outputs as linear functions of the first state, `(4**n_qubits, n_outputs)`, and of later ones."""
        bra = self._bra(None, jnp.eye(self._circuit.n_outputs, dtype=w.dtype))
        kept = []
        for segment in reversed(self._blocks.segments):
            matrices = walks.matrices(segment, *self._angles(segment, x, w))
            bra, bras = walks.walk_back(segment, bra, matrices, keep=True)
            kept.append(bras)
        return bra, kept[::-1]

    def _start(self, x: Array, w: Array) -> tuple[Array, Chained]:
        halves, chained = self._halves(x, w)
        state, pull_back = jax.vjp(_joined, *halves)
        return state, lambda gradients, bra: chained(gradients, pull_back(bra))

    def _halves(self, x: Array, w: Array) -> tuple[tuple[Array, Array], Chained]:
        """The first state as a product of states of its leading wires and of the rest, and the chain rule.

        Both are `(4**k, batch)`; amplitudes are all in the second.
        """
        table, n = self._plan.start, self._circuit.n_qubits
        if table is None:
            states, pull_back = jax.vjp(lambda x: (jnp.ones_like(x[:1]), _of_amplitudes(x, n)), x)
            return states, lambda gradients, bras: (gradients[0] + pull_back(bras)[0], gradients[1])

        def products(angles: Array) -> tuple[Array, Array]:
            zero = jnp.asarray(_ZERO, w.dtype)
            vectors = walks.vectors(walks.factors(table, angles, x[:0]), zero, x.shape[1])
            one = jnp.ones_like(vectors[0, :1])
            return sv.product_state(vectors[: n // 2]) if n > 1 else one, sv.product_state(vectors[n // 2 :])

        states, pull_back = jax.vjp(products, angle_values(table.angles, x, w))
        return states, lambda gradients, bras: add(gradients, table.angles, *pull_back(tuple(bras)))

    def _measure(self, state: Array) -> Array:
        return jnp.concatenate([_measured(part, state) for part in self._plan.measured])

    def _bra(self, state: Array | None, cotangents: Array) -> Array:  # noqa: ARG002 (linear in the state)
        ends = np.cumsum([part.n_outputs for part in self._plan.measured])[:-1]
        parts = zip(self._plan.measured, jnp.split(cotangents, ends), strict=True)
        bras = (_bra_of(part, of, 4**self._circuit.n_qubits) for part, of in parts)
        return sum(bras, jnp.zeros((), cotangents.dtype))


def _joined(left: Array, right: Array) -> Array:
    """The product of states of some wires, `(4**k, batch)`, and of those behind them."""
    return (left[:, None] * right).reshape(-1, left.shape[1])


def _read(outputs: Array, left: Array, right: Array) -> Array:
    """What `outputs` `(4**n_qubits, n_outputs)` are of `_joined(left, right)`, which is not computed."""
    of_left = sv.matmul(outputs.reshape(len(left), -1).T, left).reshape(len(right), -1, left.shape[1])
    return (of_left * right[:, None]).sum(axis=0)


def _measured(part: Words | Outcomes, state: Array) -> Array:
    """Outputs `(n_outputs, batch)`, linear in the state."""
    components = rows(state, part.words)
    if isinstance(part, Words):
        return sv.matmul(jnp.asarray(part.mixing, state.dtype), components)
    scale = jnp.asarray(part.scale, state.dtype)[:, None]
    found = sv.by_digit(scale * components, part.reading)
    return found if part.outcome is None else found[part.outcome, None]


def _bra_of(part: Words | Outcomes, cotangents: Array, size: int) -> Array:
    """The transpose of `_measured`: `(size, batch)`."""
    if isinstance(part, Words):
        components = sv.matmul(jnp.asarray(part.mixing.T, cotangents.dtype), cotangents)
    else:
        if part.outcome is not None:
            one = np.arange(2 ** len(part.reading)) == part.outcome
            cotangents = jnp.where(one[:, None], cotangents, 0)
        scale = jnp.asarray(part.scale, cotangents.dtype)[:, None]
        components = scale * sv.by_digit(cotangents, [matrix.T for matrix in part.reading])
    # A gather, since XLA's scatter goes one number after another.
    place = np.full(size, len(components), np.int32)
    place[part.words] = np.arange(len(components))
    return rows(jnp.pad(components, ((0, 1), (0, 0))), place)


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
