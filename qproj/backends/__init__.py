"""Who runs a circuit: one file a family of backends, all behind one small protocol.

A vendor writes a `Sampler` (`qproj.backends.sampler`), which `SampledBackend` makes a `Backend`.
"""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from typing import Any

import torch

from qproj.backends import families
from qproj.backends.capabilities import Capabilities
from qproj.circuits.circuit import Circuit
from qproj.planning.execution import Execution

__all__ = ["Backend", "Capabilities", "Execution", "get_backend"]


class Backend(ABC):
    """What runs circuits for a layer, and differentiates them itself; a `Sampler` needs less."""

    @property
    @abstractmethod
    def name(self) -> str:
        """For messages."""

    @property
    @abstractmethod
    def capabilities(self) -> Capabilities:
        """What it can do."""

    @abstractmethod
    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise ValueError where this backend cannot run this circuit in this way."""

    @abstractmethod
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
            Values `(batch, n_values)`, same dtype and device, differentiable in both tensors.
        """

    def sample(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Measure every wire of a circuit; arguments as for `run`, with `execution.shots` a number.

        Returns:
            Bits, uint8 `(batch, shots, n_qubits)`, on the device of the inputs.

        Raises:
            ValueError: If this backend has no samples.
        """
        del circuit, execution, inputs, weights
        able = [name for name, c in families.advertised().items() if "samples" in c.measures]
        raise ValueError(
            f"backend must be one of {', '.join(map(repr, able))} for samples, but was {self.name!r}. Use "
            "layer.to_backend(...)."
        )


def get_backend(backend: Any) -> Backend:
    """Find a backend.

    Args:
        backend: `"jax"`, the name of a PennyLane device such as `"lightning.qubit"`, `"family:name"` of any
            family that `qproj.backends.families` knows, a `Sampler`, or a vendor's object, such as a
            PennyLane device. Names give the same backend each time; of objects nothing is kept.

    Returns:
        The backend.

    Raises:
        ImportError: If the backend needs a package that is not installed.
        TypeError: If it is neither a name nor an object that a family knows.
        ValueError: If no family knows the name.
    """
    if isinstance(backend, str):
        return _named(backend)
    if isinstance(getattr(backend, "capabilities", None), Capabilities):
        return _backend(backend)
    family = families.of_object(backend)
    if family is None:
        raise families.unknown_object(backend)
    return _backend(families.family(family).load(backend))


@functools.cache
def _named(name: str) -> Backend:
    family, rest = families.split(name)
    return _backend(families.family(family).load(rest))


def _backend(found: Any) -> Backend:
    """A `Backend` as it is, or that of a sampler: what derives from `Backend` says that it is one."""
    if isinstance(found, Backend):
        return found
    from qproj.backends.sampled import SampledBackend

    return SampledBackend(found)
