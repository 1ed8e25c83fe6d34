"""Differentiation from kept states: adjoint's walk back, with the states that forward passed through at hand.

One of adjoint's two walks is saved, for memory that grows with the number of layers.
"""

from __future__ import annotations

from qproj.differentiation.adjoint import Adjoint


class Backprop(Adjoint):
    """Forward and backward of a circuit; see `Adjoint`."""

    keeps_states = True
    in_place = False
