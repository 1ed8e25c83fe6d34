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
from collections.abc import Iterable
from dataclasses import astuple
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.circuits.circuit import Circuit
from qproj.circuits.features import amplitudes, features
from qproj.circuits.making import check_circuit
from qproj.circuits.parameters import InputSlot, count
from qproj.circuits.reduction import density_matrices, entropies, some_wires
from qproj.execution import programs, sampling
from qproj.execution.forks import check_not_forked
from qproj.memory import check_memory
from qproj.planning.noisy import DENSITY_QUBITS
from qproj.planning.strategies import DiffMethod, Strategy
from qproj.simulation.angles import multiples, products


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
        What the circuit's observables measure, `(..., n_outputs)`, in the dtype of inputs and weights
        together; a state is complex.

    Raises:
        TypeError: If inputs or weights are not real numbers, or the circuit is none.
        ValueError: If shapes do not fit the circuit, or a name is unknown.
        RuntimeError: If this process was forked after JAX had started.
    """
    x, w, batch = _given(circuit, inputs, weights, strategy)
    if not len(x):
        dtype = jnp.result_type(x, jnp.complex64) if circuit.is_state else x.dtype
        return jnp.zeros((*batch, circuit.n_outputs), dtype)
    values = programs.expectation(circuit, x, w, strategy, diff_method)
    if circuit.is_state:
        values = amplitudes(circuit, values, x, w, jnp, multiples=multiples)
    return values.reshape(*batch, circuit.n_outputs)


def state(circuit: Circuit, inputs: ArrayLike, weights: ArrayLike) -> Array:
    """Final states, whatever the circuit's observables.

    Args:
        circuit: The circuit.
        inputs: As for `expectation`.
        weights: As for `expectation`.

    Returns:
        Amplitudes `(..., 2**n_qubits)`, complex; wire 0 is the most significant bit.
    """
    check_circuit(circuit)
    return expectation(circuit.measuring("state"), inputs, weights)


def density_matrix(
    circuit: Circuit, inputs: ArrayLike, weights: ArrayLike, wires: Iterable[int] | int
) -> Array:
    """Density matrices of some wires, `(..., 2**k, 2**k)`, the others traced out; see `state`."""
    check_circuit(circuit)
    wires = some_wires(circuit.n_qubits, wires)
    return density_matrices(state(circuit, inputs, weights), wires, jnp)  # type: ignore[no-any-return]


def entropy(circuit: Circuit, inputs: ArrayLike, weights: ArrayLike, wires: Iterable[int] | int) -> Array:
    """Von Neumann entropies of some wires in nats, `(...)`; see `qproj.QuantumLayer.entropy`."""
    check_circuit(circuit)
    wires = some_wires(circuit.n_qubits, wires)
    return entropies(state(circuit, inputs, weights), wires, jnp)  # type: ignore[no-any-return]


def sample(circuit: Circuit, inputs: ArrayLike, weights: ArrayLike, shots: int, key: Array) -> Array:
    """Measure every wire in the computational basis, again and again; within `jit`, too.

    Args:
        circuit: The circuit.
        inputs: As for `expectation`.
        weights: As for `expectation`.
        shots: Measurements of each sample, a Python int.
        key: Of JAX. Equal keys give equal bits.

    Returns:
        Bits, uint8 `(..., shots, n_qubits)`, wire 0 first.
    """
    shots = count("shots", shots)
    x, w, batch = _given(circuit, inputs, weights)
    if not len(x):
        return jnp.zeros((*batch, shots, circuit.n_qubits), jnp.uint8)
    probabilities = programs.expectation(circuit.measuring("probs"), x, w, "auto", "best")
    drawn = sampling.outcomes(probabilities, jax.random.bits(key, (len(x), 2), jnp.uint32), shots)
    return sampling.bits(drawn, circuit.n_qubits).reshape(*batch, shots, circuit.n_qubits)


def _given(
    circuit: Circuit, inputs: ArrayLike, weights: ArrayLike, strategy: Strategy = "auto"
) -> tuple[Array, Array, tuple[int, ...]]:
    """Features `(batch, n_features)` and weights as the engine takes them, and the batch's own shape."""
    check_not_forked()
    check_circuit(circuit)
    inputs, weights = _real("inputs", inputs), _real("weights", weights)
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
    x = inputs.astype(dtype).reshape(batch, width)
    if circuit.amplitudes and batch:
        x = _lifted(x)
    if batch:
        x = features(circuit, x, jnp, constant=lax.stop_gradient, products=_products)
    return x, weights.astype(dtype), inputs.shape[:-1]


def _real(name: str, given: ArrayLike) -> Array:
    """Given numbers as an array of JAX."""
    try:
        array = jnp.asarray(given)
    except TypeError:
        kind: Any = getattr(given, "dtype", type(given).__name__)
    else:
        kind = array.dtype
        if not jnp.issubdtype(kind, jnp.complexfloating):
            return array
    raise TypeError(f"{name} must be real numbers in an array, but were {kind}.")


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
