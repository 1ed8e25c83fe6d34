"""The sections of a report that set the layer beside its peers."""

from __future__ import annotations

from benchmarks.grid import DIRECTIONS, TITLES, Cell
from benchmarks.results import OWN, Comparison, Result, geometric_mean, ratio_of
from benchmarks.writing import SIZE, number, size, spread, table, time, times
from qproj.memory import format_bytes

COMMAND = """```sh
pip install -c constraints.txt -e '.[bench]'
pytest --benchmark-only --benchmark-json result.json
python -m benchmarks.report result.json
```"""


def overall(result: Result, direction: str) -> str:
    """Geometric mean and worst cell against the fastest peer of each."""
    compared = [c for c in result.comparisons() if c.direction == direction and c.ratio is not None]
    if not compared:
        return ""
    worst = min(compared, key=lambda c: c.ratio or 0.0)
    assert worst.fastest is not None
    mean = geometric_mean(c.ratio or 0.0 for c in compared)
    return (
        f"{DIRECTIONS[direction]}: geometric mean {number(mean)} over {len(compared)} cells, "
        f"worst {number(worst.ratio or 0.0)} ({worst.cell}, against {worst.fastest.peer})"
    )


def machine(result: Result) -> str:
    """Where it was measured, of which commit, with which versions."""
    suite = result.suite
    m = suite["machine"]
    commit = str(result.commit["id"])[:12] + (" with changes" if result.commit.get("dirty") else "")
    cpu = result.machine["cpu"].get("brand_raw", result.machine["machine"])
    where = [
        f"{m['cores']} cores of {cpu}",
        f"{format_bytes(m['memory_bytes'])} of memory",
        result.machine["system"],
    ]
    if "accelerator" in m:
        where.append(m["accelerator"])
    versions = ", ".join(f"{name} {number}" for name, number in suite["versions"].items())
    text = (
        f"Measured on {result.when}, commit {commit}, grid `{suite['grid']}`, device {suite['device']}: "
        f"{', '.join(where)}. Versions: {versions}. Times and ratios are medians; a range in brackets "
        "goes from the first quartile to the third. Compiling is not in the times of calls. How many times "
        "longer a peer took comes from rounds that alternate with the layer's."
    )
    if m["load_before"] > 0.5 * m["cores"]:
        text += (
            f" **Other programs were running (load {m['load_before']:.1f} before the suite began): these "
            "figures are provisional.**"
        )
    return text


def _compared(result: Result, kind: str = "layer") -> dict[Cell, dict[str, Comparison]]:
    found: dict[Cell, dict[str, Comparison]] = {}
    for comparison in result.comparisons(kind):
        found.setdefault(comparison.cell, {})[comparison.direction] = comparison
    return found


def ratios(result: Result) -> str:
    """The layer against the fastest peer of each cell."""
    rows = []
    for cell, by_direction in _compared(result).items():
        entries: list[object] = []
        for direction in ("both", "forward"):
            c = by_direction.get(direction)
            if c is None:
                entries += ["", "", ""]
                continue
            fastest = c.fastest
            entries.append(time(c.own.median))
            entries += (
                ["", ""] if fastest is None else [f"{time(fastest.median)} ({fastest.peer})", times(fastest)]
            )
        rows.append(size(cell) + entries)
    if not rows:
        return ""
    head = [
        *SIZE,
        "forward + backward",
        "fastest peer",
        "times faster",
        "forward",
        "fastest peer",
        "times faster",
    ]
    both = [line for line in (overall(result, "both"), overall(result, "forward")) if line]
    return table(head, rows) + "\n\n" + "\n".join(f"- {line}" for line in both)


def headline(result: Result) -> str:
    """Every cell in a line or two."""
    lines = [line for line in (overall(result, "both"), overall(result, "forward")) if line]
    return f"Against the fastest peer of each cell, {'; '.join(lines)}." if lines else ""


def summary(result: Result) -> str:
    """What the README shows."""
    rows = []
    for cell, by_direction in _compared(result).items():
        row: list[object] = [TITLES[cell.workload], f"{cell.n_qubits}, {cell.batch}"]
        if cell.dtype != "float32" or cell.n_layers != 3:
            continue
        for direction in ("both", "forward"):
            c = by_direction.get(direction)
            if c is None or c.fastest is None:
                row += ["", ""]
            else:
                row += [time(c.own.median), f"{number(c.ratio or 0.0)} ({c.fastest.peer})"]
        rows.append(row)
    if not rows:
        return ""
    head = [
        "circuit, 3 layers",
        "qubits, batch",
        "forward + backward",
        "times faster",
        "forward",
        "times faster",
    ]
    return "\n\n".join(
        [
            f"![Time against qubits]({{results}}/{result.name}-qubits.svg)",
            table(head, rows),
            f"{headline(result)} {machine(result)}",
            "Repeat it, on a machine that does nothing else, by",
            COMMAND,
            "More cells, and what the figures mean: [docs/performance.md](docs/performance.md).",
        ]
    )


def every_peer(result: Result) -> str:
    """How many times longer each peer took, in each cell."""
    compared = result.comparisons()
    names = list(dict.fromkeys(name for c in compared for name in (*c.peers, *c.wrong)))
    if not names:
        return ""
    rows = []
    for c in compared:
        entries = [
            "wrong" if n in c.wrong else number(ratio_of(c.peers[n])["median"]) if n in c.peers else ""
            for n in names
        ]
        rows.append([*size(c.cell), DIRECTIONS[c.direction], *entries])
    return table([*SIZE, "direction", *names], rows) + (
        "\n\nHow many times longer than the layer; a peer whose results disagree is wrong, and not timed; "
        "empty where it was not measured, for the reasons below."
    )


def qcbm(result: Result) -> str:
    """The QCBM circuit beside its published times."""
    rows = []
    for c in result.comparisons("qcbm"):
        qulacs, published = c.peers.get("qulacs"), c.own.info["published"]
        rows.append(
            [c.cell.n_qubits, c.cell.batch, spread(c.own), spread(qulacs) if qulacs else ""]
            + [time(published[name]) if name in published else "" for name in ("Qulacs", "Yao")]
        )
    if not rows:
        return ""
    head = ["qubits", "batch", OWN, "qulacs, here", "Qulacs, published", "Yao, published"]
    return table(head, rows) + (
        "\n\nDouble precision, forward. The published columns are the raw results of "
        "[quantum-benchmarks](https://github.com/yardstiq/quantum-benchmarks) (2020): one thread of another "
        "machine, and the circuit alone, where ours also crosses from torch and back and measures Z on every "
        "qubit."
    )
