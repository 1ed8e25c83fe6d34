"""Training as a device would run the circuit: with shots and noise, other ones at every step."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from hybrid.loading.load import use_backend
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.model.modeling import HybridForConditionalGeneration
from qproj import PauliWord, QuantumLayer
from qproj.noise import parse

_SEEDS = 2**31


def train_with_noise(
    model: HybridForConditionalGeneration, shots: int | None, noise: str, readout: float | None
) -> None:
    """Let a model's circuit run with shots and noise from now on.

    Every forward pass draws anew, from torch's global generator, so that a training repeats by its seed.

    Args:
        model: With a quantum connector.
        shots: Measurements for each value, see `add_shot_noise`; exact if ``None``.
        noise: Channels behind every gate, as `qproj.noise.parse` reads them.
        readout: The probability of reading a qubit wrongly.

    Raises:
        ValueError: If the connector has no circuit, or its values are no Pauli words, or there is no such
            noise.
    """
    found = parse(noise, readout)
    if shots is None and found is None:
        return
    use_backend(model, "jax", noise=found)
    connector: Any = model.connector
    if found is not None:
        connector.projection.circuit.register_forward_pre_hook(_draw_anew)
    if shots is not None:
        add_shot_noise(connector, shots)


def add_shot_noise(connector: QuantumConnector, shots: int) -> RemovableHandle:
    """Let a connector's values scatter as means of measurements do, until the handle is removed.

    A Pauli word of value ``v`` has a variance of ``1 - v**2``. A normal number of ``1 / shots`` of that is
    added to the exact value, so the gradient is the exact value's, at the cost of one run of the circuit; a
    device's would take two runs for every angle of every picture. That values measured together are
    correlated is left out.

    Args:
        connector: Whose values.
        shots: Measurements for each; at least 1.

    Raises:
        ValueError: If ``shots`` is below 1, or an observable is no Pauli word.
    """
    circuit = connector.projection.circuit
    if shots < 1:
        raise ValueError(f"shots must be at least 1, but was {shots}")
    others = [word for word in circuit.circuit.observables if not isinstance(word, PauliWord)]
    if others:
        raise ValueError(
            f"shots must be left out in training where {others[0]} is measured: their scatter is known of "
            "Pauli words only"
        )

    def scattered(_circuit: nn.Module, _args: Any, values: Tensor) -> Tensor:
        deviation = ((1 - values.detach().square()).clamp_min(0) / shots).sqrt()
        return values + deviation * torch.randn_like(values)

    return circuit.register_forward_hook(scattered)


def _draw_anew(circuit: QuantumLayer, _: Any) -> None:
    circuit.to_backend(circuit.backend, seed=int(torch.randint(_SEEDS, ())))
