"""Damping: decay of the state 1 into 0, at zero or finite temperature, and loss of phase.

Nielsen and Chuang, "Quantum Computation and Quantum Information", section 8.3.5 and 8.3.6.
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np

from qproj.circuits.gates import CHANNELS, Gate, GateKind
from qproj.circuits.parameters import Parameter
from qproj.noise.fixed import fixed
from qproj.noise.probability import PAULIS, check_probability

_LOWERS, _ONE = np.array([[0, 1], [0, 0]], complex), np.array([[0, 0], [0, 1]], complex)
_ZERO = np.array([[1, 0], [0, 0]], complex)


def _amplitude(xp: Any, gamma: Any) -> tuple[list[Any], list[Any]]:
    return [1.0, gamma], [_ZERO + xp.sqrt(1 - gamma) * _ONE, _LOWERS]


def _phase(xp: Any, gamma: Any) -> tuple[list[Any], list[Any]]:
    # As random phase flips: trajectories of unitaries keep their norm, and so have the least variance.
    flipped = (1 - xp.sqrt(1 - gamma)) / 2
    return [1 - flipped, flipped], [PAULIS[0], PAULIS[3]]


def _generalized(xp: Any, gamma: Any, p: Any) -> tuple[list[Any], list[Any]]:
    kept = xp.sqrt(1 - gamma)  # `p` is the population of 1 that it tends to
    return (
        [1 - p, (1 - p) * gamma, p, p * gamma],
        [_ZERO + kept * _ONE, _LOWERS, kept * _ZERO + _ONE, _LOWERS.T],
    )


def _check_generalized(gamma: float, p: float) -> None:
    check_probability("gamma", gamma)
    check_probability("p", p)


def _written_out(wires: tuple[int, ...], gamma: Parameter, p: Parameter) -> tuple[Gate, ...]:
    return fixed("GeneralizedAmplitudeDamping", _generalized, wires, gamma, p)


_GAMMA: Any = {"strengths": ("gamma",), "check": partial(check_probability, "gamma")}
CHANNELS.add("AmplitudeDamping", GateKind(1, branches=_amplitude, **_GAMMA))
CHANNELS.add("PhaseDamping", GateKind(1, branches=_phase, **_GAMMA))
CHANNELS.add(
    "GeneralizedAmplitudeDamping",
    GateKind(
        1,
        decomposition=_written_out,
        several=2,
        strengths=("gamma", "p"),
        check=_check_generalized,
    ),
)
CHANNELS.also |= {"amplitude_damping": "AmplitudeDamping", "phase_damping": "PhaseDamping"}
