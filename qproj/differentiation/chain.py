"""The chain rule from the angles of a segment to inputs and weights. JAX only."""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from jax import Array, lax

from qproj.planning.fusion import Angles, Floats, Ints, Local
from qproj.simulation import statevector as sv
from qproj.simulation.angles import rows
from qproj.simulation.given import Given
from qproj.simulation.segments import Segment, Slopes

# For inputs `(n_features, batch)`, and for weights `(n_weights,)`.
Gradients = tuple[Array, Array]


def chain(gradients: Gradients, segment: Segment, slopes: Slopes, given: Given) -> Gradients:
    """Add a segment's gradients to those for inputs and weights."""
    local, diagonal = segment.layers.local, segment.layers.diagonal
    if local is not None and local.angles.has_weights:
        assert slopes.reduced is not None
        gates = sv.gate_matrices(local, given)
        gradients = add(gradients, local.angles, by_angle(local, gates, slopes.reduced, 1))
    if diagonal is not None:
        assert slopes.angles is not None
        gradients = add(gradients, diagonal.angles, slopes.angles)
    return gradients


def by_angle(local: Local, gates: Array, reduced: Array, depth_axis: int) -> Array:
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
        gate = lax.index_in_dim(gates, k, depth_axis, keepdims=False)
        generator = jnp.asarray(np.take(local.generator, k, depth_axis), gates.dtype)
        generator = generator.reshape(*generator.shape, *(1,) * (carried.ndim - generator.ndim))
        slopes.append((generator * carried).sum(axis=(at, at + 1)).imag)
        if k:
            carried = sv.multiply(sv.multiply(gate.swapaxes(at, at + 1), carried, at), gate.conj(), at)
    return jnp.stack(slopes[::-1], depth_axis)


def add(gradients: Gradients, angles: Angles, slopes: Array) -> Gradients:
    """Chain rule from angles to inputs, `(n_features, batch)`, and weights, `(n_weights,)`."""
    grad_x, grad_w = gradients
    if angles.has_weights:
        summed = slopes.sum(axis=-1) if angles.per_sample else slopes
        grad_w = grad_w + _gathered(summed.reshape(-1), angles.weight_index, angles.weight_scale, len(grad_w))
    if angles.per_sample:
        each = slopes.reshape(-1, slopes.shape[-1])
        grad_x = grad_x + _gathered(each, angles.input_index, angles.input_scale, len(grad_x))
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
    summed: Array = (jnp.asarray(factors, slopes.dtype) * rows(slopes, angle)).sum(axis=1)
    return summed
