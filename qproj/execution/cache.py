"""The cache of compiled programs: circuits, each with all its programs, evicted together.

Whatever is compiled for a circuit is cached here and nowhere else.
"""

from __future__ import annotations

import functools
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

from qproj.circuits.circuit import Circuit
from qproj.memory import memory_budget

P = ParamSpec("P")
T = TypeVar("T")

# All that is compiled, beside the pool of buffers.
LIMIT = min(memory_budget(), 1 << 30)


def estimated_bytes(circuit: Circuit, entries: int) -> int:
    """About what so many compiled entries of a circuit take.

    XLA does not tell. Resident memory grew by 8 MiB for a training step of 2 qubits, forward and backward,
    by 11 for 4, 27 for 8 and 30 for 12, whatever the number of layers.
    """
    return entries * (2 + circuit.n_qubits) << 20


class Cache:
    """Values by circuit.

    Args:
        limit: Bytes, as estimated, that are kept at most; the circuits used least recently are evicted first,
            all but the last.
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
        self._last = circuit, made
        return made

    def evict(self) -> None:
        """Keep to the limit."""
        while self.n_bytes > self._limit and len(self._made) > 1:
            self._made.popitem(last=False)

    @property
    def n_bytes(self) -> int:
        """About what is kept."""
        return sum(estimated_bytes(circuit, len(made)) for circuit, made in list(self._made.items()))

    def clear(self) -> None:
        """Evict everything, and call what was registered by `on_clear`."""
        self._last = None
        self._made.clear()
        for callback in self.on_clear:
            callback()


_CACHE = Cache(LIMIT)


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
            _CACHE.evict()
        return result

    setattr(found, "cache_clear", clear_caches)  # noqa: B010 (as functools.lru_cache has it)
    return found


def clear_caches() -> None:
    """Free compiled programs and the buffers kept for reuse; circuits compile again at their next run."""
    _CACHE.clear()


def on_clear(callback: Callable[[], None]) -> None:
    """Register a function for `clear_caches` to call."""
    _CACHE.on_clear.append(callback)
