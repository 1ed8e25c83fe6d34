"""Channels of several strengths, written out as the Kraus operators that constant strengths give."""

from __future__ import annotations

from typing import Any

from qproj.circuits.gates import Gate
from qproj.circuits.parameters import Constant, Parameter
from qproj.circuits.rewriting import kraus


def fixed(name: str, branches: Any, wires: tuple[int, ...], *strengths: Parameter) -> tuple[Gate, ...]:
    """A channel as a `"QubitChannel"`.

    Args:
        name: Of the channel, for the error.
        branches: As those of a `GateKind`.
        wires: The wires.
        strengths: Its strengths.

    Raises:
        TypeError: If a strength is a weight: those of channels with one strength can be trained.
    """
    values = [strength.value for strength in strengths if isinstance(strength, Constant)]
    if len(values) < len(strengths):
        raise TypeError(
            f"strengths of {name} must be constant, but were {strengths}. Those that can be weights are of "
            "channels with one strength, such as AmplitudeDamping."
        )
    operators: Any = kraus(branches, *values)
    return (Gate("QubitChannel", wires, matrix=operators),)
