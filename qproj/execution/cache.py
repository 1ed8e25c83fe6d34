"""One cache for all that is compiled. It holds circuits, each with its programs, up to one bound.

Whoever compiles something of a circuit keeps it here and nowhere else: a circuit that is given up takes
all its programs with it, whatever door they were compiled for.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from qproj.circuits.circuit import Circuit

P = ParamSpec("P")
T = TypeVar("T")

# Compiled programs of a small circuit, forward and backward, take about 6 MiB.
CIRCUITS = 64


class Cache:
    """What was made of each circuit.

    Args:
        limit: Circuits that are kept at most; those longest unused are given up first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._made: OrderedDict[Circuit, dict[Any, Any]] = OrderedDict()
        self.emptied_with_it: list[Callable[[], None]] = []

    def of(self, circuit: Circuit) -> dict[Any, Any]:
        """What was made of this circuit, to add to."""
        try:
            made = self._made[circuit]
            self._made.move_to_end(circuit)
        except KeyError:  # new, or given up by another thread at this moment
            made = self._made.setdefault(circuit, {})
            while len(self._made) > self._limit:
                self._made.popitem(last=False)
        return made

    def clear(self) -> None:
        """Give up everything, and the pool of buffers."""
        self._made.clear()
        for empty in self.emptied_with_it:
            empty()


_CACHE = Cache(CIRCUITS)


def remembered(function: Callable[Concatenate[Circuit, P], T]) -> Callable[Concatenate[Circuit, P], T]:
    """Call a function of a circuit once for equal arguments, as long as the circuit is in the cache."""

    @functools.wraps(function)
    def found(circuit: Circuit, /, *args: P.args, **kwargs: P.kwargs) -> T:
        made = _CACHE.of(circuit)
        key = (function, args, *kwargs.items())
        try:
            result: T = made[key]
        except KeyError:
            result = made[key] = function(circuit, *args, **kwargs)
        return result

    setattr(found, "cache_clear", clear_caches)  # noqa: B010 (as functools.lru_cache has it)
    return found


def clear_caches() -> None:
    """Free compiled programs and the buffers kept for reuse; circuits compile again at their next run."""
    _CACHE.clear()


def empty_with_caches(empty: Callable[[], None]) -> None:
    """Have a function called by `clear_caches`."""
    _CACHE.emptied_with_it.append(empty)
