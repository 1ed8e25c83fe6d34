"""Angles of gates: constants, inputs and weights. And what plain numbers are made of those that come in."""

from __future__ import annotations

import math
import operator
from collections.abc import Iterable
from dataclasses import dataclass
from numbers import Real
from typing import Any


def real(name: str, value: Any) -> float:
    """A finite real number as a Python float, whatever library it is from.

    Args:
        name: Of the argument it came in.
        value: The number; arrays without dimensions are numbers as well.

    Returns:
        The float.

    Raises:
        TypeError: If it is no real number, or one that has a gradient, which would be lost.
        ValueError: If it is infinite or not a number.
    """
    if getattr(value, "requires_grad", False):
        raise TypeError(
            f"{name} must be a constant, but was a tensor that requires a gradient. What is to be trained is "
            "a qproj.WeightSlot; for a constant, pass value.item()."
        )
    plain = value.item() if getattr(value, "shape", None) == () else value
    if isinstance(plain, bool) or not isinstance(plain, Real):
        raise TypeError(f"{name} must be a real number, but was {value!r} ({type(value).__name__}).")
    if not math.isfinite(plain):
        raise ValueError(f"{name} must be a finite number, but was {plain!r}.")
    return float(plain)


def integer(name: str, value: Any) -> int:
    """An integer as a Python int, whatever library it is from.

    Args:
        name: Of the argument it came in.
        value: The number.

    Returns:
        The int.

    Raises:
        TypeError: If it is no integer, or a truth value.
    """
    try:
        if isinstance(value, bool):
            raise TypeError
        return operator.index(value)
    except TypeError:
        raise TypeError(f"{name} must be an int, but was {value!r} ({type(value).__name__}).") from None


def count(name: str, value: Any) -> int:
    """A number of things, at least 1, as a Python int; errors as `integer`, and ValueError below 1."""
    number = integer(name, value)
    if number < 1:
        raise ValueError(f"{name} must be at least 1, but was {number}.")
    return number


def wires_of(name: str, value: Any) -> tuple[int, ...]:
    """Wires as a tuple of Python ints, so that equal wires are one key whatever library they are from.

    Args:
        name: Of the argument they came in.
        value: One wire, or any sequence of them.

    Returns:
        The wires, none of them twice and none below 0.

    Raises:
        TypeError: If they are not integers.
        ValueError: If a wire is there twice, or below 0.
    """
    single = not isinstance(value, Iterable) or getattr(value, "shape", None) == ()
    try:
        wires = tuple(integer(name, wire) for wire in ((value,) if single else value))
    except TypeError:
        raise TypeError(f"{name} must be ints from 0, but were {value!r} ({type(value).__name__}).") from None
    if len(set(wires)) != len(wires):
        raise ValueError(f"{name} must be different wires, but were {wires}.")
    if min(wires, default=0) < 0:
        raise ValueError(f"{name} must be ints from 0, but were {wires}.")
    return wires


@dataclass(frozen=True)
class Constant:
    """A fixed angle, in radians.

    Attributes:
        value: The angle.

    Raises:
        TypeError: If it is not a real number.
        ValueError: If it is infinite or not a number.
    """

    value: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "value", real("value of a Constant", self.value))

    def __str__(self) -> str:
        return f"{self.value:.3g}"


@dataclass(frozen=True)
class InputSlot:
    """The angle `scale * inputs[index]`, or `scale * inputs[index] * inputs[times]`: one value per sample.

    Attributes:
        index: Of the input, from 0.
        scale: A real factor.
        times: Of the input that it is multiplied by, or `None`.

    Raises:
        TypeError: If an index is not an integer, or the factor is not a real number.
        ValueError: If an index is below 0, or the factor is not finite.
    """

    index: int
    scale: float = 1.0
    times: int | None = None

    def __post_init__(self) -> None:
        _normalise_slot(self)
        if self.times is not None:
            object.__setattr__(self, "times", _index("times", self.times))

    def __str__(self) -> str:
        product = f"x{self.index}" if self.times is None else f"x{self.index}*x{self.times}"
        return _scaled(product, self.scale)


@dataclass(frozen=True)
class WeightSlot:
    """The angle `scale * weights.flatten()[index]`: one value for the whole batch.

    Attributes:
        index: Of the weight, from 0.
        scale: A real factor.

    Raises:
        TypeError: If the index is not an integer, or the factor is not a real number.
        ValueError: If the index is below 0, or the factor is not finite.
    """

    index: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        _normalise_slot(self)

    def __str__(self) -> str:
        return _scaled(f"w{self.index}", self.scale)


Parameter = Constant | InputSlot | WeightSlot


def _normalise_slot(slot: InputSlot | WeightSlot) -> None:
    object.__setattr__(slot, "index", _index("index", slot.index))
    object.__setattr__(slot, "scale", real("scale of a slot", slot.scale))


def _index(name: str, value: Any) -> int:
    index = integer(f"{name} of a slot", value)
    if index < 0:
        raise ValueError(f"{name} of a slot must be at least 0, but was {index}.")
    return index


def _scaled(symbol: str, scale: float) -> str:
    return symbol if scale == 1.0 else f"{scale:.3g}*{symbol}"
