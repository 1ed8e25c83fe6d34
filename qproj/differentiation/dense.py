"""Adjoint differentiation with one matrix for all layers: for few qubits, where the batch outweighs it.

Everything after the preparation that the batch shares is one matrix, built once a call, whatever the number
of layers. On the way back the batch meets it once as well: with `K = bra psi^T`, one small matrix for all
samples, the overlaps at layer `l` are those of `A_l^T K A_l`, where `A_l` is what follows that layer.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.differentiation.adjoint import Adjoint, Residuals
from qproj.differentiation.chain import Gradients, chain
from qproj.planning.fusion import Layer
from qproj.simulation import statevector as sv
from qproj.simulation.given import Given
from qproj.simulation.segments import (
    Prepared,
    Segment,
    Slopes,
    complex_overlaps,
    reduced_to_wires,
    stacked,
)


class Dense(Adjoint):
    """Forward and backward of a circuit whose inputs enter at its start only; see `Adjoint`.

    Args:
        circuit: The circuit.
    """

    in_place = False

    def __init__(self, circuit: Circuit) -> None:
        super().__init__(circuit, block=circuit.n_qubits)

    def evaluate(self, given: Given) -> tuple[Array, Residuals]:
        """See `Adjoint.evaluate`."""
        state = self._prepare(given)
        whole, _ = self._matrices(given)
        if whole is not None:
            state = sv.matmul(whole, state.reshape(len(whole), -1)).reshape(state.shape)
        return self._measurement.expectations(state).T, (state,)

    def differentiate(
        self, residuals: Residuals, given: Given, cotangents: Array
    ) -> tuple[Gradients, Residuals]:
        """See `Adjoint.differentiate`."""
        gradients = (jnp.zeros_like(given.inputs), jnp.zeros_like(given.weights))
        (psi,) = residuals
        bra = self._measurement.bra(psi, cotangents)
        whole, after = self._matrices(given)
        if whole is not None:
            rows = len(whole)
            overlap = sv.matmul(bra.reshape(rows, -1), psi.reshape(rows, -1).T)
            for segment, matrices in zip(self._segments, after, strict=True):
                here = sv.matmul(matrices.swapaxes(-1, -2), sv.matmul(overlap, matrices))
                gradients = chain(gradients, segment, _slopes(segment, here), given)
            bra = sv.matmul(whole.T, bra.reshape(rows, -1)).reshape(bra.shape)
        return self._finish(gradients, bra, given), residuals

    def _matrices(self, given: Given) -> tuple[Array | None, list[Array]]:
        """Everything after the preparation as one real matrix, and what follows each layer's one-qubit gates.

        Returns:
            `(2 * 2**n, 2 * 2**n)`, or nothing where nothing follows the preparation; and for each segment
            `(n_layers, 2 * 2**n, 2 * 2**n)`.
        """
        return given.once("matrices", self, lambda: self._multiplied(given))

    def _multiplied(self, given: Given) -> tuple[Array | None, list[Array]]:
        if not self._segments:
            return None, []
        whole = jnp.eye(2 * self._n_states, dtype=given.weights.dtype)
        after: list[Array] = []
        for segment in reversed(self._segments):
            whole, matrices = _products(segment, given, whole)
            after.insert(0, matrices)
        return whole, after


def _products(segment: Segment, given: Given, whole: Array) -> tuple[Array, Array]:
    """Multiply a matrix by the layers of a segment, the last one first.

    Args:
        segment: The segment.
        given: Inputs and weights.
        whole: The matrix of all that follows the segment.

    Returns:
        The product, and what follows each layer's one-qubit gates.
    """

    def step(whole: Array, at: tuple[Layer, Prepared]) -> tuple[Array, Array]:
        layer, now = at
        columns = whole.reshape(len(whole), 2, -1)
        if layer.inverse is not None:
            columns = sv.permute(columns.swapaxes(0, 1).swapaxes(1, 2), layer.inverse)
            columns = columns.swapaxes(1, 2).swapaxes(0, 1)
        if layer.diagonal is not None:
            assert now.angles is not None
            cos, sin = sv.phases(layer.diagonal, now.angles, columns.shape[2])
            re, im = columns[:, 0], columns[:, 1]
            columns = jnp.stack([cos * re + sin * im, cos * im - sin * re], axis=1)
        after = columns.reshape(whole.shape)
        for matrix in now.blocks:
            whole = sv.matmul(after, matrix)
        return (whole if now.blocks else after), after

    whole, after = segment.fold(step, whole, given)
    return whole, stacked(after)


def _slopes(segment: Segment, overlaps: Array) -> Slopes:
    """Gradients of a segment from the overlaps after each layer's one-qubit gates."""
    diagonal, reduced, angles = segment.layers.diagonal, None, None
    if segment.layers.local is not None:
        reduced = reduced_to_wires(overlaps)
    if diagonal is not None:
        on_diagonal = jnp.diagonal(complex_overlaps(overlaps), axis1=-2, axis2=-1).imag
        # Each layer has words of its own.
        angles = jax.vmap(
            lambda masks, values: sv.matmul(sv.signs(masks, len(values), values.dtype), values)
        )(jnp.asarray(diagonal.masks), on_diagonal)
    return Slopes(reduced, angles)
