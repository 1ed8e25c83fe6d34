"""A guard: `python -m benchmarks.compare OLD.json NEW.json...` fails where a ratio fell by more than 25 %.

Ratios, not times: two runs may be on different machines, or at different hours of a shared one. Each cell's
ratio is the layer against the peer that was fastest in OLD, and of several NEW the median: on a shared host a
single cell of a single run may be off by half. Vector instructions that only one of the
processors has move ratios, too: then check out OLD's commit and measure it on NEW's machine.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from statistics import median

from benchmarks.results import Result, ResultError, geometric_mean, load, ratio_of

FALL = 0.25


def compare(old: Result, new: Sequence[Result], fall: float = FALL) -> tuple[list[str], list[str]]:
    """Find what fell.

    Args:
        old: The result to hold on to.
        new: The results to judge, of one code on one machine; a cell that not all of them have counts where
            it was measured.
        fall: The part of a ratio that may be lost.

    Returns:
        A line for each cell that both have, and one for each that fell or is wrong now.

    Raises:
        ResultError: If they have no cell in common.
    """
    lines, fallen, changes = [], [], []
    latest = [{(c.cell, c.direction): c for c in one.comparisons()} for one in new]
    for before in old.comparisons():
        place, fastest = (before.cell, before.direction), before.fastest
        after = [cells[place] for cells in latest if place in cells]
        if fastest is None:
            continue
        where = f"{before.cell}, {before.direction}, against {fastest.peer}"
        if any(fastest.peer in one.wrong for one in after):
            fallen.append(f"{where}: results disagree now")
            continue
        measured = [ratio_of(one.peers[fastest.peer])["median"] for one in after if fastest.peer in one.peers]
        if not measured:
            continue
        was, now = ratio_of(fastest)["median"], median(measured)
        changes.append(now / was)
        line = f"{where}: {was:.2f} -> {now:.2f} ({now / was - 1:+.0%})"
        lines.append(line)
        if now < (1 - fall) * was:
            fallen.append(line)
    if not lines and not fallen:
        raise ResultError("OLD and NEW have no cell and peer in common, so there is nothing to compare")
    if changes:
        lines.append(f"all {len(changes)}: {geometric_mean(changes) - 1:+.0%} in the geometric mean")
    return lines, fallen


def vectors(result: Result) -> set[str]:
    """Vector instructions of the processor that it was measured on."""
    flags = result.machine.get("cpu", {}).get("flags", ())
    return {flag for flag in flags if flag.startswith(("avx", "amx", "asimd", "sve"))}


def main(arguments: list[str] | None = None) -> int:
    """Compare, print, and return the exit code: 1 where a ratio fell, 2 where a file is not a result."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compare", description=__doc__.splitlines()[0])
    parser.add_argument("old", type=Path, metavar="OLD.json")
    parser.add_argument("new", type=Path, metavar="NEW.json", nargs="+")
    given = parser.parse_args(arguments)
    try:
        old, new = load(given.old), [load(path) for path in given.new]
        lines, fallen = compare(old, new)
    except ResultError as error:
        print(f"compare: {error}", file=sys.stderr)
        return 2
    print("\n".join(lines))
    if differing := sorted(set().union(*(vectors(old) ^ vectors(one) for one in new))):
        print(
            f"compare: note: only one of the processors has {', '.join(differing)}, which moves ratios; "
            f"measure OLD's commit {old.commit.get('id', '')[:7]} on NEW's machine before you believe them",
            file=sys.stderr,
        )
    for line in fallen:
        print(f"compare: fell by more than {FALL:.0%}: {line}", file=sys.stderr)
    return int(bool(fallen))


if __name__ == "__main__":
    sys.exit(main())
