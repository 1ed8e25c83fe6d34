"""Who runs a circuit: one file a backend, all behind one small protocol."""

from __future__ import annotations

import importlib
from typing import Protocol, cast

import torch

from qproj.circuits.circuit import Circuit
from qproj.registry import unknown_name


class Backend(Protocol):
    """What runs circuits for a layer.

    Attributes:
        name: The name users choose it by.
        diff_methods: The differentiation methods it offers.
    """

    name: str
    diff_methods: tuple[str, ...]

    def run(
        self, circuit: Circuit, diff_method: str, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit.

        Args:
            circuit: The circuit.
            diff_method: One of `diff_methods`.
            inputs: `(batch, n_inputs)`, radians, float32 or float64; batch at least 1.
            weights: `circuit.weight_shape`, radians, same dtype and device.

        Returns:
            Expectation values `(batch, n_outputs)`, same dtype and device, differentiable in both tensors.
        """


# Backends of this package, by the module that builds each. A module is loaded when its backend first runs,
# so that choosing PennyLane does not load JAX, nor the other way round.
OWN = {"jax": "qproj.backends.jax"}


def get_backend(name: str) -> Backend:
    """Find a backend: one of this package's own, else the PennyLane device of that name.

    Args:
        name: `"jax"`, or a PennyLane device such as `"lightning.qubit"` or `"default.qubit"`.

    Returns:
        The backend.

    Raises:
        ImportError: If `name` is not an own backend and PennyLane is not installed.
        ValueError: If PennyLane does not know the device either.
    """
    module = importlib.import_module(OWN.get(name, "qproj.backends.pennylane"))
    return cast("Backend", module.load(name))


def check_backend(name: str, diff_method: str) -> None:
    """Raise what `get_backend` would, early, without loading a backend of this package's own.

    Args:
        name: As for `get_backend`.
        diff_method: A differentiation method.

    Raises:
        ImportError: If PennyLane is needed and not installed.
        TypeError: If `name` is not a string.
        ValueError: If the device or the differentiation method is unknown.
    """
    if not isinstance(name, str):
        raise TypeError(f"backend must be a str, but was {name!r} ({type(name).__name__}).")
    methods = ("adjoint",) if name in OWN else get_backend(name).diff_methods
    if diff_method not in methods:
        raise unknown_name("diff_method", diff_method, methods, f" (Methods of backend {name!r}.)")
