"""Which parameters are trained, how many of them are quantum, and how fast each kind learns."""

from dataclasses import dataclass

from torch import nn

from qproj import QuantumLayer

KINDS = ("quantum", "connector", "lora")


@dataclass(frozen=True)
class ParameterGroup:
    """Trainable parameters with one learning rate.

    Attributes:
        kind: One of `KINDS`: the circuit's weights, the rest of the connector, LoRA.
        parameters: The tensors.
        learning_rate: The peak.
    """

    kind: str
    parameters: list[nn.Parameter]
    learning_rate: float

    @property
    def size(self) -> int:
        """How many numbers are trained."""
        return sum(p.numel() for p in self.parameters)


def parameter_groups(model: nn.Module, rates: dict[str, float]) -> list[ParameterGroup]:
    """Sort what is trainable.

    Args:
        model: Whose parameters that require a gradient are sorted.
        rates: Learning rate by kind.

    Returns:
        The groups that hold something, in the order of `KINDS`.
    """
    circuits = [module for module in model.modules() if isinstance(module, QuantumLayer)]
    quantum = {id(p) for circuit in circuits for p in circuit.parameters()}
    found: dict[str, list[nn.Parameter]] = {kind: [] for kind in KINDS}
    for name, p in model.named_parameters():
        if p.requires_grad:
            kind = "quantum" if id(p) in quantum else "lora" if "lora_" in name else "connector"
            found[kind].append(p)
    return [ParameterGroup(kind, ps, rates[kind]) for kind, ps in found.items() if ps]


def parameter_table(model: nn.Module, groups: list[ParameterGroup]) -> list[str]:
    """Lines that say how many parameters of each kind are trained."""
    total = sum(p.numel() for p in model.parameters())
    trained = sum(group.size for group in groups)
    quantum = sum(group.size for group in groups if group.kind == "quantum")
    lines = [f"{'trained':<10} {'tensors':>8} {'parameters':>14} {'learning rate':>14}"]
    lines += [
        f"{group.kind:<10} {len(group.parameters):>8} {group.size:>14,} {group.learning_rate:>14g}"
        for group in groups
    ]
    return [*lines, f"{trained:,} of {total:,} parameters are trained, {quantum:,} of them quantum"]
