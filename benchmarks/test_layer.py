"""The quantum layer against every peer, on the same weights and inputs, forward and with backward."""

from __future__ import annotations

import functools
import statistics

import pytest
from torch import Tensor

from benchmarks import limits
from benchmarks.grid import DIRECTIONS, Cell
from benchmarks.peers import OWN, why_not
from benchmarks.recording import ratio, record
from benchmarks.subjects import Subject, disagreement, too_large
from benchmarks.timing import Rounds, interleaved
from benchmarks.workloads import PUBLISHED_QCBM, circuit

# The subjects of the last test are kept: forward and backward of one cell are measured one after the other,
# and a peer may take a minute to compile.
_subject = functools.lru_cache(maxsize=2)(Subject)


@functools.lru_cache(maxsize=4)
def _expected(cell: Cell, device: str, direction: str) -> dict[str, Tensor]:
    return _subject(OWN, cell, device).results(direction)


def _measure(benchmark, kind, cell, direction, peer, device, grid, pace, not_timed, **extra):
    where = {"cell": cell.as_dict(), "peer": peer, "direction": direction, "kind": kind}
    reason = why_not(peer, cell, len(circuit(cell).gates), direction, device, grid.patient)
    if reason := reason or too_large(cell, peer):
        not_timed.skip(reason, **where)
    own = _subject(OWN, cell, device)
    expected = _expected(cell, device, direction)
    if peer == OWN:
        rounds, near = beside_its_limits(own, direction, pace)
        extra |= near
    else:
        subject = _subject(peer, cell, device)
        if reason := disagreement(subject.results(direction), expected, cell.dtype):
            not_timed.wrong(reason, **where)
        rounds, own_rounds = interleaved([getattr(s, direction) for s in (subject, own)], **pace)
        extra |= {"ratio": ratio(rounds, own_rounds), "own_seconds": own_rounds.seconds}
    record(
        benchmark,
        f"{kind}, {cell}, {DIRECTIONS[direction]}",
        rounds,
        **where,
        agreed=True,
        samples_per_second=cell.batch / statistics.median(rounds.seconds),
        **extra,
    )


def beside_its_limits(own: Subject, direction: str, pace: dict) -> tuple[Rounds, dict[str, object]]:
    """Time the layer beside an empty round trip, and say how near it came to each limit."""
    cell, device = own.cell, own.device
    trip = limits.RoundTrip(cell.n_qubits, cell.batch, device)
    rounds, empty = interleaved([getattr(side, direction) for side in (own, trip)], **pace)
    bounds = limits.bounds(cell, direction, device)
    seconds = statistics.median(rounds.seconds)
    fractions = {name: bounds[name] / seconds for name in ("arithmetic", "memory")}
    fractions["round trip"] = 1 / ratio(rounds, empty)["median"]
    nearest = max(fractions, key=fractions.__getitem__)
    return rounds, {
        "flops": bounds["flops"],
        "bytes": bounds["bytes"],
        "limit_fractions": fractions,
        "limit": nearest,
        "limit_fraction": fractions[nearest],
    }


@pytest.mark.cells("layer")
def test_layer(benchmark, cell, peer, direction, device, grid, pace, not_timed):
    _measure(benchmark, "layer", cell, direction, peer, device, grid, pace, not_timed)


@pytest.mark.cells("qcbm")
@pytest.mark.peers(OWN, "qulacs")
def test_qcbm(benchmark, cell, peer, device, grid, pace, not_timed):
    """The circuit of yardstiq/quantum-benchmarks, forward in double precision as there."""
    published = PUBLISHED_QCBM.get((cell.n_qubits, cell.batch), {})
    _measure(benchmark, "qcbm", cell, "forward", peer, device, grid, pace, not_timed, published=published)
