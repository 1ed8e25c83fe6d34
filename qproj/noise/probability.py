"""What every family of channels shares: probabilities and Pauli matrices."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

PAULIS: npt.NDArray[np.complex128] = np.array(
    [[[1, 0], [0, 1]], [[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]]
)


def check_probability(name: str, value: float) -> None:
    """Raise ValueError where a number is no probability."""
    if not 0 <= value <= 1:
        raise ValueError(f"{name} must be a probability, in [0, 1], but was {value}.")
