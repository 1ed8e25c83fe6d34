"""Strategies of the state-vector engine as values; their names are read here and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Dense:
    """One matrix of all layers."""


@dataclass(frozen=True)
class Fused:
    """One matrix per block of neighbouring wires.

    Attributes:
        block: Largest number of wires in a block.
    """

    block: int


def parse(name: str) -> Dense | Fused:
    """Read the name of a strategy, `"dense"` or `"fused-k"`, that the planner knows."""
    return Dense() if name == "dense" else Fused(int(name.removeprefix("fused-")))
