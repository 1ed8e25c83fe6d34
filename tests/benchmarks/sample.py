"""A small result in the form that pytest-benchmark writes, with figures that are easy to reckon with."""

from __future__ import annotations

import copy
from typing import Any

from benchmarks.grid import BASIC, QCBM, STRONG, Cell
from benchmarks.results import SUITE

SMALL, LARGE = Cell(BASIC, 4, 32), Cell(STRONG, 8, 32)


def row(kind: str, name: str, seconds: float, **info: Any) -> dict[str, Any]:
    """One benchmark, whose quartiles are a tenth away from its median."""
    stats = {"median": seconds, "q1": 0.9 * seconds, "q3": 1.1 * seconds, "rounds": 5}
    return {"name": f"{name}[some-id]", "stats": stats, "extra_info": {"kind": kind, **info}}


def compared(kind: str, cell: Cell, direction: str, peer: str, seconds: float, ratio: float | None = None, **info: Any) -> dict[str, Any]:  # fmt: skip  # noqa: E501
    """A row of the layer (without a ratio) or of a peer."""
    where = {"cell": cell.as_dict(), "direction": direction, "peer": peer}
    if ratio is None:
        info |= {"flops": 2e6, "bytes": 1e6, "limit": "round trip", "limit_fraction": 0.5}
    else:
        info["ratio"] = {"median": ratio, "low": 0.9 * ratio, "high": 1.1 * ratio, "rounds": 5}
    return row(kind, f"test_{kind}", seconds, **where, **info)


def sample() -> dict[str, Any]:
    """Two cells, both directions, two peers and one that is wrong; and a row of each other kind."""
    cells = {"cell": SMALL.as_dict()}
    fresh = {"build_seconds": 0.25, "steady_seconds": 2e-3, "before_bytes": 1 << 29, "peak_bytes": 3 << 28}
    ratio = {"median": 0.8, "low": 0.7, "high": 0.9, "rounds": 5}
    born = Cell(QCBM, 4, 1, 9, "float64")
    rows = [
        compared("layer", SMALL, "both", "qproj", 1e-3),
        compared("layer", SMALL, "both", "tensorcircuit-ng", 4e-3, 4.0),
        compared("layer", SMALL, "both", "default.qubit", 9e-3, 9.0),
        compared("layer", SMALL, "forward", "qproj", 2e-4),
        compared("layer", SMALL, "forward", "tensorcircuit-ng", 1e-4, 0.5),
        compared("layer", LARGE, "both", "qproj", 2e-3),
        compared("layer", LARGE, "both", "tensorcircuit-ng", 32e-3, 16.0),
        compared("qcbm", born, "forward", "qproj", 3e-4, published={"Qulacs": 9.727e-6}),
        compared("qcbm", born, "forward", "qulacs", 1e-4, 0.33, published={}),
        row("hand-over", "test_hand_over", 5e-5, direction="forward", batch=1),
        row("first call", "test_first_call", 1.5, **cells, peer="qproj", **fresh),
        row("first call", "test_first_call", 9.5, **cells, peer="tensorcircuit-ng", **fresh),
        row("memory", "test_peak_memory", 1.5, **cells, peer="qproj", **fresh),
        row("strategy", "test_strategy", 8e-4, **cells, direction="both", strategy="dense", auto="fused-4",
            ratio=ratio, plan="a plan"),
        row("diff_method", "test_diff_method", 8e-4, **cells, diff_method="adjoint", ratio=ratio),
        row("depth", "test_depth", 8e-4, **cells, direction="both"),
        row("throughput", "test_throughput", 0.5, **cells, peer="qproj", samples_per_second=8192.0),
        row("training step", "test_training_step", 2e-3, **cells, peer="classical", ratio=ratio),
        compared("noise", SMALL, "both", "default.mixed", 8e-3, 8.0, layer_seconds=1e-3),
        row("caption", "test_time_per_token", 5e-3, tokens_per_second=200.0),
        row("share", "test_quantum_layer_within_a_caption", 1e-3, share=0.0125),
        row("cold start", "test_cold_start", 0.3, command="hybrid --help"),
        row("pass", "test_fused_pass", 2e-4, **cells, wires=4, rows=32, flops=2e6, limit="arithmetic",
            limit_fraction=0.3, product_seconds=[1e-4, 1e-4], product_fraction=0.6),
        row("limit", "test_copy", 1e-3, bytes_per_second=1e10),
    ]  # fmt: skip
    rates = {
        f"{name}_per_second": 1e10 for name in ("sgemm_flops", "dgemm_flops", "cache_bytes", "memory_bytes")
    }
    wrong = {"test": "test_layer[x]", "outcome": "wrong", "reason": "values differed by 0.1", "kind": "layer",
             "cell": SMALL.as_dict(), "direction": "both", "peer": "deepquantum"}  # fmt: skip
    skipped = {"test": "test_layer[y]", "outcome": "skipped", "reason": "qulacs is not installed",
               "kind": "layer", "cell": SMALL.as_dict(), "direction": "both", "peer": "qulacs"}  # fmt: skip
    return {
        "suite": {
            "name": SUITE, "grid": "default", "device": "cpu", "versions": {"torch": "2.13.0"},
            "limits": rates, "not_timed": [wrong, skipped],
            "machine": {"cores": 2, "load_before": 0.2, "memory_bytes": 1 << 34},
        },
        "machine_info": {"cpu": {"brand_raw": "A processor"}, "machine": "x86_64", "system": "Linux"},
        "commit_info": {"id": "0123456789abcdef", "dirty": False},
        "datetime": "2026-01-02T03:04:05",
        "benchmarks": rows,
    }  # fmt: skip


def scaled(data: dict[str, Any], seconds: float = 1.0, ratio: float = 1.0) -> dict[str, Any]:
    """The same result on a machine that is so much slower, with ratios that are so much larger."""
    data = copy.deepcopy(data)
    for entry in data["benchmarks"]:
        for name in ("median", "q1", "q3"):
            entry["stats"][name] *= seconds
        for name in ("median", "low", "high"):
            if "ratio" in entry["extra_info"]:
                entry["extra_info"]["ratio"][name] *= ratio
    return data
