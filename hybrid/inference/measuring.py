"""Expectation values of a picture on any backend, with shots or noise."""

import torch
from torch import Tensor

from hybrid.model.connectors.quantum import QuantumConnector
from qproj import QuantumLayer
from qproj.backends import get_backend
from qproj.noise import NoiseModel


@torch.no_grad()
def expectation_values(
    connector: QuantumConnector,
    features: Tensor,
    *,
    backend: str = "jax",
    shots: int | None = None,
    noise: NoiseModel | None = None,
    seed: int = 0,
) -> Tensor:
    """Run a connector's circuit in another way; the connector itself stays as it is.

    Args:
        connector: Whose circuit.
        features: ``(batch, vision_hidden_size)``.
        backend: ``"jax"`` or a PennyLane device.
        shots: Measurements for each value; exact if left out.
        noise: Noise of the circuit, on backends that have it.
        seed: Decides what is measured and what noise does, on backends that take one.

    Returns:
        ``(batch, n_outputs)``, what `QuantumConnector.tokens_of` takes.

    Raises:
        ValueError: If the backend is unknown or cannot do it.
        ImportError: If the backend is not installed.
    """
    layer, angles = connector.projection.circuit, connector.angles(features)
    chance = (shots is not None or noise is not None) and get_backend(backend).capabilities.seed
    other = QuantumLayer(
        circuit=layer.circuit, backend=backend, shots=shots, noise=noise, seed=seed if chance else None
    ).to(angles.device)
    other.weights.copy_(layer.weights)
    values: Tensor = other(angles)
    return values
