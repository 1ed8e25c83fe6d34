"""Parameter-shift rules: exact on every trigonometric polynomial of their frequencies."""

import numpy as np
import pennylane as qml
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qproj.circuits.gates import GATES
from qproj.differentiation.shift_rules import shift_rule

RULES = {
    "two terms": (1.0,),
    "four terms": (0.5, 1.0),
    "equally spaced": (1.0, 2.0, 3.0, 4.0),
    "with gaps": (0.3, 1.0, 2.7),
    "in any order": (2.0, 0.5, 1.0),
    "close": (1.0, 1.01),
    "far apart": (0.01, 10.0),
}


def applied(rule, function, t):
    return sum(c * function(t + s) for c, s in zip(*rule, strict=True))


def check(frequencies, cosines, sines, t, tolerance):
    """The rule on `1.5 + sum_k (a_k cos(w_k t) + b_k sin(w_k t))` against the closed form."""
    w, a, b = np.array(frequencies), np.array(cosines), np.array(sines)
    found = applied(shift_rule(frequencies), lambda t: 1.5 + a @ np.cos(w * t) + b @ np.sin(w * t), t)
    wanted = w @ (b * np.cos(w * t) - a * np.sin(w * t))
    assert found == pytest.approx(wanted, abs=tolerance)


@pytest.mark.parametrize("frequencies", RULES.values(), ids=RULES)
def test_exact_on_trigonometric_polynomials(frequencies):
    rng = np.random.default_rng(3)
    # Rounding grows with the coefficients, which close frequencies make large.
    tolerance = 1e-14 * (1 + np.abs(shift_rule(frequencies)[0]).sum()) * 10
    for _ in range(20):
        a, b = rng.normal(size=(2, len(frequencies)))
        check(frequencies, a, b, rng.uniform(-7, 7), tolerance)


# Tenths that differ: distinct by enough that rounding stays small.
SETS = st.lists(st.integers(1, 40), min_size=1, max_size=5, unique=True)


@given(SETS, st.integers(0, 2**32 - 1), st.floats(-10, 10))
@settings(max_examples=200, derandomize=True)
def test_exact_for_any_frequencies(tenths, seed, t):
    frequencies = tuple(k / 10 for k in tenths)
    a, b = np.random.default_rng(seed).normal(size=(2, len(tenths)))
    tolerance = 1e-13 * (1 + np.abs(shift_rule(frequencies)[0]).sum())
    check(frequencies, a, b, t, tolerance)


def test_two_terms():
    coefficients, shifts = shift_rule((1.0,))
    np.testing.assert_allclose(coefficients, [0.5, -0.5], atol=1e-15)
    np.testing.assert_allclose(shifts, [np.pi / 2, -np.pi / 2], atol=1e-15)


def test_four_terms():
    """The rule for controlled rotations: Anselmetti et al. (2021), arXiv:2104.05695, equation 9."""
    coefficients, shifts = shift_rule((0.5, 1.0))
    near, far = (np.sqrt(2) + 1) / (4 * np.sqrt(2)), (np.sqrt(2) - 1) / (4 * np.sqrt(2))
    np.testing.assert_allclose(coefficients, [near, -far, -near, far], atol=1e-15)
    np.testing.assert_allclose(np.array(shifts) / np.pi, [0.5, 1.5, -0.5, -1.5], atol=1e-15)


@pytest.mark.parametrize("frequencies", RULES.values(), ids=RULES)
def test_agrees_with_pennylane(frequencies):
    coefficients, shifts = shift_rule(frequencies)
    ordered = tuple(sorted(frequencies))
    theirs = qml.gradients.generate_shift_rule(ordered, shifts=shifts[: len(shifts) // 2])
    ours = {round(s, 9): c for c, s in zip(coefficients, shifts, strict=True)}
    assert len(theirs) == len(ours)
    for coefficient, shift in theirs:
        assert ours[round(float(shift), 9)] == pytest.approx(float(coefficient), rel=1e-9)


def test_same_rule_as_pennylane_picks_for_our_gates():
    for frequencies in {GATES[name].frequencies for name in GATES} - {()}:
        theirs = qml.gradients.generate_shift_rule(frequencies)
        ours = np.array(shift_rule(frequencies)).T
        np.testing.assert_allclose(ours[np.argsort(ours[:, 1])], theirs[np.argsort(theirs[:, 1])], atol=1e-12)


def test_noise_is_as_small_as_it_can_be():
    """A derivative is at most the highest frequency times the largest value: no rule has a smaller sum."""
    for frequencies in [(1.0,), (0.5, 1.0), (1.0, 2.0, 3.0)]:
        assert np.abs(shift_rule(frequencies)[0]).sum() == pytest.approx(max(frequencies))


def test_found_once():
    assert shift_rule((0.5, 1.0)) is shift_rule((0.5, 1.0))


@pytest.mark.parametrize("frequencies", [(), (0.0,), (-1.0, 1.0), (1.0, 1.0), (float("nan"),), (np.inf,)])
def test_bad_frequencies(frequencies):
    with pytest.raises(ValueError, match="frequencies must be one or more positive numbers that all differ"):
        shift_rule(frequencies)
