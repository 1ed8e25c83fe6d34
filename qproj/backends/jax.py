"""The package's own engine: jitted JAX, batched, adjoint differentiation."""

from __future__ import annotations

import torch

from qproj import bridge
from qproj.circuits.circuit import Circuit
from qproj.simulation import engine


class JaxBackend:
    """Runs circuits on the engine in `qproj.simulation`."""

    name = "jax"
    diff_methods = tuple(engine.DIFF_METHODS)

    def run(
        self, circuit: Circuit, diff_method: str, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`."""
        return bridge.run(circuit, diff_method, inputs, weights)


_BACKEND = JaxBackend()


def load(name: str) -> JaxBackend:  # noqa: ARG001 (the signature all backend modules share)
    """Return the backend."""
    return _BACKEND
