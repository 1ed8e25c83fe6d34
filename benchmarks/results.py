"""Reads a result: the JSON that ``pytest --benchmark-only --benchmark-json RESULT.json`` writes."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from benchmarks.grid import Cell

SUITE = "qproj benchmarks"
OWN = "qproj"


class ResultError(ValueError):
    """The file is not a result of this suite."""


@dataclass(frozen=True)
class Row:
    """One benchmark: seconds of a call, and what was written down beside them.

    Attributes:
        kind: Which kind of benchmark: `"layer"`, `"strategy"`, `"caption"` and so on.
        name: Of the test, without what is in brackets.
        median, low, high: Seconds: the median and the quartiles of the rounds.
        rounds: How many there were.
        info: What the test wrote down.
    """

    kind: str
    name: str
    median: float
    low: float
    high: float
    rounds: int
    info: dict[str, Any] = field(repr=False)

    @property
    def peer(self) -> str:
        """Who was measured."""
        return str(self.info.get("peer", OWN))

    @property
    def direction(self) -> str:
        """`"forward"` or `"both"`."""
        return str(self.info.get("direction", "both"))

    @cached_property
    def cell(self) -> Cell:
        """Of what."""
        return Cell(**self.info["cell"])


@dataclass(frozen=True)
class Comparison:
    """The layer against its peers in one cell, in one direction.

    Attributes:
        cell: The cell.
        direction: `"forward"` or `"both"`.
        own: The layer's row.
        peers: Rows of peers that were timed beside it, each with a `ratio` in its `info`.
        wrong: Peers that gave other results than the layer.
    """

    cell: Cell
    direction: str
    own: Row
    peers: dict[str, Row]
    wrong: tuple[str, ...]

    @property
    def fastest(self) -> Row | None:
        """The row of the fastest peer."""
        return min(self.peers.values(), key=lambda row: ratio_of(row)["median"], default=None)

    @property
    def ratio(self) -> float | None:
        """How many times longer the fastest peer took."""
        return None if self.fastest is None else ratio_of(self.fastest)["median"]


@dataclass(frozen=True)
class Result:
    """A result file.

    Attributes:
        suite: Grid, device, versions, limits, and what was not timed.
        machine: Where it was measured.
        commit: Of which state of the repository.
        when: The day.
        rows: All benchmarks.
    """

    suite: dict[str, Any]
    machine: dict[str, Any]
    commit: dict[str, Any]
    when: str
    rows: tuple[Row, ...]

    @property
    def name(self) -> str:
        """What its files are called: `"cpu"`, and `"cpu-sizes"` for a grid other than the default one."""
        grid = self.suite["grid"]
        return str(self.suite["device"]) if grid == "default" else f"{self.suite['device']}-{grid}"

    def of(self, kind: str) -> list[Row]:
        """The rows of a kind."""
        return [row for row in self.rows if row.kind == kind]

    def comparisons(self, kind: str = "layer") -> list[Comparison]:
        """Every cell that the layer itself was timed in, in the order of the grid."""
        found = []
        for own in self.of(kind):
            if own.peer != OWN:
                continue
            key = (own.cell, own.direction)
            beside = {
                row.peer: row for row in self.of(kind) if row.peer != OWN and (row.cell, row.direction) == key
            }
            wrong = tuple(
                entry["peer"]
                for entry in self.suite["not_timed"]
                if entry["outcome"] == "wrong" and entry.get("kind") == kind
                and (Cell(**entry["cell"]), entry["direction"]) == key
            )  # fmt: skip
            found.append(Comparison(*key, own, beside, wrong))
        return found


def ratio_of(row: Row) -> dict[str, float]:
    """How a row compares with the layer's rounds between its own: median and quartiles."""
    ratio: dict[str, float] = row.info["ratio"]
    return ratio


def geometric_mean(values: Iterable[float]) -> float:
    """The geometric mean."""
    logs = [math.log(value) for value in values]
    return math.exp(math.fsum(logs) / len(logs))


def load(path: Path) -> Result:
    """Read a result.

    Args:
        path: The file.

    Returns:
        What is in it.

    Raises:
        ResultError: If it cannot be read, or is not a result of this suite.
    """
    try:
        data = json.loads(path.read_text())
    except OSError as error:
        raise ResultError(f"{path} cannot be read: {error.strerror}") from None
    except ValueError:
        raise ResultError(f"{path} is not JSON") from None
    return read(data, str(path))


def read(data: Any, source: str = "the JSON") -> Result:
    """Read a result that is parsed already; see `load`."""
    if (
        not isinstance(data, dict)
        or not isinstance(data.get("suite"), dict)
        or data["suite"].get("name") != SUITE
    ):
        raise ResultError(
            f"{source} is not a result of this suite; make one by "
            "pytest --benchmark-only --benchmark-json RESULT.json"
        )
    try:
        rows = tuple(_row(entry) for entry in data["benchmarks"])
        return Result(data["suite"], data["machine_info"], data["commit_info"], data["datetime"][:10], rows)
    except KeyError as error:
        raise ResultError(
            f"{source} is a result of another version of this suite: {error} is missing"
        ) from None


def _row(entry: dict[str, Any]) -> Row:
    stats, info = entry["stats"], entry["extra_info"]
    name = entry["name"].split("[")[0]
    return Row(info["kind"], name, stats["median"], stats["q1"], stats["q3"], stats["rounds"], info)
