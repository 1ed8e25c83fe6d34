"""The pictures of a report: log axes, and colours of Okabe and Ito, which the colour-blind can tell apart."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.grid import TITLES, Cell
from benchmarks.results import OWN, Result, Row

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Marker and colour of each peer, the same in every picture; the layer's is black.
_LOOKS = {
    OWN: ("o", "#000000"),
    "tensorcircuit-ng": ("s", "#D55E00"),
    "default.qubit": ("^", "#0072B2"),
    "lightning.qubit": ("v", "#56B4E9"),
    "lightning.qubit-vjp": ("D", "#009E73"),
    "deepquantum": ("P", "#CC79A7"),
    "qulacs": ("X", "#E69F00"),
    "qiskit-ml": ("*", "#999999"),
}
_STYLE = {
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.color": "#dddddd",
    "grid.linewidth": 0.6,
    "axes.axisbelow": True,
    "legend.frameon": False,
    "lines.linewidth": 1.5,
    "lines.markersize": 6,
    "svg.hashsalt": "qproj",
    "svg.fonttype": "path",
}


def write(result: Result, folder: Path) -> list[Path]:
    """Draw every picture that a result has rows for, as SVG and PNG.

    Args:
        result: The result.
        folder: Where to.

    Returns:
        The files.
    """
    import matplotlib

    files = []
    with matplotlib.rc_context(_STYLE):
        for name, draw in PICTURES.items():
            figure = draw(result)
            if figure is None:
                continue
            for ending, options in (("svg", {"metadata": {"Date": None}}), ("png", {"dpi": 150})):
                path = folder / f"{result.name}-{name}.{ending}"
                figure.savefig(path, facecolor="white", **options)
                files.append(path)
    return files


def qubits(result: Result) -> Figure | None:
    """Time against qubits, at the batch size that has most of them; forward + backward."""
    rows = _plain(result)
    batches = [row.cell.batch for row in rows if row.peer == OWN]
    if not batches:
        return None
    batch = max(sorted(set(batches)), key=lambda b: len({r.cell.n_qubits for r in rows if r.cell.batch == b}))
    return _lines(
        [row for row in rows if row.cell.batch == batch], "n_qubits", "qubits",
        f"Forward + backward, batch {batch}, 3 layers, single precision",
    )  # fmt: skip


def batch(result: Result) -> Figure | None:
    """Time against batch, at the number of qubits that has most sizes; forward + backward."""
    rows = _plain(result)
    counts = sorted({row.cell.n_qubits for row in rows})
    if not counts:
        return None
    n = max(counts, key=lambda n: (len({r.cell.batch for r in rows if r.cell.n_qubits == n}), -n))
    return _lines(
        [row for row in rows if row.cell.n_qubits == n], "batch", "batch",
        f"Forward + backward, {n} qubits, 3 layers, single precision",
    )  # fmt: skip


def roofline(result: Result) -> Figure | None:
    """Operations a second against operations a byte, under the machine's roof."""
    rows = [c.own for c in result.comparisons() if c.cell.dtype == "float32"]
    if not rows:
        return None
    figure, axes = _figure(1, 6.4)
    rates = result.suite["limits"]
    roof = rates["sgemm_flops_per_second"] / 1e9
    points = [(row.info["flops"] / row.info["bytes"], row.info["flops"] / row.median / 1e9) for row in rows]
    right = 1.5 * max(x for x, _ in points)
    left = min(0.25, 0.5 * rates["sgemm_flops_per_second"] / rates["cache_bytes_per_second"])
    for name, style in (("cache", "--"), ("memory", ":")):
        slope = rates[f"{name}_bytes_per_second"] / 1e9
        edge = min(roof / slope, right)
        axes[0].plot(
            [left, edge], [left * slope, edge * slope], style, color="#555555", label=f"{name} bandwidth"
        )
    axes[0].plot([left, right], [roof, roof], "-", color="#555555", label="matrix product")
    colours = ["#E69F00", "#009E73", "#0072B2", "#CC79A7", "#000000"]
    counts = sorted({row.cell.n_qubits for row in rows})
    for n, colour in zip(counts, colours, strict=False):
        for direction, face in (("both", colour), ("forward", "white")):
            chosen = [
                p
                for p, r in zip(points, rows, strict=True)
                if (r.cell.n_qubits, r.direction) == (n, direction)
            ]
            if chosen:
                axes[0].plot(
                    *zip(*chosen, strict=True), "o", color=colour, markerfacecolor=face,
                    label=f"{n} qubits" if direction == "both" else None,
                )  # fmt: skip
    ticks = [tick for tick in (0.125, 0.25, 0.5, 1, 2, 4, 8, 16, 32, 64) if left <= tick <= right]
    axes[0].set(xscale="log", yscale="log", xlabel="operations per byte", ylabel="GFLOP/s")
    axes[0].set(xticks=ticks, xticklabels=ticks)
    axes[0].minorticks_off()
    _finish(figure, axes, "The layer under the machine's roof: forward + backward filled, forward hollow")
    return figure


