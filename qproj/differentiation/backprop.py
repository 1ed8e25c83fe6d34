"""Backpropagation: the backward sweep of adjoint, with the states of forward kept instead of recomputed.

It saves one of adjoint's two state updates, for memory that grows with the number of layers.
"""

from __future__ import annotations

from qproj.differentiation.adjoint import Adjoint


class Backprop(Adjoint):
    """Forward and backward of a circuit; see `Adjoint`."""

    keeps_states = True
    in_place = False
