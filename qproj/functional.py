"""For users of JAX: a circuit as a pure function of arrays, without torch.

    import jax
    from qproj import Circuit
    from qproj.functional import expectation

    circuit = Circuit(n_qubits=4, n_layers=3)
    loss = lambda weights, inputs: expectation(circuit, inputs, weights).sum()
    gradient = jax.jit(jax.grad(loss))

`jit`, `grad` and `vmap` compose. First derivatives are the engine's own, by `jax.custom_vjp`; derivatives of
those are JAX's. Forward mode works on gradients, as in `jax.hessian`, but not on the function itself.
"""

from __future__ import annotations

import math
from dataclasses import astuple

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.circuits.circuit import Circuit
from qproj.circuits.features import features
from qproj.circuits.parameters import InputSlot
from qproj.execution import programs
from qproj.execution.forks import check_not_forked
from qproj.kernels.angles import products
from qproj.planning.cost import DiffMethod, Strategy, check_memory
from qproj.planning.noisy import DENSITY_QUBITS


def expectation(
    circuit: Circuit,
    inputs: ArrayLike,
    weights: ArrayLike,
    *,
    strategy: Strategy = "auto",
    diff_method: DiffMethod = "best",
) -> Array:
    """Run a circuit.

    Args:
        circuit: The circuit.
        inputs: `(..., n_inputs)`, radians; with encoding `"amplitude"` up to `n_inputs` amplitudes, which are
            normalised (all zero gives NaN). float32, or float64 if JAX has it enabled.
        weights: `circuit.weight_shape`, radians.
        strategy: As for `qproj.QuantumLayer`.
        diff_method: As for `qproj.QuantumLayer`.

    Returns:
        Expectation values `(..., n_outputs)`, in the dtype of inputs and weights together.

    Raises:
        ValueError: If shapes do not fit the circuit, or a name is unknown.
        RuntimeError: If this process was forked after JAX had started.
    """
    check_not_forked()
    inputs, weights = jnp.asarray(inputs), jnp.asarray(weights)
    dtype = jnp.promote_types(jnp.result_type(inputs, weights), jnp.float32)
    width = inputs.shape[-1] if inputs.ndim else 0
    if not circuit.takes(width):
        raise ValueError(f"inputs must have shape (..., {circuit.n_inputs}), but had shape {inputs.shape}.")
    if weights.shape != circuit.weight_shape:
        raise ValueError(f"weights must have shape {circuit.weight_shape}, but had shape {weights.shape}.")
    check_memory(circuit.n_qubits)
    many = circuit.n_qubits > DENSITY_QUBITS and strategy == "auto"
    if circuit.channels and (many or strategy == "trajectories"):
        raise ValueError(
            f"circuit must have at most {DENSITY_QUBITS} qubits where it has noise, but had "
            f"{circuit.n_qubits}. Use strategy='density-matrix', or qproj.QuantumLayer, which draws branches."
        )
    batch = math.prod(inputs.shape[:-1])
    if not batch:
        return jnp.zeros((*inputs.shape[:-1], circuit.n_outputs), dtype)
    x = inputs.astype(dtype).reshape(batch, width)
    if circuit.amplitudes:
        x = _lifted(x)
    x = features(circuit, x, jnp, constant=lax.stop_gradient, products=_products)
    values = programs.expectation(circuit, x, weights.astype(dtype), strategy, diff_method)
    return values.reshape(*inputs.shape[:-1], circuit.n_outputs)


def _lifted(x: Array) -> Array:
    """Rows of tiny numbers, multiplied by a power of two: XLA takes subnormal numbers for zeros."""
    kind = np.finfo(x.dtype)
    bits = lax.bitcast_convert_type(x, f"int{kind.bits}")
    sizes = bits & np.iinfo(bits.dtype).max  # without the sign
    tiny, small = np.array([kind.tiny, 2.0 ** (kind.minexp // 2)], x.dtype).view(bits.dtype)
    # A subnormal number is its bits, as an integer, times the smallest one.
    subnormal = jnp.where(bits < 0, -1, 1) * sizes.astype(x.dtype) * 2.0**-kind.nmant
    normal = x * 2.0**-kind.minexp
    lifted = jnp.where(sizes < tiny, subnormal + (normal - lax.stop_gradient(normal)), normal)
    return jnp.where(sizes.max(axis=-1, keepdims=True) < small, lifted, x)


def _products(x: Array, slots: tuple[InputSlot, ...]) -> Array:
    first, scale, second = (np.array(part) for part in zip(*map(astuple, slots), strict=True))
    return products(x[:, first], x[:, second], scale)
