"""Who runs a circuit: one file a backend, all behind one small protocol."""

from __future__ import annotations

import functools
import importlib
from typing import Any, Protocol, cast

import torch

from qproj.circuits.circuit import Circuit
from qproj.planning.execution import Execution


class Backend(Protocol):
    """What runs circuits for a layer."""

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise ValueError where this backend cannot run this circuit in this way."""

    def run(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit.

        Args:
            circuit: The circuit.
            execution: Checked by `check`.
            inputs: `(batch, circuit.n_features)`, float32 or float64; batch at least 1. Radians, products in
                their own columns as `circuit.plain_gates` has them, or normalised amplitudes.
            weights: `circuit.weight_shape`, radians, same dtype and device.

        Returns:
            Expectation values `(batch, n_outputs)`, same dtype and device, differentiable in both tensors.
        """


# Backends of this package, by the module that builds each. A module is loaded when its backend first runs,
# so that choosing PennyLane does not load JAX, nor the other way round.
OWN = {"jax": "qproj.backends.jax"}


def get_backend(backend: Any) -> Backend:
    """Find a backend.

    Args:
        backend: `"jax"`, the name of a PennyLane device such as `"lightning.qubit"`, or such a device itself.

    Returns:
        The backend.

    Raises:
        ImportError: If it is not an own backend and PennyLane is not installed.
        TypeError: If it is neither a name nor a PennyLane device.
        ValueError: If PennyLane does not know the device either.
    """
    if isinstance(backend, str) and backend in OWN:
        return _own(backend)
    return cast("Backend", importlib.import_module("qproj.backends.pennylane").load(backend))


@functools.cache
def _own(name: str) -> Backend:
    return cast("Backend", importlib.import_module(OWN[name]).load(name))
