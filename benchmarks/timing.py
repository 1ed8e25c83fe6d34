"""Measured seconds, in interleaved rounds, so that drift of a shared machine hits all sides alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

PATIENCE = 1.0  # seconds a call may take before it is measured less often
_AT_MOST = 10.0  # seconds a call may take to be measured a second time
_WARMED = 0.1  # seconds a call may take to be made once more before each round
_ROUND = 0.04  # seconds that a round takes at least, so that the clock's grain does not count


class Rounds(NamedTuple):
    """What was measured of one side.

    Attributes:
        seconds: Of one call, in each round.
        iterations: Calls in a round.
    """

    seconds: list[float]
    iterations: int


def interleaved(
    calls: Sequence[Callable[[], Any]],
    min_rounds: int = 5,
    max_time: float = 1.0,
    longest_round: float = _ROUND,
) -> list[Rounds]:
    """Time calls in turn: a round of the first, of the second, and so on, then again.

    A round begins with a call that is not counted, unless that takes long: what ran before has left the
    caches full of its own, and threads that still spin.

    Args:
        calls: What is timed; each has been called before, so that it is compiled.
        min_rounds: Rounds at least, where no call takes over `PATIENCE`; then a third of them, and one where
            a call takes over ten seconds.
        max_time: Seconds after which no further round begins.
        longest_round: Seconds that many quick calls are gathered to.

    Returns:
        The rounds of each call, as many of one as of the other.
    """
    once = [_settled(call) for call in calls]
    iterations = [max(1, min(1000, int(longest_round / max(taken, 1e-7)))) for taken in once]
    slowest = max(once)
    if slowest > _AT_MOST:
        return [Rounds([taken], 1) for taken in once]
    least = min_rounds if slowest <= PATIENCE else max(1, min_rounds // 3)
    found: list[list[float]] = [[] for _ in calls]
    began = time.perf_counter()
    while len(found[0]) < least or time.perf_counter() - began < max_time:
        for seconds, call, count, taken in zip(found, calls, iterations, once, strict=True):
            if taken <= _WARMED:
                _seconds(call, 1)
            seconds.append(_seconds(call, count))
    return [Rounds(seconds, count) for seconds, count in zip(found, iterations, strict=True)]


def _settled(call: Callable[[], Any]) -> float:
    """Seconds of a second call, or of the first if that takes long."""
    first = _seconds(call, 1)
    return first if first > PATIENCE else _seconds(call, 1)


def _seconds(call: Callable[[], Any], count: int) -> float:
    """Seconds of one call, over `count` of them, without the garbage collector."""
    collects = gc.isenabled()
    gc.disable()
    try:
        began = time.perf_counter()
        for _ in range(count):
            call()
        return (time.perf_counter() - began) / count
    finally:
        if collects:
            gc.enable()
