"""The cache of compiled programs: circuits, each with all its programs, evicted together.

Whatever is compiled for a circuit is cached here and nowhere else.
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
    """Values by circuit.

    Args:
        limit: Circuits that are kept at most; the least recently used are evicted first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._made: OrderedDict[Circuit, dict[Any, Any]] = OrderedDict()
        # A layer asks for the same circuit at every call.
        self._last: tuple[Circuit, dict[Any, Any]] | None = None
        self.on_clear: list[Callable[[], None]] = []

    def of(self, circuit: Circuit) -> dict[Any, Any]:
        """The values of a circuit, to add to."""
        last = self._last
        if last is not None and last[0] is circuit:
            return last[1]
        try:
            made = self._made[circuit]
            self._made.move_to_end(circuit)
        except KeyError:  # new, or evicted by another thread just now
            made = self._made.setdefault(circuit, {})
            while len(self._made) > self._limit:
                self._made.popitem(last=False)
        self._last = circuit, made
        return made

    def clear(self) -> None:
        """Evict everything, and call what was registered by `on_clear`."""
        self._last = None
        self._made.clear()
        for callback in self.on_clear:
            callback()


_CACHE = Cache(CIRCUITS)


def cached_by_circuit(function: Callable[Concatenate[Circuit, P], T]) -> Callable[Concatenate[Circuit, P], T]:
    """Decorate a function of a circuit so that results are cached by circuit and arguments."""

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


def on_clear(callback: Callable[[], None]) -> None:
    """Register a function for `clear_caches` to call."""
    _CACHE.on_clear.append(callback)
