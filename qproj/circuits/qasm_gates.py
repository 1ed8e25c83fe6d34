"""The gates of OpenQASM 3 as steps of ours."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from qproj.circuits.gates import GATES
from qproj.circuits.qasm_writing import STANDARD
from qproj.circuits.steps import Step, controlled, turn
from qproj.circuits.symbols import Sum


def _u(theta: Sum, phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return [
        turn("PhaseShift", delta, wire),
        turn("RY", theta, wire),
        turn("PhaseShift", phi, wire),
    ]


def _u3(theta: Sum, phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return [turn("RZ", delta, wire), turn("RY", theta, wire), turn("RZ", phi, wire)]


def _u2(phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return _u3(Sum.of(math.pi / 2), phi, delta, wire)


def _cu(theta: Sum, phi: Sum, delta: Sum, gamma: Sum, control: int, wire: int) -> list[Step]:
    return [turn("PhaseShift", gamma, control), *controlled(_u(theta, phi, delta, wire), control)]


@dataclass(frozen=True)
class Standard:
    """A gate that `stdgates.inc` defines.

    Attributes:
        n_angles: Number of angles.
        n_wires: Number of wires.
        steps: The steps of `(*angles, *wires)`.
    """

    n_angles: int
    n_wires: int
    steps: Callable[..., list[Step]]


def _same(name: str) -> Standard:
    """A gate that is one of ours."""
    kind = GATES[name]
    if kind.n_angles:
        return Standard(1, kind.n_wires, lambda angle, *wires: [Step(name, wires, angle)])
    return Standard(0, kind.n_wires, lambda *wires: [Step(name, wires)])


def _fixed_phase(angle: float) -> Standard:
    return Standard(0, 1, lambda wire: [turn("PhaseShift", angle, wire)])


BUILT_IN = {"U": Standard(3, 1, _u)}
STDGATES = {theirs: _same(ours) for ours, theirs in STANDARD.items()} | {
    "sdg": _fixed_phase(-math.pi / 2),
    "tdg": _fixed_phase(-math.pi / 4),
    "id": Standard(0, 1, lambda _: []),
    "u1": _same("PhaseShift"),
    "u2": Standard(2, 1, _u2),
    "u3": Standard(3, 1, _u3),
    "cu": Standard(4, 2, _cu),
    "CX": _same("CNOT"),
    "phase": _same("PhaseShift"),
    "cphase": _same("ControlledPhaseShift"),
}
