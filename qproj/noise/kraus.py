"""Any channel on one or two wires: `Gate("QubitChannel", wires, matrix=kraus_operators)`."""

from __future__ import annotations

from typing import Any

from qproj.circuits.gates import CHANNELS, GateKind


def _branches(_: Any, *operators: Any) -> tuple[list[Any], list[Any]]:
    return [1.0] * len(operators), list(operators)


CHANNELS.add("QubitChannel", GateKind(1, most_wires=2, own_matrix=True, branches=_branches))
CHANNELS.also["kraus"] = "QubitChannel"
