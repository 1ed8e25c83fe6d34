"""Adjoint differentiation: one walk back through the circuit, whatever the number of parameters.

Jones and Gacon, "Efficient calculation of gradients in classical simulations of variational quantum
algorithms" (2020), arXiv:2009.02823. With `bra = sum_j cotangent_j P_j psi` the walk gives the whole
vector-Jacobian product at once. A rotation `exp(-i t P / 2)` contributes `Im <bra| P |psi>`, with both taken
right after it. Both enter only through the 2 x 2 matrix `R[a, b] = sum conj(bra[a, ...]) psi[b, ...]` of the
gate's wire, so a whole layer of gates needs one `R` for each wire, taken where the layer ends.

The residual is the final state alone: memory does not grow with the number of layers.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qproj.circuits.circuit import Circuit
from qproj.simulation import statevector as sv
from qproj.simulation.fusion import Angles, Floats, Ints, Local, empty_local, layers
from qproj.simulation.measurement import Measurement
from qproj.simulation.runs import Run, Slopes, runs

Residuals = tuple[Any, ...]


class Adjoint:
    """Forward and backward of a circuit, block by block, to be compiled by the engine.

    Args:
        circuit: The circuit.
        block: Largest number of wires in a block.
    """

    keeps_states = False

    def __init__(self, circuit: Circuit, block: int) -> None:
        first, *others = layers(circuit)
        # The first one-qubit gates act on |0...0>, so they prepare a product state, even when there are none.
        self._start = None if circuit.amplitudes else first.local or empty_local(circuit.n_qubits)
        walked = [first if circuit.amplitudes else replace(first, local=None), *others]
        undone = None
        last = walked[-1]
        if Measurement.absorbs(circuit, last.forth):
            undone = last.back
            walked[-1] = replace(last, diagonal=None, forth=None, back=None)
        walked = [layer for layer in walked if layer.local or layer.diagonal or layer.forth]
        self._n_states = 2**circuit.n_qubits
        self._runs = runs(walked, circuit.n_qubits, block)
        self._measurement = Measurement(circuit, undone)

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """Run the circuit.

        Args:
            inputs: `(batch, n_features)`, radians or amplitudes, float32 or float64.
            weights: `weight_shape`, radians, same dtype.

        Returns:
            Expectation values `(batch, n_outputs)` and the residuals that `backward` takes.
        """
        x, w = inputs.T, weights.reshape(-1)
        start = state = lax.optimization_barrier(self._prepare(x, w))  # type: ignore[no-untyped-call]
        kept = []
        prepare = partial(Run.prepare, inputs=x, weights=w)
        for run in self._runs:
            state, states = run.forward(state, prepare, keep=self.keeps_states)
            kept.append(states)
        residuals = (state, *kept) if self.keeps_states else (state,)
        # Zero, but a second use of the product state: with one, XLA would compute it inside the gather that
        # follows, amplitude by amplitude, several times as slowly. Only this and the barrier above together
        # keep it from that.
        nothing = 0 * start[0, 0, :, None]
        return self._measurement.expectations(state).T + nothing, residuals

    def backward(
        self, residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """Vector-Jacobian product.

        Args:
            residuals: What `forward` returned.
            inputs: As given to `forward`.
            weights: As given to `forward`.
            cotangents: `(batch, n_outputs)`.

        Returns:
            Gradients for the inputs, `(batch, n_features)`, and for the weights, `weight_shape`, the latter
            summed over the batch.
        """
        x, w = inputs.T, weights.reshape(-1)
        gradients = (jnp.zeros_like(x), jnp.zeros_like(w))
        final, *kept = residuals
        bra = self._measurement.bra(final, cotangents.T)
        psi = None if self.keeps_states else final
        undo = partial(Run.prepare, inputs=x, weights=w, inverse=True)
        for i, run in reversed(list(enumerate(self._runs))):
            psi, bra, slopes = run.backward(psi, bra, undo, kept[i] if kept else None)
            gradients = chain(gradients, run, slopes, x, w)
        grad_x, grad_w = self._finish(gradients, bra, x, w)
        return grad_x.T, grad_w.reshape(weights.shape)

    def _prepare(self, x: Array, w: Array) -> Array:
        """The state that the first one-qubit gates, or the inputs themselves, prepare."""
        if self._start is None:
            return jnp.stack([x, jnp.zeros_like(x)])
        return sv.as_pair(sv.product_state(self._vectors(sv.gate_matrices(self._start, x, w), x)))

    def _vectors(self, gates: Array, x: Array) -> Array:
        """What the first gates make of |0> on each wire, `(n_qubits, 2, batch)`."""
        vectors = sv.fuse(gates, 0)[:, :, 0]
        return (
            vectors if gates.ndim == 5 else jnp.broadcast_to(vectors[..., None], (*vectors.shape, x.shape[1]))
        )

    def _finish(self, gradients: tuple[Array, Array], bra: Array, x: Array, w: Array) -> tuple[Array, Array]:
        """Add what the preparation contributes, from the bra right after it."""
        if self._start is None:
            return gradients[0] + 2 * bra[0], gradients[1]
        gates = sv.gate_matrices(self._start, x, w)
        vectors = self._vectors(gates, x)
        reduced = _environments(sv.as_complex(bra), vectors).conj()[:, :, None] * vectors[:, None]
        if not self._start.angles.per_sample:
            reduced = reduced.sum(axis=-1)
        return _add(gradients, self._start.angles, _by_angle(self._start, gates, reduced, 0))


def chain(
    gradients: tuple[Array, Array], run: Run, slopes: Slopes, x: Array, w: Array
) -> tuple[Array, Array]:
    """Add the gradients of a run, by the chain rule, to those for inputs and weights."""
    local, diagonal = run.layers.local, run.layers.diagonal
    if local is not None and local.angles.has_weights:
        assert slopes.reduced is not None
        gates = sv.gate_matrices(local, x, w)
        gradients = _add(gradients, local.angles, _by_angle(local, gates, slopes.reduced, 1))
    if diagonal is not None:
        assert slopes.angles is not None
        gradients = _add(gradients, diagonal.angles, slopes.angles)
    return gradients


def _environments(bra: Array, vectors: Array) -> Array:
    """Contract the bra with a product state on all wires but one, for each wire.

    Halving the wires each time costs about two passes over the bra instead of one for each wire.

    Args:
        bra: Complex `(2**n, batch)`.
        vectors: The product state, `(n, 2, batch)`.

    Returns:
        `(n, 2, batch)`: entry `(w, a)` is `sum_rest bra[a at wire w, rest] * conj(product state without w)`.
    """
    n = len(vectors)
    if n == 1:
        return bra[None]
    left, right = vectors[: n // 2], vectors[n // 2 :]
    bra = bra.reshape(2 ** len(left), 2 ** len(right), -1)
    on_left = (bra * sv.product_state(right).conj()[None]).sum(axis=1)
    on_right = (bra * sv.product_state(left).conj()[:, None]).sum(axis=0)
    return jnp.concatenate([_environments(on_left, left), _environments(on_right, right)])


def _by_angle(local: Local, gates: Array, reduced: Array, depth_axis: int) -> Array:
    """Gradients for the angles of one-qubit gates.

    A gate's generator sits behind the gates that follow it on its wire, so it is carried to the layer's end
    first: `A P A^dagger` with `A` the product of those gates.

    Args:
        local: The gates; tables `(..., depth, n_qubits)`.
        gates: Their matrices, `(..., depth, n_qubits, 2, 2, *batch)`.
        reduced: `R` of each wire, `(..., n_qubits, 2, 2, *batch)`.
        depth_axis: Place of `depth`.

    Returns:
        `(..., depth, n_qubits, *batch)`.
    """
    at = depth_axis + 1  # where the matrices begin once depth is gone
    slopes = []
    # `carried` is R seen from behind the gate in question: trace(A P A^+ R^T) = trace(P carried^T).
    carried = reduced
    for k in reversed(range(gates.shape[depth_axis])):
        gate = jnp.take(gates, k, depth_axis)
        generator = jnp.asarray(np.take(local.generator, k, depth_axis), gates.dtype)
        generator = generator.reshape(*generator.shape, *(1,) * (carried.ndim - generator.ndim))
        slopes.append((generator * carried).sum(axis=(at, at + 1)).imag)
        if k:
            carried = sv.multiply(sv.multiply(gate.swapaxes(at, at + 1), carried, at), gate.conj(), at)
    return jnp.stack(slopes[::-1], depth_axis)


def _add(gradients: tuple[Array, Array], angles: Angles, slopes: Array) -> tuple[Array, Array]:
    """Chain rule from angles to inputs, `(n_features, batch)`, and weights, `(n_weights,)`."""
    grad_x, grad_w = gradients
    if angles.has_weights:
        summed = slopes.sum(axis=-1) if angles.per_sample else slopes
        grad_w = grad_w + _gathered(summed.reshape(-1), angles.weight_index, angles.weight_scale, len(grad_w))
    if angles.per_sample:
        rows = slopes.reshape(-1, slopes.shape[-1])
        grad_x = grad_x + _gathered(rows, angles.input_index, angles.input_scale, len(grad_x))
    return grad_x, grad_w


def _gathered(slopes: Array, index: Ints, scale: Floats, n_slots: int) -> Array:
    """Sum slopes `(n_angles, ...)` into the slots that the angles are made of, `(n_slots, ...)`.

    A gather from the angles of each slot, since XLA's scatter goes one number after another.
    """
    used = scale.reshape(-1).nonzero()[0]
    slots = index.reshape(-1)[used]
    order = np.argsort(slots, kind="stable")
    counts = np.bincount(slots, minlength=n_slots)
    # Where the angles of slot i begin; slots with fewer than the most are filled up with a scale of zero.
    begins = np.cumsum(counts) - counts
    column = np.arange(counts.max(initial=0))
    there = column < counts[:, None]
    angle = used[order[np.where(there, begins[:, None] + column, 0)]]
    factors = np.where(there, scale.reshape(-1)[angle], 0.0).reshape(*angle.shape, *(1,) * (slopes.ndim - 1))
    summed: Array = (jnp.asarray(factors, slopes.dtype) * slopes[angle]).sum(axis=1)
    return summed
