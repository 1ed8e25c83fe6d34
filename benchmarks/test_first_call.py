"""Each in a fresh process: the first call, which traces and compiles, apart from later ones; peak memory."""

import functools

import pytest

from benchmarks import fresh
from benchmarks.peers import OWN, why_not
from benchmarks.recording import record
from benchmarks.subjects import too_large
from benchmarks.timing import Rounds
from benchmarks.workloads import circuit

# Both groups below read the same process's figures where they share a cell.
_run = functools.lru_cache(maxsize=64)(lambda peer, cell, device, _: fresh.run(peer, cell, device))


def _fresh(benchmark, group, kind, cell, peer, device, grid, not_timed, rounds):
    where = {"cell": cell.as_dict(), "peer": peer, "kind": kind}
    reason = why_not(peer, cell, len(circuit(cell).gates), "both", device, grid.patient)
    if reason := reason or too_large(cell, peer):
        not_timed.skip(reason, **where)
    try:
        found = [_run(peer, cell, device, i) for i in range(rounds)]
    except RuntimeError as error:
        not_timed.skip(str(error), **where)
    middle = sorted(found, key=lambda one: one.first_seconds)[len(found) // 2]
    seconds = [one.first_seconds for one in found]
    record(benchmark, f"{group}, {cell}", Rounds(seconds, 1), **where, **vars(middle))


@pytest.mark.cells("first_calls")
@pytest.mark.peers(OWN, "tensorcircuit-ng", "default.qubit", "deepquantum", "lightning.qubit-vjp")
def test_first_call(benchmark, cell, peer, device, grid, not_timed):
    rounds = 3 if peer == OWN else 1
    _fresh(benchmark, "first call", "first call", cell, peer, device, grid, not_timed, rounds)


@pytest.mark.cells("slow_first_calls")
@pytest.mark.peers(OWN)
def test_first_call_of_larger_circuits(benchmark, cell, peer, device, grid, not_timed):
    _fresh(benchmark, "first call", "first call", cell, peer, device, grid, not_timed, 2)


@pytest.mark.cells("memory")
@pytest.mark.peers(OWN, "tensorcircuit-ng", "default.qubit", "deepquantum", "lightning.qubit-vjp")
def test_peak_memory(benchmark, cell, peer, device, grid, not_timed):
    """pytest-benchmark's table shows seconds of the first call; bytes are in the JSON and in the report."""
    _fresh(benchmark, "peak memory", "memory", cell, peer, device, grid, not_timed, 1)
