"""The gates of OpenQASM 3 as steps of ours, and what its modifiers make of them: inverses, controls.

A step is a gate of at most one angle, or a global phase, which a control makes one that can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from qproj.circuits.gates import GATES
from qproj.circuits.qasm_writing import STANDARD
from qproj.circuits.symbols import Sum

PHASE = ""


@dataclass(frozen=True)
class Step:
    """A gate whose angle is a sum of symbols.

    Attributes:
        name: Its name in `GATES`, or `PHASE` for a global phase, `exp(1j * angle)`.
        wires: Its wires, none for a phase.
        angle: Its angle, or `None`.
    """

    name: str
    wires: tuple[int, ...] = ()
    angle: Sum | None = None


def _turn(name: str, angle: Sum | float, *wires: int) -> Step:
    return Step(name, wires, angle if isinstance(angle, Sum) else Sum.of(angle))


def _u(theta: Sum, phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return [
        _turn("PhaseShift", delta, wire),
        _turn("RY", theta, wire),
        _turn("PhaseShift", phi, wire),
    ]


def _u3(theta: Sum, phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return [_turn("RZ", delta, wire), _turn("RY", theta, wire), _turn("RZ", phi, wire)]


def _u2(phi: Sum, delta: Sum, wire: int) -> list[Step]:
    return _u3(Sum.of(math.pi / 2), phi, delta, wire)


def _cu(theta: Sum, phi: Sum, delta: Sum, gamma: Sum, control: int, wire: int) -> list[Step]:
    return [_turn("PhaseShift", gamma, control), *controlled(_u(theta, phi, delta, wire), control)]


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
    return Standard(0, 1, lambda wire: [_turn("PhaseShift", angle, wire)])


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

# Phases of the state 1, which have inverses and controls as angles.
_PHASES = {"S": math.pi / 2, "T": math.pi / 4}
_CONTROLLED = {
    "RX": "CRX", "RY": "CRY", "RZ": "CRZ", "PhaseShift": "ControlledPhaseShift", "PauliX": "CNOT",
    "PauliY": "CY", "PauliZ": "CZ", "Hadamard": "CH", "SWAP": "CSWAP", "CNOT": "Toffoli", "CZ": "CCZ",
}  # fmt: skip


def inverse(steps: Sequence[Step]) -> list[Step]:
    """What undoes the steps."""
    undone: list[Step] = []
    for step in reversed(steps):
        if step.angle is not None:
            undone.append(Step(step.name, step.wires, -step.angle))
        elif step.name in _PHASES:
            undone.append(_turn("PhaseShift", -_PHASES[step.name], *step.wires))
        elif step.name == "SX":
            undone += [_turn("RX", -math.pi / 2, *step.wires), _turn(PHASE, -math.pi / 4)]
        else:
            undone.append(step)  # all others here are their own inverses
    return undone


def controlled(steps: Sequence[Step], control: int) -> list[Step]:
    """The steps, where a wire is 1.

    Raises:
        ValueError: If there is no gate for one of them.
    """
    made: list[Step] = []
    for step in steps:
        name, wires = step.name, step.wires
        if name == PHASE:
            made.append(Step("PhaseShift", (control,), step.angle))
        elif name in _PHASES:
            made.append(_turn("ControlledPhaseShift", _PHASES[name], control, *wires))
        elif name == "SX":
            made += [_turn("CRX", math.pi / 2, control, *wires), _turn("PhaseShift", math.pi / 4, control)]
        elif name in _CONTROLLED:
            made.append(Step(_CONTROLLED[name], (control, *wires), step.angle))
        else:
            raise ValueError(f"have no controlled {name}, for which there is no gate")
    return made
