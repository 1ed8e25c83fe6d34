"""Zero-noise extrapolation: circuits made longer on purpose, and what their values say of no noise.

Giurgica-Tiron, Hindy, LaRose, Mari and Zeng, "Digital zero noise extrapolation for quantum error mitigation"
(2020), arXiv:2005.10921. Formulas take numbers or arrays of any library, and are differentiable where those
are: a value is one of a scale, for example a tensor `(batch, n_outputs)`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.circuits.inverses import inverse


def fold(circuit: Circuit, scale: int) -> Circuit:
    """A circuit `U` as `U (U^dagger U)^k`, which does the same and has `scale = 2 k + 1` times the gates.

    Args:
        circuit: The circuit; what prepares amplitudes is not folded.
        scale: Odd, at least 1.

    Returns:
        A circuit of the same inputs, outputs and weights, the latter in one dimension.

    Raises:
        ValueError: If the scale is not an odd number, or the circuit has noise in it, which has no inverse.
    """
    if scale < 1 or scale % 2 != 1:
        raise ValueError(f"scale must be an odd number, at least 1, but was {scale}.")
    if circuit.channels:
        raise ValueError("circuit must be free of noise to be folded, but had channels: fold it first.")
    again = (*inverse(circuit.gates), *circuit.gates)
    return circuit.with_gates(circuit.gates + (scale - 1) // 2 * again)


def extrapolate(
    run: Callable[[Circuit], Any],
    circuit: Circuit,
    scales: Sequence[int] = (1, 3, 5),
    fit: Callable[..., Any] | None = None,
) -> Any:
    """Estimate what a noisy device would give without its noise.

    Args:
        run: Runs a circuit with noise, for example as docs/noise.md does.
        circuit: The circuit.
        scales: By which it is folded.
        fit: `richardson`, the default, or `exponential`.

    Returns:
        The value at noise of scale 0, such as `run` gives.
    """
    return (fit or richardson)(scales, [run(fold(circuit, scale)) for scale in scales])


def richardson(scales: Sequence[float], values: Sequence[Any]) -> Any:
    """The polynomial through all values, at 0: Richardson's extrapolation.

    Args:
        scales: Of the noise, all different, at least one.
        values: One of each scale.

    Raises:
        ValueError: If scales are equal, or there are not as many as values.
    """
    _check(scales, values, least=1)
    return sum(w * value for w, value in zip(_lagrange(scales), values, strict=True))


def exponential(scales: Sequence[float], values: Sequence[Any], asymptote: float = 0.0) -> Any:
    """The exponential `asymptote + a exp(-b scale)` with the least squared error of logarithms, at 0.

    Args:
        scales: Of the noise, all different, at least two.
        values: One of each scale; all on one side of the asymptote.
        asymptote: The value at infinite noise; 0 for Pauli words and noise that mixes.

    Raises:
        ValueError: If scales are equal, or there are not as many as values.
    """
    _check(scales, values, least=2)
    # The intercept of a line through logarithms is a weighted sum of them: here a product of powers.
    away = [value - asymptote for value in values]
    sign = away[0] / abs(away[0])
    return asymptote + sign * math.prod(abs(v) ** w for v, w in zip(away, _intercept(scales), strict=True))


def _lagrange(scales: Sequence[float]) -> list[float]:
    return [math.prod(other / (other - s) for other in scales if other != s) for s in scales]


def _intercept(scales: Sequence[float]) -> list[float]:
    """Weights of values in the intercept of the line of least squares."""
    x = np.array(scales, float)
    return list((1 / len(x) - (x - x.mean()) * x.mean() / ((x - x.mean()) ** 2).sum()).tolist())


def _check(scales: Sequence[float], values: Sequence[Any], least: int) -> None:
    if len(set(scales)) < max(least, len(scales)) or len(scales) != len(values):
        raise ValueError(
            f"scales must be at least {least} different numbers, as many as values, but were {tuple(scales)} "
            f"for {len(values)} values."
        )
