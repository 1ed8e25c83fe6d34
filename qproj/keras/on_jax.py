"""The layer in JAX: a pure function, compiled along with the model."""

from __future__ import annotations

from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.functional import expectation
from qproj.planning.strategies import DiffMethod, Strategy


def run(circuit: Circuit, diff_method: DiffMethod, strategy: Strategy, inputs: Any, angles: Any) -> Any:
    """See `qproj.keras.QuantumLayer.call`."""
    values = expectation(circuit, inputs, angles, strategy=strategy, diff_method=diff_method)
    return values.astype(inputs.dtype)
