"""Depolarizing: any of the three Pauli errors, equally likely."""

from __future__ import annotations

from functools import partial
from typing import Any

from qproj.circuits.gates import CHANNELS, GateKind
from qproj.noise.probability import PAULIS, check_probability


def _branches(_: Any, p: Any) -> tuple[list[Any], list[Any]]:
    return [1 - p, p / 3, p / 3, p / 3], list(PAULIS)


CHANNELS.add(
    "DepolarizingChannel",
    GateKind(1, branches=_branches, strengths=("p",), check=partial(check_probability, "p")),
)
CHANNELS.also["depolarizing"] = "DepolarizingChannel"
