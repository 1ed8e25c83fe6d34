"""Parameter counts, circuits and devices, for ``hybrid info``."""

from dataclasses import dataclass

from hybrid.model.modeling import HybridForConditionalGeneration
from qproj import QuantumLayer


@dataclass(frozen=True)
class Parameters:
    """Parameter counts by kind.

    Attributes:
        frozen: Of the vision tower and the language model, which are not trained.
        lora: Of LoRA, unless it is merged into the language model.
        linear: Of the connector's linear maps.
        quantum: Angles of the circuit.
    """

    frozen: int
    lora: int
    linear: int
    quantum: int

    @property
    def total(self) -> int:
        """All of them."""
        return self.frozen + self.lora + self.linear + self.quantum


def count_parameters(model: HybridForConditionalGeneration) -> Parameters:
    """Count a model's parameters by their kind."""
    layers = quantum_layers(model)
    quantum = sum(p.numel() for layer in layers for p in layer.parameters())
    connector = sum(p.numel() for p in model.connector.parameters())
    lora = sum(p.numel() for name, p in model.named_parameters() if "lora_" in name)
    total = sum(p.numel() for p in model.parameters())
    return Parameters(total - connector - lora, lora, connector - quantum, quantum)


def quantum_layers(model: HybridForConditionalGeneration) -> list[QuantumLayer]:
    """The circuits in a model's connector; none in a classical one."""
    return [module for module in model.connector.modules() if isinstance(module, QuantumLayer)]


def devices() -> list[str]:
    """The processors that torch and JAX can use, in words."""
    import jax
    import torch

    found = [f"torch cpu ({torch.get_num_threads()} threads)"]
    found += [f"torch cuda:{i} ({torch.cuda.get_device_name(i)})" for i in range(torch.cuda.device_count())]
    return found + [f"jax {device}" for device in jax.devices()]
