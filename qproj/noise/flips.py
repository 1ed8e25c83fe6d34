"""Flips: one Pauli error, X for a bit and Z for a phase."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from qproj.circuits.gates import CHANNELS, GateKind
from qproj.noise.probability import PAULIS, check_probability


def _flip(error: int) -> Callable[..., tuple[list[Any], list[Any]]]:
    return lambda _, p: ([1 - p, p], [PAULIS[0], PAULIS[error]])


for _name, _short, _error in (("BitFlip", "bit_flip", 1), ("PhaseFlip", "phase_flip", 3)):
    CHANNELS.add(
        _name,
        GateKind(1, branches=_flip(_error), strengths=("p",), check=partial(check_probability, "p")),
    )
    CHANNELS.also[_short] = _name
