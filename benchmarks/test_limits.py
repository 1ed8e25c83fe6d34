"""The limits themselves: what every other figure is a fraction of."""

import pytest

from benchmarks import limits
from benchmarks.passes import Passes
from benchmarks.recording import record
from benchmarks.timing import interleaved

GROUP = "limits"


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_matrix_product(benchmark, dtype, device):
    rate = limits.flops_rate(dtype, device)
    record(benchmark, GROUP, limits.gemm(dtype, device), kind="limit", flops_per_second=rate)


@pytest.mark.parametrize("n_bytes", [limits.IN_CACHE, limits.IN_MEMORY])
def test_copy(benchmark, n_bytes, device):
    rate = limits.bandwidth(n_bytes, device)
    record(benchmark, GROUP, limits.copying(n_bytes, device), kind="limit", bytes_per_second=rate)


@pytest.mark.cells("passes")
def test_fused_pass(benchmark, cell, device, pace, not_timed):
    """What the engine does most of, by itself."""
    if device != "cpu":
        not_timed.skip("passes are measured on the CPU", kind="pass", cell=cell.as_dict())
    rounds, near = Passes(cell).measured(pace)
    record(benchmark, f"pass, {cell}", rounds, kind="pass", cell=cell.as_dict(), **near)


@pytest.mark.parametrize("batch", [1, 1024])
def test_hand_over(benchmark, direction, batch, device, pace):
    """The public way of a layer there and back, with no circuit on it."""
    trip = limits.RoundTrip(4, batch, device)
    (rounds,) = interleaved([getattr(trip, direction)], **pace)
    record(benchmark, "hand-over", rounds, kind="hand-over", direction=direction, batch=batch)
