"""Hands rounds that were measured elsewhere to pytest-benchmark: interleaved, or in another process.

Its fixture times one function at a time, so this fills in its statistics. The only place that knows how.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.grid import DIRECTIONS, Cell
from benchmarks.timing import Rounds, interleaved


def record(benchmark: Any, group: str, rounds: Rounds, **extra_info: object) -> None:
    """Report measured rounds as this test's.

    Args:
        benchmark: pytest-benchmark's fixture.
        group: The table that it stands in.
        rounds: The rounds.
        extra_info: What else is written to the JSON.
    """
    benchmark.group = group
    benchmark.extra_info.update(extra_info)
    benchmark._mode = "recorded"
    stats = benchmark._make_stats(rounds.iterations)
    for seconds in rounds.seconds:
        stats.update(seconds * rounds.iterations)


def ratio(slower: Rounds, faster: Rounds) -> dict[str, float]:
    """How many times longer one took than the other, round by round.

    Returns:
        The median of the rounds' ratios, their quartiles, and how many they were.
    """
    ratios = sorted(a / b for a, b in zip(slower.seconds, faster.seconds, strict=True))
    low, _, high = statistics.quantiles(ratios, n=4) if len(ratios) > 1 else ratios * 3
    return {"median": statistics.median(ratios), "low": low, "high": high, "rounds": len(ratios)}


def beside(
    benchmark: Any,
    kind: str,
    peer: str,
    cell: Cell,
    own: Callable[[], object],
    other: Callable[[], object],
    pace: Mapping[str, Any],
    direction: str = "forward",
    times: float = 1.0,
) -> None:
    """Time a peer and the layer in turn, and record both; a ratio above 1 says that the layer is faster.

    Args:
        benchmark: pytest-benchmark's fixture.
        kind: Of the benchmark.
        peer: Its name.
        cell: What is computed.
        own: What the layer does.
        other: What the peer does, or one of so many equal parts of it.
        pace: As `interleaved` takes it.
        direction: A key of `DIRECTIONS`.
        times: How many parts that are.
    """
    rounds, own_rounds = interleaved([other, own], **pace)
    rounds = rounds._replace(seconds=[times * seconds for seconds in rounds.seconds])
    where = {"kind": kind, "peer": peer, "cell": cell.as_dict(), "direction": direction}
    seconds = statistics.median(own_rounds.seconds)
    group = f"{kind}, {cell}, {DIRECTIONS[direction]}"
    record(benchmark, group, rounds, **where, layer_seconds=seconds, ratio=ratio(rounds, own_rounds))
