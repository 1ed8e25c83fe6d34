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


def parameter_groups(
    model: nn.Module, rates: dict[str, float], share: float | None = None
) -> list[ParameterGroup]:
    """Sort what is trainable.

    Args:
        model: Whose parameters that require a gradient are sorted.
        rates: Learning rate by kind.
        share: Gives the connector's parts the rates of `Connector.learning_rates` in place of these.

    Returns:
        The groups that hold something, in the order of `KINDS`; with a share, a part of the connector is a
        group.
    """
    circuits = [module for module in model.modules() if isinstance(module, QuantumLayer)]
    quantum = {id(p) for circuit in circuits for p in circuit.parameters()}
    own = {} if share is None else model.connector.learning_rates(share)  # type: ignore[union-attr, operator]
    found: dict[tuple[str, float], list[nn.Parameter]] = {}
    for name, p in model.named_parameters():
        if p.requires_grad:
            kind = "quantum" if id(p) in quantum else "lora" if "lora_" in name else "connector"
            part = (rate for part, rate in own.items() if name.startswith(f"connector.{part}."))
            found.setdefault((kind, next(part, rates[kind])), []).append(p)
    ordered = sorted(found.items(), key=lambda item: KINDS.index(item[0][0]))
    return [ParameterGroup(kind, ps, rate) for (kind, rate), ps in ordered]


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
