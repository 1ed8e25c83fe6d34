"""Thermal relaxation: decay and loss of phase while time passes, as PennyLane's `ThermalRelaxationError`.

Blank, Park, Rhee and Petruccione, "Quantum classifier with tailored quantum kernel" (2020), arXiv:1909.02611.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from qproj.circuits.gates import CHANNELS, Gate, GateKind
from qproj.circuits.parameters import Parameter
from qproj.noise.fixed import fixed
from qproj.noise.probability import check_probability


def _branches(_: Any, pe: float, t1: float, t2: float, tg: float) -> tuple[list[Any], list[Any]]:
    """The map that keeps `exp(-tg / t1)` of the population and `exp(-tg / t2)` of the phase.

    Its branches are the eigenvectors of its Choi matrix, whose entries are those of `|input output>`.
    """
    reset, kept = 1 - math.exp(-tg / t1), math.exp(-tg / t2)
    up, down = pe * reset, (1 - pe) * reset
    choi = np.diag([1 - up, up, down, 1 - down])
    choi[0, 3] = choi[3, 0] = kept
    values, vectors = np.linalg.eigh(choi)
    return list(np.maximum(values, 0)), [vector.reshape(2, 2).T for vector in vectors.T]


def _check(pe: float, t1: float, t2: float, tg: float) -> None:
    check_probability("pe", pe)
    for name, value in (("t1", t1), ("t2", t2)):
        if not value > 0:
            raise ValueError(f"{name} must be above 0, but was {value}.")
    if t2 > 2 * t1:
        raise ValueError(f"t2 must be at most 2 * t1, {2 * t1}, but was {t2}.")
    if tg < 0:
        raise ValueError(f"tg must be at least 0, but was {tg}.")


def _written_out(
    wires: tuple[int, ...], pe: Parameter, t1: Parameter, t2: Parameter, tg: Parameter
) -> tuple[Gate, ...]:
    return fixed("ThermalRelaxationError", _branches, wires, pe, t1, t2, tg)


CHANNELS.add(
    "ThermalRelaxationError",
    GateKind(1, decomposition=_written_out, several=4, strengths=("pe", "t1", "t2", "tg"), check=_check),
)
