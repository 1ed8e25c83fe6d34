"""The sections of a report, each a function of a result: Markdown, made from the JSON alone."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Callable

from benchmarks.against_peers import every_peer, headline, machine, qcbm, ratios, summary
from benchmarks.grid import DIRECTIONS, Cell
from benchmarks.results import Result, Row, ratio_of
from benchmarks.writing import SIZE, number, size, spread, table, time, times
from qproj.memory import format_bytes


def sections(result: Result) -> dict[str, str]:
    """All sections by name; empty ones where a result has no rows for them."""
    return {name: make(result) for name, make in SECTIONS.items()}


def limits(result: Result) -> str:
    """The machine's limits, and how near the layer comes to them."""
    rates = result.suite["limits"]
    rows = [
        [*size(row.cell), DIRECTIONS[row.direction], spread(row),
         number(row.info["flops"] / row.median / 1e9), row.info["limit"], f"{row.info['limit_fraction']:.0%}"]
        for row in (c.own for c in result.comparisons())
    ]  # fmt: skip
    if not rows:
        return ""
    return (
        f"One matrix product runs at {number(rates['sgemm_flops_per_second'] / 1e9)} GFLOP/s in single and "
        f"{number(rates['dgemm_flops_per_second'] / 1e9)} in double precision; a pass over an array moves "
        f"{number(rates['cache_bytes_per_second'] / 1e9)} GB/s in cache and "
        f"{number(rates['memory_bytes_per_second'] / 1e9)} in memory.\n\n"
        + table([*SIZE, "direction", "time", "GFLOP/s", "nearest limit", "reached"], rows)
        + f"\n\n![Roofline]({{results}}/{result.name}-roofline.svg)"
    )


def passes(result: Result) -> str:
    """One pass of the engine, by itself."""
    rows = [
        [*(r.cell.n_qubits, r.info["rows"], r.info["wires"], r.cell.dtype, r.info["limit"]),
         *(time(statistics.median(r.info["product_seconds"])), f"{r.info['product_fraction']:.0%}"),
         *(spread(r), f"{r.info['limit_fraction']:.0%}")]
        for r in result.of("pass")
    ]  # fmt: skip
    head = ["qubits", "samples", "wires of the block", "dtype", "nearest limit", "product", "reached"]
    return (rows and table([*head, "with its move", "reached"], rows)) or ""


def hand_over(result: Result) -> str:
    """An empty program behind the public layer."""
    rows = [[DIRECTIONS[r.direction], r.info["batch"], spread(r)] for r in result.of("hand-over")]
    return (rows and table(["empty round trip", "batch", "time"], rows)) or ""


def first_calls(result: Result) -> str:
    """First call apart from later ones."""
    rows = [
        [*size(r.cell), r.peer, time(r.info["build_seconds"]), spread(r), time(r.info["steady_seconds"])]
        for r in result.of("first call")
    ]
    if not rows:
        return ""
    head = [*SIZE, "peer", "import and set up", "first call", "later calls"]
    return (
        table(head, rows)
        + "\n\nForward and backward, each in a fresh process; torch is imported already. The layer "
        "loads JAX within its first call, the others load what they need when they are set up.\n\n"
        f"![First call and later calls]({{results}}/{result.name}-first-call.svg)"
    )


def memory(result: Result) -> str:
    """Peak memory of a fresh process."""
    rows = [
        [*size(r.cell), r.peer, format_bytes(r.info["before_bytes"]), format_bytes(r.info["peak_bytes"])]
        for r in result.of("memory")
    ]
    if not rows:
        return ""
    return table([*SIZE, "peer", "resident once set up", "at most"], rows) + (
        "\n\nOf the whole process, torch included. The layer loads JAX at its first call, the others load "
        "what they need when they are set up: the last column is the one to compare."
    )


def strategies(result: Result) -> str:
    """How far the automatic choice is from the best."""
    by_cell: dict[tuple[Cell, str], list[Row]] = {}
    for row in result.of("strategy"):
        by_cell.setdefault((row.cell, row.direction), []).append(row)
    rows = []
    for (cell, direction), forced in by_cell.items():
        best = min(forced, key=lambda row: ratio_of(row)["median"])
        lost = max(0.0, 1 / ratio_of(best)["median"] - 1)
        others = ", ".join(f"{r.info['strategy']} {number(ratio_of(r)['median'])}" for r in forced)
        rows.append(
            [
                *size(cell),
                DIRECTIONS[direction],
                best.info["auto"],
                best.info["strategy"],
                f"{lost:.0%}",
                others,
            ]
        )
    head = [*SIZE, "direction", "auto chose", "fastest", "auto is slower by", "time of each, auto's as 1"]
    return (rows and table(head, rows)) or ""


