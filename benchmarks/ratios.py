"""The layer against its peers, side by side: `python -m benchmarks.ratios`.

All peers run in one process, on the same weights and inputs, and their results are compared before they are
timed. Rounds are interleaved, so that drift of a shared machine hits all of them. A peer whose single call
takes over `--patience` seconds is timed by fewer rounds. Compiling is not in the times.
"""

from __future__ import annotations

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from benchmarks.peers import PEERS, build
from qproj import Circuit

CIRCUITS = {
    "RX + BasicEntangler": ("angle_x", "basic_entangler"),
    "RY + StronglyEntangling": ("angle_y", "strongly_entangling"),
}
CELLS = [(n, b) for n in (4, 8, 12, 16) for b in (1, 32, 256, 1024) if 2**n * b <= 2**22]


def cell(
    circuit: Circuit, batch: int, peers: list[str], rounds: int, patience: float
) -> dict[str, dict[str, list[float]]]:
    """Time one cell.

    Args:
        circuit: The circuit.
        batch: Samples.
        peers: Names of `PEERS`, the own layer first.
        rounds: Times each is measured.
        patience: Seconds a call may take before it is measured less often.

    Returns:
        Seconds of every round by peer and by `"forward"` and `"both"`.
    """
    generator = torch.Generator().manual_seed(0)
    weights = torch.nn.Parameter(6 * torch.rand(circuit.weight_shape, generator=generator))
    x = torch.randn(batch, circuit.n_inputs, generator=generator)
    times: dict[str, dict[str, list[float]]] = {}
    calls: dict[tuple[str, str], Callable[[], object]] = {}
    counts: dict[tuple[str, str], int] = {}
    expected: tuple[torch.Tensor, ...] | None = None
    for name in peers:
        try:
            step = build(name, circuit, weights)
        except ImportError as error:
            print(f"    {name}: not installed ({error})")
            continue
        own = x.clone().requires_grad_()

        def both(step=step, own=own) -> tuple[torch.Tensor, torch.Tensor]:  # type: ignore[no-untyped-def]
            own.grad = weights.grad = None
            values = step(own).float()
            values.sum().backward()
            return values.detach(), own.grad

        def forward(step=step) -> None:  # type: ignore[no-untyped-def]
            with torch.no_grad():
                step(x)

        began = time.perf_counter()
        result = both()
        taken = time.perf_counter() - began
        expected = expected or result
        for one, other in zip(result, expected, strict=True):
            torch.testing.assert_close(one, other, atol=5e-5, rtol=1e-4)
        slow = False
        for kind, call in (("both", both), ("forward", forward)):
            if slow:  # its forward pass is not worth minutes
                break
            if kind == "forward":
                call()
            began = time.perf_counter()
            call()
            taken = time.perf_counter() - began
            slow = taken > patience
            calls[name, kind] = call
            # About a twentieth of a second a round, so that the clock's grain does not count.
            counts[name, kind] = 0 if slow else max(1, min(200, int(0.05 / taken)))
            times.setdefault(name, {})[kind] = [taken] if slow else []
    for _ in range(rounds):
        for (name, kind), call in calls.items():
            repeat = counts[name, kind]
            if repeat:
                began = time.perf_counter()
                for _ in range(repeat):
                    call()
                times[name][kind].append((time.perf_counter() - began) / repeat)
    return times


def main() -> None:
    """Measure, print, and write the raw times."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--patience", type=float, default=1.0)
    parser.add_argument("--peers", nargs="*", default=list(PEERS))
    parser.add_argument("--cells", nargs="*", help="such as 4x32 (qubits x batch); all by default")
    parser.add_argument("--circuits", nargs="*", default=list(CIRCUITS))
    parser.add_argument("--output", type=Path, default=Path("ratios.json"))
    arguments = parser.parse_args()
    wanted = [tuple(map(int, c.split("x"))) for c in arguments.cells] if arguments.cells else CELLS
    rows = []
    for title in arguments.circuits:
        for n, batch in wanted:
            times = cell(
                Circuit(n, 3, *CIRCUITS[title]), batch, arguments.peers, arguments.rounds, arguments.patience
            )
            medians = {p: {k: statistics.median(v) for k, v in kinds.items()} for p, kinds in times.items()}
            rows.append({"circuit": title, "n_qubits": n, "batch": batch, "seconds": times})
            arguments.output.write_text(json.dumps(rows, indent=1) + "\n")
            for kind in ("forward", "both"):
                own = medians["qproj"][kind]
                others = {p: m[kind] for p, m in medians.items() if p != "qproj" and kind in m}
                print(f"{title} n={n} b={batch} {kind}: {own * 1e3:.3f} ms", end="")
                if others:
                    best = min(others, key=others.__getitem__)
                    print(f", {others[best] / own:.1f} x ({best})", end="")
                print(flush=True)
    ratios = [
        min(statistics.median(k["both"]) for p, k in row["seconds"].items() if p != "qproj")
        / statistics.median(row["seconds"]["qproj"]["both"])
        for row in rows
        if len(row["seconds"]) > 1
    ]
    if ratios:
        mean = math.exp(statistics.fmean(map(math.log, ratios)))
        print(f"forward + backward: geometric mean {mean:.1f}, worst {min(ratios):.1f}")


if __name__ == "__main__":
    main()
