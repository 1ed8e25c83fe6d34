"""Inputs and weights of a program, with what several of its parts compute from them. JAX only."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import TypeVar

from jax import Array

Made = TypeVar("Made")


class Given:
    """Inputs and weights while a program is traced.

    XLA would find what is computed twice, but tracing, lowering and finding it take most of a first call.

    Args:
        inputs: `(n_features, batch)`.
        weights: `(n_weights,)`.
    """

    def __init__(self, inputs: Array, weights: Array) -> None:
        self.inputs, self.weights = inputs, weights
        self._made: dict[Hashable, tuple[object, object]] = {}

    def once(self, what: str, of: object, make: Callable[[], Made]) -> Made:
        """`make()`, or what it returned before for the same name and the same object."""
        key = what, id(of)
        if key not in self._made:
            self._made[key] = of, make()  # `of` is kept, so that no other object takes its id
        made: Made = self._made[key][1]  # type: ignore[assignment]
        return made

    def apart(self) -> Given:
        """The same inputs and weights, for a compiled loop, whose values must not leave it."""
        return Given(self.inputs, self.weights)
