"""The product state that circuits begin with, one-qubit gates on |0...0>, and its gradients. JAX only."""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from qproj.differentiation.chain import Gradients, add, by_angle
from qproj.planning.fusion import Local
from qproj.simulation import statevector as sv
from qproj.simulation.given import Given


class Preparation:
    """The first one-qubit gates of a circuit.

    What follows the last that depends on the inputs is one matrix a wire, which all samples share.

    Args:
        local: The gates, or nothing.
        n_qubits: Number of wires.
    """

    def __init__(self, local: Local | None, n_qubits: int) -> None:
        self._entered, self._shared = (None, None) if local is None else local.entered()
        self._n_qubits = n_qubits

    def vectors(self, given: Given) -> tuple[Array, Array]:
        """The state of each wire after the gates of the inputs, and after all gates.

        Args:
            given: Inputs and weights.

        Returns:
            Twice `(n_qubits, 2, batch)`, complex.
        """
        return given.once("vectors", self, lambda: self._vectors(given))

    def _vectors(self, given: Given) -> tuple[Array, Array]:
        if self._entered is None:
            zero = jnp.asarray([1, 0], jnp.result_type(given.weights.dtype, jnp.complex64))
            entered = jnp.broadcast_to(zero[:, None], (self._n_qubits, 2, given.inputs.shape[1]))
        else:
            entered = sv.fused(self._entered, given, 0)[:, :, 0]
        if self._shared is None:
            return entered, entered
        return entered, _turned(sv.fused(self._shared, given, 0), entered)

    def gradients(self, gradients: Gradients, bra: Array, given: Given) -> Gradients:
        """Add to gradients what the gates contribute, from the bra `(2, 2**n_qubits, batch)` after them."""
        entered, vectors = self.vectors(given)
        environments = _environments(sv.as_complex(bra), vectors)
        if self._shared is not None:
            gates = sv.gate_matrices(self._shared, given)
            reduced = (environments.conj()[:, :, None] * vectors[:, None]).sum(axis=-1)
            slopes = by_angle(self._shared, gates, reduced, 0)
            gradients = add(gradients, self._shared.angles, slopes)
            environments = _turned(sv.fused(self._shared, given, 0).swapaxes(1, 2).conj(), environments)
        if self._entered is not None:
            reduced = environments.conj()[:, :, None] * entered[:, None]
            slopes = by_angle(self._entered, sv.gate_matrices(self._entered, given), reduced, 0)
            gradients = add(gradients, self._entered.angles, slopes)
        return gradients


def _turned(matrices: Array, vectors: Array) -> Array:
    """Apply `(n_qubits, 2, 2)` to `(n_qubits, 2, batch)`."""
    return (matrices[..., None] * vectors[:, None]).sum(axis=2)


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