def methods(result: Result) -> str:
    """Differentiation methods against each other."""
    rows = [[*size(r.cell), r.info["diff_method"], spread(r), times(r)] for r in result.of("diff_method")]
    return (rows and table([*SIZE, "diff_method", "forward + backward", "times that of `best`"], rows)) or ""


def depth(result: Result) -> str:
    """Time against layers."""
    rows = [[*size(r.cell), DIRECTIONS[r.direction], spread(r)] for r in result.of("depth")]
    return (rows and table([*SIZE, "direction", "time"], rows)) or ""


def _against(result: Result, kind: str, head: str, value: Callable[[Row], str]) -> str:
    rows = [[*size(r.cell), r.peer, value(r), times(r) if "ratio" in r.info else ""] for r in result.of(kind)]
    return (rows and table([*SIZE, "peer", head, "times the layer's time"], rows)) or ""


def throughput(result: Result) -> str:
    """Samples a second."""
    return _against(
        result, "throughput", "samples/s, forward + backward", lambda r: f"{r.info['samples_per_second']:.0f}"
    )


def training(result: Result) -> str:
    """The whole connector in a training step."""
    return _against(result, "training step", "step", spread)


def measured(result: Result) -> str:
    """Noise, shots, probabilities, kernels: rows of a peer that hold the layer's time as well."""
    rows = []
    for row in result.rows:
        if "layer_seconds" in row.info:
            what = [row.kind, *size(row.cell), DIRECTIONS[row.direction]]
            rows.append([*what, time(row.info["layer_seconds"]), row.peer, spread(row), times(row)])
    head = ["what", *SIZE, "direction", "the layer", "peer", "peer's time", "times the layer's time"]
    return (rows and table(head, rows)) or ""


_CAPTION = {
    "test_time_to_first_token": "from a picture's path to the first token",
    "test_time_per_token": "each further token",
    "test_whole_caption": "whole caption",
}


def caption(result: Result) -> str:
    """Captions of the bundled model."""
    rows: list[list[object]] = []
    for row in result.of("caption"):
        rate = row.info.get("tokens_per_second")
        rows.append([_CAPTION[row.name], spread(row), f"{number(rate)} tokens/s" if rate else ""])
    for row in result.of("share"):
        rows.append(["the quantum layer within it", spread(row), f"{row.info['share']:.1%} of the caption"])
    for row in result.of("cold start"):
        rows.append([f"a new process: {row.info['command']}", spread(row), ""])
    return (rows and table(["caption of one picture, bundled model", "time", ""], rows)) or ""


def plan(result: Result) -> str:
    """What a plan looks like."""
    plans = [row.info["plan"] for row in result.of("strategy") if row.cell.n_qubits == 8]
    return f"```\n{plans[0]}\n```" if plans else ""


def not_timed(result: Result) -> str:
    """What is missing above, and why."""
    reasons = Counter(
        (
            entry["outcome"],
            entry["reason"].split(" and ")[0] if "memory is free" in entry["reason"] else entry["reason"],
        )
        for entry in result.suite["not_timed"]
    )
    return (
        table(["outcome", "reason", "benchmarks"], [[*key, n] for key, n in reasons.items()])
        if reasons
        else ""
    )


SECTIONS: dict[str, Callable[[Result], str]] = {
    "summary": summary,
    "headline": headline,
    "machine": machine,
    "ratios": ratios,
    "every peer": every_peer,
    "limits": limits,
    "passes": passes,
    "hand-over": hand_over,
    "first calls": first_calls,
    "memory": memory,
    "strategies": strategies,
    "differentiation methods": methods,
    "depth": depth,
    "throughput": throughput,
    "training step": training,
    "measured": measured,
    "caption": caption,
    "QCBM": qcbm,
    "plan": plan,
    "not timed": not_timed,
}
