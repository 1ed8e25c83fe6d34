"""Parameter-shift rules: exact derivatives from a few values of the function itself.

An expectation value, as a function of one gate's angle, is a trigonometric polynomial whose frequencies are
the differences of the eigenvalues of the gate's generator. Its derivative is a fixed combination of values at
shifted angles. From Wierichs, Izaac, Wang and Lin, "General parameter-shift rules for quantum gradients"
(2022), arXiv:2107.12390.
"""

from __future__ import annotations

import functools
import math

import numpy as np


@functools.cache
def shift_rule(frequencies: tuple[float, ...]) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Find the rule for a set of frequencies.

    For every `f(t) = a_0 + sum_k (a_k cos(w_k t) + b_k sin(w_k t))` with these frequencies `w_k`,
    `f'(t) = sum_i coefficients[i] * f(t + shifts[i])`, exactly. `(1.0,)` gives the two-term rule,
    `(0.5, 1.0)` the four-term rule of controlled rotations.

    Args:
        frequencies: The `w_k`, in 1 / radian: positive and all different, at least one.

    Returns:
        Coefficients in 1 / radian and shifts in radians, `2 * len(frequencies)` of each.

    Raises:
        ValueError: If the frequencies are not positive numbers that all differ, or there are none.
    """
    positive = all(math.isfinite(w) and w > 0 for w in frequencies)
    if not frequencies or not positive or len(set(frequencies)) < len(frequencies):
        raise ValueError(
            f"frequencies must be one or more positive numbers that all differ, but were {frequencies}."
        )
    omega = np.array(frequencies, np.float64)
    # Odd multiples of a quarter turn at the highest frequency. sin((2m + 1) u) is sin(u) times a polynomial
    # of degree m in cos(u)**2, and the u = w_k s_0 in (0, pi / 2] all differ: the system below, a Vandermonde
    # matrix in disguise, always has a solution. For equally spaced frequencies these are the shifts that keep
    # the sum of the coefficients' sizes, and so the sampling noise, smallest.
    shifts = (2 * np.arange(len(omega)) + 1) * math.pi / (2 * omega.max())
    # (f(s) - f(-s)) / 2 = sum_k b_k sin(w_k s) is to become f'(0) = sum_k b_k w_k.
    halves = np.linalg.solve(np.sin(np.outer(omega, shifts)), omega) / 2
    return (*halves.tolist(), *(-halves).tolist()), (*shifts.tolist(), *(-shifts).tolist())
