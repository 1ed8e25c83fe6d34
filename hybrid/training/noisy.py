"""Training as a device would run the circuit: with shots and noise, other ones at every step."""

from typing import Any

import torch

from hybrid.loading.load import use_backend
from hybrid.model.modeling import HybridForConditionalGeneration
from qproj import QuantumLayer
from qproj.noise import parse

_SEEDS = 2**31


def train_with_noise(
    model: HybridForConditionalGeneration, shots: int | None, noise: str, readout: float | None
) -> None:
    """Let a model's circuit run with shots and noise from now on.

    Every forward pass draws anew, from torch's global generator, so that a training repeats by its seed.

    Args:
        model: With a quantum connector.
        shots: Measurements for each value; exact if ``None``.
        noise: Channels behind every gate, as `qproj.noise.parse` reads them.
        readout: The probability of reading a qubit wrongly.

    Raises:
        ValueError: If the connector has no circuit, or there is no such noise.
    """
    found = parse(noise, readout)
    if shots is None and found is None:
        return
    use_backend(model, "jax", shots, found)
    connector: Any = model.connector
    connector.projection.circuit.register_forward_pre_hook(_draw_anew)


def _draw_anew(circuit: QuantumLayer, _: Any) -> None:
    circuit.to_backend(circuit.backend, seed=int(torch.randint(_SEEDS, ())))
