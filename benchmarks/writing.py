"""How tables and figures are written in a report."""

from __future__ import annotations

from collections.abc import Iterable

from benchmarks.grid import TITLES, Cell
from benchmarks.results import Row, ratio_of

_PREFIXES = {1e-9: "ns", 1e-6: "us", 1e-3: "ms", 1.0: "s"}


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *([str(entry) for entry in row] for row in rows)]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def time(seconds: float) -> str:
    """Seconds for people, three digits."""
    unit = max((u for u in _PREFIXES if u <= seconds), default=1e-9)
    value = seconds / unit
    return f"{value:.{max(0, 2 - len(str(int(value))) + 1)}f} {_PREFIXES[unit]}"


def number(value: float) -> str:
    """A plain number for people: two digits or, beyond 100, all before the point."""
    return f"{value:.{0 if value >= 9.95 else 1 if value >= 0.995 else 2}f}"


def spread(row: Row) -> str:
    """A median with its quartiles."""
    return f"{time(row.median)} ({time(row.low)} to {time(row.high)})"


def times(row: Row) -> str:
    """A ratio with its quartiles."""
    ratio = ratio_of(row)
    return f"{number(ratio['median'])} ({number(ratio['low'])} to {number(ratio['high'])})"


def size(cell: Cell) -> list[object]:
    """The columns that say which cell a row is about."""
    return [TITLES[cell.workload], cell.n_qubits, cell.n_layers, cell.batch, cell.dtype]


SIZE = ["circuit", "qubits", "layers", "batch", "dtype"]
