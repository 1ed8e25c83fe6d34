"""What a runner is given per sample, from what a caller gives: one rule for arrays of every kind."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import InputSlot


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
