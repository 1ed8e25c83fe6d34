"""Adjoint differentiation: one backward sweep, whatever the number of parameters.

Jones and Gacon, "Efficient calculation of gradients in classical simulations of variational quantum
algorithms" (2020), arXiv:2009.02823. With `bra = sum_j cotangent_j P_j psi` the sweep gives the whole
vector-Jacobian product at once. A rotation `exp(-i t P / 2)` contributes `Im <bra| P |psi>`, with both taken
right after it. Both enter only through the 2 x 2 matrix `R[a, b] = sum conj(bra[a, ...]) psi[b, ...]` of the
gate's wire, so a whole layer of gates needs one `R` for each wire, taken where the layer ends.

The residual is the final state alone: memory does not grow with the number of layers.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jax import Array, lax

from qproj.circuits.circuit import Circuit
from qproj.differentiation.chain import Gradients, chain
from qproj.differentiation.preparation import Preparation
from qproj.planning.fusion import layers
from qproj.planning.schedule import schedule
from qproj.simulation import statevector as sv
from qproj.simulation.given import Given
from qproj.simulation.outcomes import readout
from qproj.simulation.segments import segments

Residuals = tuple[Any, ...]


class Adjoint:
    """Forward and backward of a circuit, block by block, to be compiled by the engine.

    Args:
        circuit: The circuit.
        block: Largest number of wires in a block.
    """

    keeps_states = False
    in_place = True  # whether `backward_in_place` saves the memory of a state

    def __init__(self, circuit: Circuit, block: int) -> None:
        plan = schedule(circuit, layers(circuit), block)
        self._start = None if circuit.amplitudes else Preparation(plan.start, circuit.n_qubits)
        self._n_states = 2**circuit.n_qubits
        self._segments = segments(plan.layers, plan.split)
        self._measurement = readout(circuit, plan.absorbed)

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """Run the circuit.

        Args:
            inputs: `(batch, n_features)`, radians or amplitudes, float32 or float64.
            weights: `weight_shape`, radians, same dtype.

        Returns:
            Values `(batch, n_values)` of what is measured, and the residuals that `backward` takes.
        """
        return self.evaluate(Given(inputs.T, weights.reshape(-1)))

    def evaluate(self, given: Given) -> tuple[Array, Residuals]:
        """`forward`, of what may be used again by `differentiate` in the same program."""
        start = state = lax.optimization_barrier(self._prepare(given))  # type: ignore[no-untyped-call]
        kept = []
        for segment in self._segments:
            state, states = segment.forward(state, given, keep=self.keeps_states)
            kept.append(states)
        if self.keeps_states:
            # The state after the last block is not kept a second time.
            last = kept[-1][-1] if kept and isinstance(kept[-1], list) else None
            same = last is not None and last.after_blocks and last.after_blocks[-1] is state
            residuals: Residuals = (None if same else state, *kept)
        else:
            residuals = (state,)
        # Zero, but a second use of the product state: with one, XLA would compute it inside the gather that
        # follows, amplitude by amplitude, several times as slowly. Only this and the barrier above together
        # keep it from that.
        nothing = 0 * start[0, 0, :, None]
        return self._measurement.expectations(state).T + nothing, residuals

    def residual_shapes(self, inputs: Any) -> Residuals:
        """Shapes and dtypes of the residuals of `forward` where no states are kept: the final state's."""
        shape = 2, self._n_states, len(inputs)
        return (jax.ShapeDtypeStruct(shape, inputs.dtype),)  # type: ignore[no-untyped-call]

    def backward(
        self, residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """Vector-Jacobian product.

        Args:
            residuals: What `forward` returned.
            inputs: As given to `forward`.
            weights: As given to `forward`.
            cotangents: `(batch, n_values)`.

        Returns:
            Gradients for the inputs, `(batch, n_features)`, and for the weights, `weight_shape`, the latter
            summed over the batch.
        """
        return self.backward_in_place(residuals, inputs, weights, cotangents)[0]

    def backward_in_place(
        self, residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[tuple[Array, Array], Residuals]:
        """`backward`, for residuals that are given away: their buffers come back for reuse.

        Args:
            residuals: As for `backward`.
            inputs: As for `backward`.
            weights: As for `backward`.
            cotangents: As for `backward`.

        Returns:
            Both gradients, and arrays shaped like the residuals, for the buffer pool.
        """
        given = Given(inputs.T, weights.reshape(-1))
        (grad_x, grad_w), residuals = self.differentiate(residuals, given, cotangents.T)
        return (grad_x.T, grad_w.reshape(weights.shape)), residuals

    def differentiate(
        self, residuals: Residuals, given: Given, cotangents: Array
    ) -> tuple[Gradients, Residuals]:
        """`backward_in_place`, of what `evaluate` may have used, with samples last: `(n_values, batch)`."""
        gradients = (jnp.zeros_like(given.inputs), jnp.zeros_like(given.weights))
        final, *kept = residuals
        final = kept[-1][-1].after_blocks[-1] if final is None else final
        bra = self._measurement.bra(final, cotangents)
        psi = None if self.keeps_states else final
        for i, segment in reversed(list(enumerate(self._segments))):
            psi, bra, slopes = segment.backward(psi, bra, given, kept[i] if kept else None)
            gradients = chain(gradients, segment, slopes, given)
        return self._finish(gradients, bra, given), residuals if psi is None else (psi,)

    def _prepare(self, given: Given) -> Array:
        """The state that the first one-qubit gates, or the inputs themselves, prepare."""
        if self._start is None:
            return jnp.stack([given.inputs, jnp.zeros_like(given.inputs)])
        return sv.product_pair(self._start.vectors(given)[-1])

    def _finish(self, gradients: Gradients, bra: Array, given: Given) -> Gradients:
        """Add what the preparation contributes, from the bra right after it."""
        if self._start is None:
            return gradients[0] + 2 * bra[0], gradients[1]
        return self._start.gradients(gradients, bra, given)
