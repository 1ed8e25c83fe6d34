"""The layer's own choices against each other: strategies, differentiation methods, depth."""

import pytest

from benchmarks.recording import ratio, record
from benchmarks.subjects import Subject, too_large
from benchmarks.test_layer import beside_its_limits
from benchmarks.timing import interleaved
from benchmarks.workloads import circuit
from qproj.planning.cost import plan
from qproj.planning.strategies import DIFF_METHODS, STRATEGIES


@pytest.mark.cells("options")
@pytest.mark.parametrize("strategy", STRATEGIES)
def test_strategy(benchmark, cell, strategy, direction, device, pace, not_timed):
    """Each forced strategy against `auto`, interleaved: a ratio below 1 is one that `auto` has missed."""
    where = {"cell": cell.as_dict(), "strategy": strategy, "direction": direction, "kind": "strategy"}
    itemsize = 8 if cell.dtype == "float64" else 4
    auto_plan = plan(circuit(cell), cell.batch, itemsize, "auto", "best")
    possible = {cost.strategy for cost in auto_plan.costs}
    if strategy not in possible:
        not_timed.skip(f"strategy {strategy} cannot run {cell}", **where)
    if reason := too_large(cell):
        not_timed.skip(reason, **where)
    forced, auto = Subject("qproj", cell, device, strategy=strategy), Subject("qproj", cell, device)
    for subject in (forced, auto):
        getattr(subject, direction)()
    rounds, auto_rounds = interleaved([getattr(forced, direction), getattr(auto, direction)], **pace)
    record(
        benchmark, f"strategy, {cell}, {direction}", rounds, **where, auto=auto_plan.strategy,
        ratio=ratio(rounds, auto_rounds), own_seconds=auto_rounds.seconds, plan=str(auto_plan),
    )  # fmt: skip


@pytest.mark.cells("options")
@pytest.mark.parametrize("diff_method", DIFF_METHODS)
def test_diff_method(benchmark, cell, diff_method, device, pace, not_timed):
    """Forward and backward by each method, against `best`."""
    where = {"cell": cell.as_dict(), "diff_method": diff_method, "kind": "diff_method"}
    if reason := too_large(cell):
        not_timed.skip(reason, **where)
    if diff_method == "parameter-shift" and cell.n_qubits > 8:
        not_timed.skip(
            "parameter-shift runs the circuit twice for every angle: hundreds of runs here", **where
        )
    if diff_method == "jacobian" and cell.n_qubits > 8:
        not_timed.skip(
            "jacobian walks back for every output of every sample: hundreds of walks here", **where
        )
    forced, best = Subject("qproj", cell, device, diff_method=diff_method), Subject("qproj", cell, device)
    for subject in (forced, best):
        subject.both()
    rounds, best_rounds = interleaved([forced.both, best.both], **pace)
    record(
        benchmark, f"diff_method, {cell}", rounds, **where,
        ratio=ratio(rounds, best_rounds), own_seconds=best_rounds.seconds,
    )  # fmt: skip


@pytest.mark.cells("depths")
def test_depth(benchmark, cell, direction, device, pace):
    """How time grows with layers."""
    subject = Subject("qproj", cell, device)
    getattr(subject, direction)()
    rounds, near = beside_its_limits(subject, direction, pace)
    record(
        benchmark, f"depth, {direction}", rounds, kind="depth", cell=cell.as_dict(), direction=direction,
        **near,
    )  # fmt: skip