def first_call(result: Result) -> Figure | None:
    """The first call and later ones, on one axis."""
    rows = result.of("first call")
    if not rows:
        return None
    figure, axes = _figure(1, 7.2, 0.9 + 0.3 * len(rows))
    labels = []
    for place, row in enumerate(reversed(rows)):
        marker, colour = _LOOKS.get(row.peer, ("o", "#777777"))
        steady = row.info["steady_seconds"]
        axes[0].plot([steady, row.median], [place, place], "-", color=colour, linewidth=1)
        axes[0].plot(steady, place, marker, color=colour, markerfacecolor="white")
        axes[0].plot(row.median, place, marker, color=colour)
        labels.append(f"{row.peer}: {_short(row.cell)}")
    axes[0].set(xscale="log", xlabel="seconds", yticks=range(len(rows)), yticklabels=labels)
    axes[0].set_ylim(-0.6, len(rows) - 0.4)
    axes[0].grid(visible=False, axis="y")
    figure.suptitle("First call (filled) and later calls (hollow), forward + backward", fontsize=11)
    return figure


PICTURES = {"qubits": qubits, "batch": batch, "roofline": roofline, "first-call": first_call}


def _plain(result: Result) -> list[Row]:
    """Rows of the layer's comparison that differ in circuit, qubits and batch only."""
    return [
        row for row in result.of("layer")
        if row.direction == "both" and row.cell.dtype == "float32" and row.cell.n_layers == 3
    ]  # fmt: skip


def _lines(rows: list[Row], by: str, label: str, title: str) -> Figure:
    """Time against a field of the cell, a panel for each circuit, a line for each peer."""
    workloads = [w for w in TITLES if any(row.cell.workload == w for row in rows)]
    figure, axes = _figure(len(workloads), 4.2 * len(workloads) + 0.4)
    for ax, workload in zip(axes, workloads, strict=True):
        here = [row for row in rows if row.cell.workload == workload]
        # The layer last, above the others.
        for peer in sorted({row.peer for row in here}, key=lambda name: (name == OWN, name)):
            line = sorted((getattr(row.cell, by), row) for row in here if row.peer == peer)
            x, y = [value for value, _ in line], [1e3 * row.median for _, row in line]
            spans = [[1e3 * max(0.0, row.median - row.low) for _, row in line],
                     [1e3 * max(0.0, row.high - row.median) for _, row in line]]  # fmt: skip
            marker, colour = _LOOKS.get(peer, ("o", "#777777"))
            ax.errorbar(
                x,
                y,
                yerr=spans,
                marker=marker,
                color=colour,
                label=peer,
                linewidth=2.2 if peer == OWN else 1.3,
            )
        values = sorted({getattr(row.cell, by) for row in here})
        if by == "batch":
            ax.set_xscale("log")
        ax.set(yscale="log", xlabel=label, xticks=values, xticklabels=values)
        ax.minorticks_off()
        ax.set_title(TITLES[workload], fontsize=10)
    top, bottom = max(ax.get_ylim()[1] for ax in axes), min(ax.get_ylim()[0] for ax in axes)
    for ax in axes:
        ax.set_ylim(bottom, top)
    axes[0].set_ylabel("milliseconds")
    _finish(figure, axes, title)
    return figure


def _figure(panels: int, width: float, height: float = 4.0) -> tuple[Figure, list[Axes]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    axes: Any = figure.subplots(1, panels, squeeze=False)
    return figure, list(axes[0])


def _finish(figure: Figure, axes: Iterable[Axes], title: str) -> None:
    """One legend below for all panels, and a title."""
    entries: dict[str, Any] = {}
    for ax in axes:
        for handle, name in zip(*ax.get_legend_handles_labels(), strict=True):
            entries[name] = handle
    names = sorted(entries, key=lambda name: name != OWN)
    figure.legend([entries[n] for n in names], names, loc="outside lower center", ncols=4, fontsize=9)
    figure.suptitle(title, fontsize=11)


def _short(cell: Cell) -> str:
    return f"{TITLES[cell.workload].split(' + ')[-1]}, {cell.n_qubits} qubits, batch {cell.batch}"
