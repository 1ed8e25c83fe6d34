"""How an angle depends on inputs and weights, read off torch's derivatives at one point."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from qproj.circuits.gates import Constant, InputSlot, Parameter, WeightSlot

# Of sums and products: how many roundings they are taken to be away from exact.
_TOLERANCE = 32
# Generous to double precision; half precision is none: what it rounds off shows in the layer's outputs.
_DOUBLE, _SINGLE = 2.0**-42, 2.0**-23


@dataclass(frozen=True)
class Formula:
    """`constant + linear . x + x . quadratic x / 2 + of_weights . weights`, an angle in radians.

    Attributes:
        constant: A number.
        linear: `(n_inputs,)`.
        quadratic: `(n_inputs, n_inputs)`, symmetric.
        of_weights: `(n_weights,)`.

    All of them are in double precision.
    """

    constant: float
    linear: Tensor
    quadratic: Tensor
    of_weights: Tensor

    @classmethod
    def of(cls, angle: Tensor, x: Tensor, weights: Tensor, precision: float = _DOUBLE) -> Formula:
        """The one formula that has an angle's value and derivatives at one point.

        Args:
            angle: Without dimensions.
            x: Inputs `(n_inputs,)` that the angle was computed from.
            weights: `(n_weights,)`, likewise.
            precision: Of the numbers that it was computed with.

        Returns:
            The formula; whether it holds elsewhere is for `agrees` to tell.
        """
        slope, of_weights = gradients(angle, x, weights)
        quadratic = torch.stack([gradients(entry, x, weights)[0] for entry in slope]).detach()
        value, x, weights, slope, quadratic, of_weights = (
            t.detach().double() for t in (angle, x, weights, slope, quadratic, of_weights)
        )
        linear = slope - quadratic @ x
        constant = value - linear @ x - x @ quadratic @ x / 2 - of_weights @ weights
        size = cls(value.item(), slope, quadratic, of_weights).size(x, weights)
        constant = torch.where(constant.abs() <= _allowed(precision, 1 + size), 0.0, constant)
        linear, quadratic, of_weights = (
            torch.where(t.abs() <= _allowed(precision, float(of.abs().sum())), 0.0, t)
            for t, of in ((linear, slope), (quadratic, quadratic), (of_weights, of_weights))
        )
        return cls(constant.item(), linear, quadratic, of_weights)

    def agrees(self, angle: Tensor, x: Tensor, weights: Tensor, precision: float = _DOUBLE) -> bool:
        """Whether the formula gives this angle at this point, computed with numbers of this precision."""
        angle, x, weights = (t.detach().double() for t in (angle, x, weights))
        value = self.constant + self.linear @ x + x @ self.quadratic @ x / 2 + self.of_weights @ weights
        return bool((value - angle).abs() <= _allowed(precision, 1 + self.size(x, weights)))

    def size(self, x: Tensor, weights: Tensor) -> float:
        """The sum of the terms' sizes, which rounding errors go by: terms may cancel."""
        x = x.abs()
        terms = self.linear.abs() @ x + x @ self.quadratic.abs() @ x + self.of_weights.abs() @ weights.abs()
        return abs(self.constant) + float(terms)

    def terms(self) -> list[Parameter]:
        """Parameters that add up to the angle; at least one."""
        return list(self._nonzero()) or [Constant(0.0)]

    def _nonzero(self) -> Iterator[Parameter]:
        for i in self.linear.nonzero().flatten().tolist():
            yield InputSlot(i, float(self.linear[i]))
        for i, j in self.quadratic.triu().nonzero().tolist():
            yield InputSlot(i, float(self.quadratic[i, j]) / (2 if i == j else 1), times=j)
        for k in self.of_weights.nonzero().flatten().tolist():
            yield WeightSlot(k, float(self.of_weights[k]))
        if self.constant:
            yield Constant(self.constant)


def _allowed(precision: float, size: float) -> float:
    """The rounding error of a sum whose terms' sizes add up to `size`."""
    return _TOLERANCE * min(max(precision, _DOUBLE), _SINGLE) * size


def gradients(value: Tensor, x: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """Derivatives for inputs and weights, to be differentiated again; zeros where there is no way to them."""
    found: tuple[Any, ...] = (None, None)
    if value.requires_grad:
        found = torch.autograd.grad(
            value, (x, weights), create_graph=True, retain_graph=True, allow_unused=True
        )
    by_x, by_weights = (
        torch.zeros_like(t) if g is None else g for g, t in zip(found, (x, weights), strict=True)
    )
    return by_x, by_weights
