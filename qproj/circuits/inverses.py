"""The gates that undo others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from qproj.circuits.gates import Gate, lower, times


def inverse(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """The gates that undo some gates, in their order, with the same slots; a global phase may be left.

    Args:
        gates: Unitary ones.
    """
    return tuple(undone for gate in reversed(gates) for undone in _inverse(gate))


def _inverse(gate: Gate) -> tuple[Gate, ...]:
    """The gates that undo one, in their order."""
    kind = gate.kind
    if gate.parameter is not None and not isinstance(gate.parameter, tuple) and not kind.written_out:
        return (replace(gate, parameter=times(gate.parameter, -1.0)),)
    matrix: Any = None if gate.unitary is None else np.array(gate.unitary).conj().T
    if gate.matrix is not None:
        return (replace(gate, matrix=matrix),)
    if kind.matrix is not None:
        same = np.allclose(matrix, kind.matrix)
        return (gate,) if same else (Gate("QubitUnitary", gate.wires, matrix=matrix),)
    if kind.permutation is not None and all(
        kind.permutation[to] == i for i, to in enumerate(kind.permutation)
    ):
        return (gate,)
    if gate.name in _OWN_INVERSES:
        return (gate,)
    parts = kind.decomposition(gate.wires, *gate.parameters) if kind.decomposition else lower([gate])
    return inverse(parts)


# Of those that are products of others.
_OWN_INVERSES = {"CY", "CZ", "CH", "CCZ"}
