"""Adjoint differentiation: one walk back through the circuit, whatever the number of parameters.

Jones and Gacon, "Efficient calculation of gradients in classical simulations of variational quantum
algorithms" (2020), arXiv:2009.02823. With `bra = sum_j cotangent_j P_j psi` the walk gives the whole
vector-Jacobian product at once. A rotation `exp(-i t P / 2)` contributes `Im <bra| P |psi>`, with both taken
right after it. Both enter only through the 2 x 2 matrix `R[a, b] = sum conj(bra[a, ...]) psi[b, ...]` of the
gate's wire, so a whole layer of gates needs one `R` for each wire, taken where the layer ends.

The residual is the final state alone: memory does not grow with the number of layers.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array, lax

from qproj.circuits.circuit import Circuit
from qproj.simulation import statevector as sv
from qproj.simulation.fusion import GateTable, blocks, gate_table, plan

Residuals = tuple[Array, ...]


class Adjoint:
    """Forward and backward of a circuit, to be compiled by the engine.

    Args:
        circuit: The circuit.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._layers = plan(circuit.n_qubits, circuit.gates)
        self._measurement = sv.Measurement(circuit.n_qubits, circuit.words)
        # The first layer acts on |0...0>, so it prepares a product state, even when it is empty.
        self._first = self._layers[0].table or gate_table([[]] * circuit.n_qubits)

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """Run the circuit.

        Args:
            inputs: `(batch, n_inputs)`, radians, float32 or float64.
            weights: `weight_shape`, radians, same dtype.

        Returns:
            Expectation values `(batch, n_outputs)` and the residuals that `backward` takes.
        """
        x, w = inputs.T, weights.reshape(-1)
        vectors = self._prepare(sv.fuse(sv.gate_matrices(self._first, x, w)), x)
        state = sv.as_pair(sv.product_state(vectors))
        for position, layer in enumerate(self._layers):
            if position and layer.table is not None:
                unitaries = sv.fuse(sv.gate_matrices(layer.table, x, w))
                apply = sv.apply_per_sample if layer.table.per_sample else sv.apply_shared
                state = apply(state, unitaries)
            if layer.source is not None:
                state = sv.permute(state, layer.source)
        return self._measurement.expectations(state).T, (state,)

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
            Gradients for the inputs, `(batch, n_inputs)`, and for the weights, `weight_shape`, the latter
            summed over the batch.
        """
        x, w = inputs.T, weights.reshape(-1)
        gradients = (jnp.zeros_like(x), jnp.zeros_like(w))
        (psi,) = residuals
        bra = self._measurement.bra(psi, cotangents.T)
        for position in reversed(range(len(self._layers))):
            layer = self._layers[position]
            if layer.inverse_source is not None:
                psi, bra = (sv.permute(state, layer.inverse_source) for state in (psi, bra))
            if layer.table is None or position == 0:
                continue
            gates = sv.gate_matrices(layer.table, x, w)
            inverse = sv.adjoint(sv.fuse(gates))
            if layer.table.per_sample:
                reduced = _reduced_per_sample(psi, bra, len(inverse))
                apply = sv.apply_per_sample
            else:
                reduced = _reduced_shared(psi, bra, len(inverse))
                apply = sv.apply_shared
            gradients = _accumulate(gradients, layer.table, gates, reduced)
            psi, bra = apply(psi, inverse), apply(bra, inverse)
        gates = sv.gate_matrices(self._first, x, w)
        vectors = self._prepare(sv.fuse(gates), x)
        reduced = _environments(sv.as_complex(bra), vectors).conj()[:, :, None] * vectors[:, None]
        if not self._first.per_sample:
            reduced = reduced.sum(axis=-1)
        grad_inputs, grad_weights = _accumulate(gradients, self._first, gates, reduced)
        return grad_inputs.T, grad_weights.reshape(weights.shape)

    def _prepare(self, unitaries: Array, x: Array) -> Array:
        """What the first layer makes of |0> on each wire, `(n_qubits, 2, batch)`."""
        vectors = unitaries[:, :, 0]
        if not self._first.per_sample:
            vectors = jnp.broadcast_to(vectors[..., None], (*vectors.shape, x.shape[-1]))
        return vectors


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


def _reduced_shared(psi: Array, bra: Array, n_qubits: int) -> Array:
    """`R` of each wire, summed over the batch: complex `(n_qubits, 2, 2)`."""
    reduced = []
    for k in blocks(n_qubits):
        rows = 2 * 2**k
        gram = jnp.matmul(
            bra.reshape(rows, -1), psi.reshape(rows, -1).T, precision=lax.Precision.HIGHEST
        ).reshape(2, 2**k, 2, 2**k)
        block = lax.complex(gram[0, :, 0] + gram[1, :, 1], gram[0, :, 1] - gram[1, :, 0])
        for wire in range(k):
            shape = (2**wire, 2, 2 ** (k - 1 - wire))
            reduced.append(jnp.einsum("iajibj->ab", block.reshape(*shape, *shape)))
        if k < n_qubits:
            psi, bra = sv.rotate(psi, k), sv.rotate(bra, k)
    return jnp.stack(reduced)


def _reduced_per_sample(psi: Array, bra: Array, n_qubits: int) -> Array:
    """`R` of each wire and sample: complex `(n_qubits, 2, 2, batch)`."""
    ket, conjugate = sv.as_complex(psi), sv.as_complex(bra).conj()
    return jnp.stack(
        [
            jnp.stack(
                [
                    jnp.stack([(a * b).sum(axis=(0, 1)) for b in sv.split(ket, wire)])
                    for a in sv.split(conjugate, wire)
                ]
            )
            for wire in range(n_qubits)
        ]
    )


def _accumulate(
    gradients: tuple[Array, Array], table: GateTable, gates: Array, reduced: Array
) -> tuple[Array, Array]:
    """Add the gradients of one layer.

    A gate's generator sits behind the gates that follow it on its wire, so it is carried to the layer's end
    first: `A P A^dagger` with `A` the product of those gates.

    Args:
        gradients: For the inputs, `(n_inputs, batch)`, and for the weights, `(n_weights,)`.
        table: The layer.
        gates: Its matrices, `(depth, n_qubits, 2, 2, *batch)`.
        reduced: `R` of each wire, `(n_qubits, 2, 2, *batch)`.

    Returns:
        The sums.
    """
    by_angle = []
    # `carried` is R seen from behind the gate in question: trace(A P A^+ R^T) = trace(P carried^T).
    carried = reduced
    for k in reversed(range(len(gates))):
        generator = jnp.asarray(table.generator[k], gates.dtype)
        generator = generator.reshape(*generator.shape, *(1,) * (gates.ndim - 4))
        by_angle.append((generator * carried).sum(axis=(1, 2)).imag)
        carried = sv.multiply(sv.multiply(gates[k].swapaxes(1, 2), carried), gates[k].conj())
    angle = jnp.stack(by_angle[::-1])

    grad_inputs, grad_weights = gradients
    at = table.weight_scale.nonzero()
    if len(at[0]):
        scale = jnp.asarray(table.weight_scale[at], angle.dtype)
        summed = angle.sum(axis=-1) if table.per_sample else angle
        grad_weights = grad_weights.at[table.weight_index[at]].add(scale * summed[at])
    at = table.input_scale.nonzero()
    if len(at[0]):
        scale = jnp.asarray(table.input_scale[at], angle.dtype)[:, None]
        grad_inputs = grad_inputs.at[table.input_index[at]].add(scale * angle[at])
    return grad_inputs, grad_weights
