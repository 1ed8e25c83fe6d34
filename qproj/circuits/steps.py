"""Gates of other programs as steps of ours, and what modifiers make of them: inverses, controls.

A step is a gate of at most one angle, or a global phase, which a control makes one that can be seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from qproj.circuits.gates import Gate
from qproj.circuits.symbols import Sum, Symbols

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


def turn(name: str, angle: Sum | float, *wires: int) -> Step:
    """A step with an angle."""
    return Step(name, wires, angle if isinstance(angle, Sum) else Sum.of(angle))


def gates_of(step: Step, symbols: Symbols) -> list[Gate]:
    """A step as gates, without its global phase; ValueError as `Symbols.gates`."""
    return [] if step.name == PHASE else symbols.gates(step.name, step.wires, step.angle)


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
            undone.append(turn("PhaseShift", -_PHASES[step.name], *step.wires))
        elif step.name == "SX":
            undone += [turn("RX", -math.pi / 2, *step.wires), turn(PHASE, -math.pi / 4)]
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
            made.append(turn("ControlledPhaseShift", _PHASES[name], control, *wires))
        elif name == "SX":
            made += [turn("CRX", math.pi / 2, control, *wires), turn("PhaseShift", math.pi / 4, control)]
        elif name in _CONTROLLED:
            made.append(Step(_CONTROLLED[name], (control, *wires), step.angle))
        else:
            raise ValueError(f"have no controlled {name}, for which there is no gate")
    return made
