"""What the benchmarks share: which cells and peers they run on, and what is written to the JSON."""

from __future__ import annotations

from typing import Any, NoReturn

import pytest

from benchmarks.grid import GRIDS, Cell, Grid
from benchmarks.peers import chosen
from benchmarks.results import SUITE

# What was not timed, and why: rows for the JSON, since pytest-benchmark writes down what it timed only.
_NOT_TIMED = pytest.StashKey[list[dict[str, object]]]()
# How busy the machine was before the suite made it so.
_LOAD = pytest.StashKey[float]()
_CELL = ("workload", "n_qubits", "n_layers", "batch", "dtype")


def pytest_configure(config: pytest.Config) -> None:
    """Begin the list of what is not timed, and see whether others are at work."""
    from benchmarks.machine import load

    config.stash[_NOT_TIMED] = []
    config.stash[_LOAD] = load()


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each test its cells, peers and directions: plain values, by which pytest-benchmark can group.

    A test says by `@pytest.mark.cells("layer")` which cells of the grid are its own.
    """
    config = metafunc.config
    marker = metafunc.definition.get_closest_marker("cells")
    if marker is not None:
        cells: list[Cell] = [c for name in marker.args for c in getattr(GRIDS[config.option.grid], name)]
        values = [tuple(getattr(cell, name) for name in _CELL) for cell in cells]
        metafunc.parametrize(_CELL, values, ids=[cell.id for cell in cells])
    if "peer" in metafunc.fixturenames:
        peers = chosen(config.option.peers)
        marker = metafunc.definition.get_closest_marker("peers")
        metafunc.parametrize("peer", [p for p in peers if marker is None or p in marker.args])
    if "direction" in metafunc.fixturenames:
        metafunc.parametrize("direction", GRIDS[config.option.grid].directions)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Run nothing without ``--benchmark-only``, nor on a device that is not there."""
    from benchmarks.machine import why_no

    reason = None
    if not config.getoption("benchmark_only", default=False):
        reason = (
            "benchmarks run by pytest --benchmark-only (after pip install -c constraints.txt -e '.[bench]')"
        )
    elif items:
        reason = why_no(config.option.device)
    here = [item for item in items if "benchmarks" in item.nodeid.split("/")[0]]
    for item in here:
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))
        # What other packages warn of is not what is measured here.
        item.add_marker(pytest.mark.filterwarnings("ignore"))


@pytest.fixture
def cell(workload: str, n_qubits: int, n_layers: int, batch: int, dtype: str) -> Cell:
    """The cell of a test that is marked with `cells`."""
    return Cell(workload, n_qubits, batch, n_layers, dtype)


@pytest.fixture(scope="session")
def grid(request: pytest.FixtureRequest) -> Grid:
    """The grid of this run."""
    return GRIDS[request.config.option.grid]


@pytest.fixture(scope="session")
def device(request: pytest.FixtureRequest) -> str:
    """Where tensors are."""
    return str(request.config.option.device)


class NotTimed:
    """Ends a test without a time, and writes down why."""

    def __init__(self, rows: list[dict[str, object]], test: str) -> None:
        self._rows, self._test = rows, test

    def _add(self, outcome: str, reason: str, where: dict[str, object]) -> None:
        self._rows.append({"test": self._test, "outcome": outcome, "reason": reason, **where})

    def skip(self, reason: str, **where: object) -> NoReturn:
        """It is not measured here."""
        self._add("skipped", reason, where)
        pytest.skip(reason)

    def wrong(self, reason: str, **where: object) -> NoReturn:
        """It gave other results than the layer."""
        self._add("wrong", reason, where)
        pytest.fail(f"wrong, so not timed: {reason}", pytrace=False)


@pytest.fixture
def not_timed(request: pytest.FixtureRequest) -> NotTimed:
    """How a test ends that times nothing."""
    return NotTimed(request.config.stash[_NOT_TIMED], request.node.name)


@pytest.fixture
def pace(benchmark: Any) -> dict[str, Any]:
    """``--benchmark-min-rounds`` and ``--benchmark-max-time``, as `interleaved` takes them.

    Half of that time: there are hundreds of benchmarks, and a ratio settles before either of its sides does.
    """
    return {"min_rounds": benchmark._min_rounds, "max_time": benchmark._max_time / 2}


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_json(config: pytest.Config, output_json: dict[str, Any]) -> None:
    """Say which suite this is, what else took part, and what was not timed."""
    from benchmarks import limits
    from benchmarks.machine import describe, versions

    output_json["suite"] = {
        "name": SUITE,
        "grid": config.option.grid,
        "device": config.option.device,
        "machine": describe(config.option.device) | {"load_before": config.stash[_LOAD]},
        "versions": versions(),
        "limits": limits.measured(config.option.device),
        "not_timed": config.stash[_NOT_TIMED],
    }
