"""Names of strategies and differentiation methods, and strategies of the state-vector engine as values."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from qproj.registry import unknown_name

NoisyStrategy = Literal["density-matrix", "trajectories"]
Strategy = Literal[
    "auto", "dense", "fused-2", "fused-3", "fused-4", "fused-5", "fused-6", "density-matrix", "trajectories"
]
DiffMethod = Literal["best", "adjoint", "backprop", "jacobian", "parameter-shift"]
# For circuits with noise channels, and for those without; the planner chooses among them for "auto".
NOISY_STRATEGIES: tuple[str, ...] = get_args(NoisyStrategy)
STRATEGIES: tuple[str, ...] = tuple(
    name for name in get_args(Strategy) if name not in ("auto", *NOISY_STRATEGIES)
)
DIFF_METHODS: tuple[str, ...] = get_args(DiffMethod)[1:]


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


def check_names(strategy: str, diff_method: str) -> None:
    """Raise ValueError for names that are not known."""
    known = ("auto", *STRATEGIES, *NOISY_STRATEGIES)
    if strategy not in known:
        raise unknown_name("strategy", strategy, known)
    if diff_method != "best" and diff_method not in DIFF_METHODS:
        raise unknown_name("diff_method", diff_method, ("best", *DIFF_METHODS))
