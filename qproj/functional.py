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

import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.circuits.circuit import Circuit
from qproj.circuits.features import features
from qproj.execution import programs
from qproj.execution.forks import check_not_forked
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
    x = features(circuit, x, jnp, constant=lax.stop_gradient, columns=_columns)
    values = programs.expectation(circuit, x, weights.astype(dtype), strategy, diff_method)
    return values.reshape(*inputs.shape[:-1], circuit.n_outputs)


def _columns(x: Array, places: tuple[int, ...]) -> Array:
    return x[:, np.array(places)]
