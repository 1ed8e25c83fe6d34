"""What every family of channels shares: probabilities, Pauli matrices, and Kraus operators of branches."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

Complexes = npt.NDArray[np.complex128]

PAULIS: Complexes = np.array([[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]])


def check_probability(name: str, value: float) -> None:
    """Raise ValueError where a number is no probability."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability, in [0, 1], but was {value}.")


def kraus(branches: Any, *strengths: Any) -> Complexes:
    """Kraus operators `(n, d, d)` of a channel, those of probability 0 left out.

    Args:
        branches: Of the channel's `GateKind`.
        strengths: Its strengths, or the matrices of a `"QubitChannel"`.
    """
    weights, matrices = branches(np, *strengths)
    some = [
        np.sqrt(w) * np.asarray(m, np.complex128) for w, m in zip(weights, matrices, strict=True) if w > 0
    ]
    return np.array(some)
