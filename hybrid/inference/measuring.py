"""The expectation values that a picture gives, measured by whatever backend, with shots, or with noise."""

import torch
from torch import Tensor

from hybrid.inference.noise import depolarised
from hybrid.model.connectors.quantum import QuantumConnector
from qproj import QuantumLayer


@torch.no_grad()
def expectation_values(
    connector: QuantumConnector,
    features: Tensor,
    *,
    backend: str = "jax",
    shots: int | None = None,
    error: float = 0.0,
    seed: int = 0,
) -> Tensor:
    """Run a connector's circuit in another way; the connector itself stays as it is.

    Args:
        connector: Whose circuit.
        features: ``(batch, vision_hidden_size)``.
        backend: ``"jax"`` or a PennyLane device.
        shots: Measurements for each value, on PennyLane devices; exact if left out.
        error: Probability of a random Pauli error on each wire after each gate; see `hybrid.inference.noise`.
            ``shots`` are not used then: values are exact but for the average over random circuits.
        seed: Decides the errors.

    Returns:
        ``(batch, n_outputs)``, what `QuantumConnector.tokens_of` takes.

    Raises:
        ValueError: If the backend is unknown or cannot do it, or the probability is none.
        ImportError: If the backend is not installed.
    """
    layer, angles = connector.projection.circuit, connector.angles(features)
    if error:
        device = "lightning.qubit" if backend == "jax" else backend
        return depolarised(layer, angles, error, backend=device, seed=seed).to(angles)
    other = QuantumLayer(circuit=layer.circuit, backend=backend, shots=shots).to(angles.device)
    other.weights.copy_(layer.weights)
    values: Tensor = other(angles)
    return values
