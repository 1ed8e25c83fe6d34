"""Strategies and differentiation methods as values. Their names are read here, and nowhere else."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from qproj.registry import unknown_name

# The names that users give.
Strategy = Literal["auto", "dense", "fused-2", "fused-3", "fused-4", "fused-5", "fused-6"]
DiffMethod = Literal["best", "adjoint", "backprop", "jacobian", "parameter-shift"]


@dataclass(frozen=True)
class Dense:
    """One matrix of all layers."""

    def __str__(self) -> str:
        return "dense"


@dataclass(frozen=True)
class Fused:
    """One matrix per block of neighbouring wires.

    Attributes:
        block: Largest number of wires in a block.
    """

    block: int

    def __str__(self) -> str:
        return f"fused-{self.block}"


Fusion = Dense | Fused


class Method(StrEnum):
    """How gradients are computed; see `qproj.QuantumLayer`."""

    ADJOINT = "adjoint"
    BACKPROP = "backprop"
    JACOBIAN = "jacobian"
    PARAMETER_SHIFT = "parameter-shift"


_ALL: tuple[Fusion, ...] = (Dense(), *(Fused(block) for block in range(2, 7)))
_FUSIONS = {str(fusion): fusion for fusion in _ALL}
# The names without `"auto"` and `"best"`.
STRATEGIES = tuple(_FUSIONS)
DIFF_METHODS = tuple(str(method) for method in Method)


def parse(strategy: str, diff_method: str) -> tuple[Fusion | None, Method | None]:
    """Read both names; `None` where the planner is to choose.

    Raises:
        ValueError: If a name is unknown.
    """
    if strategy != "auto" and strategy not in _FUSIONS:
        raise unknown_name("strategy", strategy, ("auto", *STRATEGIES))
    if diff_method != "best" and diff_method not in DIFF_METHODS:
        raise unknown_name("diff_method", diff_method, ("best", *DIFF_METHODS))
    return _FUSIONS.get(strategy), None if diff_method == "best" else Method(diff_method)
