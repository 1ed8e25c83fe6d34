"""Angles that are sums of symbols, as circuits of other programs have them, and slots in their place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from qproj.circuits.gates import Gate
from qproj.circuits.parameters import Constant, InputSlot, Parameter, WeightSlot


@dataclass(frozen=True)
class Sum:
    """A polynomial in symbols.

    Attributes:
        terms: The factor of each product of symbols; their names are sorted, and none stand for a constant.
    """

    terms: Mapping[tuple[str, ...], float]

    @classmethod
    def of(cls, value: float | str) -> Sum:
        """A number, or a symbol by its name."""
        return cls({(value,): 1.0} if isinstance(value, str) else {(): float(value)})

    @property
    def number(self) -> float | None:
        """The number it is, or `None` where symbols are in it."""
        return None if any(self.terms) else self.terms.get((), 0.0)

    def __add__(self, other: Sum) -> Sum:
        total = dict(self.terms)
        for symbols, factor in other.terms.items():
            total[symbols] = total.get(symbols, 0.0) + factor
        return Sum(_nonzero(total))

    def __mul__(self, other: Sum) -> Sum:
        total: dict[tuple[str, ...], float] = {}
        for left, one in self.terms.items():
            for right, two in other.terms.items():
                symbols = tuple(sorted(left + right))
                total[symbols] = total.get(symbols, 0.0) + one * two
        return Sum(_nonzero(total))

    def __neg__(self) -> Sum:
        return self * Sum.of(-1.0)

    def __str__(self) -> str:
        terms = ["*".join([f"{factor:.6g}", *symbols]) for symbols, factor in self.terms.items()]
        return " + ".join(terms) or "0"


class Symbols:
    """Which symbols of a circuit are inputs, and which are weights.

    Args:
        names: All symbols, in their order.
        input_params: Names of the inputs, in the order of their columns. Where it is `None`, all that are no
            weights; and where both are, `x0`, `x1`, ... are inputs and `w0`, `w1`, ... weights.
        weight_params: Names of the weights, likewise.

    Raises:
        ValueError: If a name is in neither, in both, or unknown.
    """

    def __init__(
        self,
        names: Sequence[str],
        input_params: Iterable[str] | None = None,
        weight_params: Iterable[str] | None = None,
    ) -> None:
        if input_params is None and weight_params is None:
            self.inputs, self.weights = _by_name(names)
            return
        given = [None if p is None else [str(n) for n in p] for p in (input_params, weight_params)]
        inputs, weights = (
            [name for name in names if name not in (given[1 - i] or ())] if part is None else part
            for i, part in enumerate(given)
        )
        both = [*inputs, *weights]
        for name in both:
            if both.count(name) > 1 or name not in names:
                problem = "twice" if name in names else f"not among {', '.join(names) or 'none'}"
                raise ValueError(
                    f"input_params and weight_params must hold each symbol once, but {name!r} was {problem}."
                )
        left = [name for name in names if name not in both]
        if left:
            raise ValueError(f"input_params and weight_params must hold all symbols, but not {left[0]!r}.")
        self.inputs = {name: place for place, name in enumerate(inputs)}
        self.weights = {name: place for place, name in enumerate(weights)}

    def gates(self, name: str, wires: Iterable[int], angle: Sum | None) -> list[Gate]:
        """A gate; for an angle that is a sum, one for each of its terms: they turn about the same axis.

        Raises:
            ValueError: If a term is neither a constant, nor a multiple of an input, of a product of two
                inputs, or of a weight.
        """
        on = tuple(wires)
        if angle is None:
            return [Gate(name, on)]
        terms = angle.terms or {(): 0.0}
        return [Gate(name, on, self._parameter(angle, *term)) for term in terms.items()]

    def _parameter(self, angle: Sum, symbols: tuple[str, ...], factor: float) -> Parameter:
        if not symbols:
            return Constant(factor)
        if len(symbols) == 1 and symbols[0] in self.weights:
            return WeightSlot(self.weights[symbols[0]], factor)
        if len(symbols) <= 2 and all(symbol in self.inputs for symbol in symbols):
            index, *times = sorted(self.inputs[symbol] for symbol in symbols)
            return InputSlot(index, factor, *times)
        raise ValueError(
            "angles must be sums of constants, multiples of inputs, of products of two inputs, and of "
            f"weights, but one was {angle}."
        )


def _by_name(names: Sequence[str]) -> tuple[dict[str, int], dict[str, int]]:
    found: tuple[dict[str, int], dict[str, int]] = {}, {}
    for name in names:
        if not re.fullmatch(r"[xw](\[\d+\]|0|[1-9]\d*)", name):
            raise ValueError(
                f"input_params must name the symbols that are inputs, but was None, and {name!r} is neither "
                "x0, x1, ... nor w0, w1, ... Give input_params=[...] or weight_params=[...]; symbols that "
                "are not in the one are taken to be in the other."
            )
        found["xw".index(name[0])][name] = int(name[1:].strip("[]"))
    return found


def _nonzero(terms: Mapping[tuple[str, ...], float]) -> dict[tuple[str, ...], float]:
    return {symbols: factor for symbols, factor in terms.items() if factor}
