"""Hands rounds that were measured elsewhere to pytest-benchmark: interleaved, or in another process.

Its fixture times one function at a time, so this fills in its statistics. The only place that knows how.
"""

from __future__ import annotations

import statistics
from typing import Any

from benchmarks.timing import Rounds


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
