"""What a runner is given per sample, and what is made of its values: one rule for arrays of every kind."""

from __future__ import annotations

import cmath
import functools
import math
from collections.abc import Callable
from types import ModuleType
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import Constant, InputSlot, WeightSlot


def features(
    circuit: Circuit,
    x: Any,
    namespace: ModuleType,
    *,
    constant: Callable[[Any], Any],
    products: Callable[[Any, tuple[InputSlot, ...]], Any],
) -> Any:
    """Products of inputs in columns of their own, or normalised amplitudes, padded.

    Args:
        circuit: The circuit.
        x: `(batch, width)`, an array of the namespace.
        namespace: `torch` or `jax.numpy`.
        constant: Stops gradients.
        products: The angles of slots, `(batch, n_slots)`, less multiples of 4 pi where `x` is not exact.

    Returns:
        `(batch, circuit.n_features)`; NaN for a sample whose amplitudes are all zero.
    """
    if circuit.amplitudes:
        # By the largest first: squares of the others neither overflow nor vanish. What is normalised does not
        # depend on the factor, so its derivative need not be taken.
        x = x / constant(namespace.amax(namespace.abs(x), axis=-1, keepdims=True))
        x = x / namespace.sqrt(namespace.sum(x * x, axis=-1, keepdims=True))
        missing = circuit.n_inputs - x.shape[-1]
        if missing:
            nothing = namespace.zeros_like(namespace.broadcast_to(x[:, :1], (x.shape[0], missing)))
            x = namespace.concatenate([x, nothing], axis=-1)
        return x
    if circuit.products:
        return namespace.concatenate([x, products(x, circuit.products)], axis=-1)
    return x


def amplitudes(
    circuit: Circuit,
    values: Any,
    x: Any,
    weights: Any,
    namespace: ModuleType,
    *,
    multiples: Callable[[Any, tuple[float, ...]], Any],
) -> Any:
    """States with their global phases, which decompositions of gates leave out.

    Args:
        circuit: The circuit.
        values: `(batch, 2 * 2**n_qubits)`, all real parts and then all imaginary ones.
        x: `(batch, circuit.n_features)`.
        weights: `circuit.weight_shape`.
        namespace: `torch` or `jax.numpy`.
        multiples: `(rows, k)` times `k` factors, less multiples of 4 pi where the values are not exact.

    Returns:
        Complex `(batch, 2**n_qubits)`.
    """
    half = 2**circuit.n_qubits
    states = values[:, :half] + 1j * values[:, half:]
    constant, *parts = _phases(circuit)
    phase: Any = math.remainder(constant, 2 * math.pi)
    for columns, terms in zip((x, weights.reshape(1, -1)), parts, strict=True):
        if terms:
            indices, factors = zip(*terms, strict=True)
            phase = phase + namespace.sum(multiples(columns[:, list(indices)], factors), axis=1)[:, None]
    if isinstance(phase, float):
        return states * cmath.exp(1j * phase) if phase else states
    return states * (namespace.cos(phase) + 1j * namespace.sin(phase))


Factors = tuple[tuple[int, float], ...]


@functools.lru_cache(maxsize=256)
def _phases(circuit: Circuit) -> tuple[float, Factors, Factors]:
    """The global phase that decompositions leave out: a constant, and factors of features and weights."""
    constant = 0.0
    of_inputs: dict[int, float] = {}
    of_weights: dict[int, float] = {}
    for gate in circuit.plain_gates:
        phase = gate.kind.phase
        match gate.angle:
            case None:
                constant += phase
            case Constant(value):
                constant += phase * value
            case InputSlot(index, scale) if phase:
                of_inputs[index] = of_inputs.get(index, 0.0) + phase * scale
            case WeightSlot(index, scale) if phase:
                of_weights[index] = of_weights.get(index, 0.0) + phase * scale
    return constant, tuple(of_inputs.items()), tuple(of_weights.items())
