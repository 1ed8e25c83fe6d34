"""Circuits as text, a line per wire and time from left to right."""

from __future__ import annotations

from collections.abc import Sequence

from qproj.circuits.gates import Gate
from qproj.circuits.observables import Observable


def draw(
    n_qubits: int, gates: Sequence[Gate], observables: Sequence[Observable], amplitudes: bool = False
) -> str:
    """Draw gates and observables.

    Each gate goes into the first column in which all wires from its lowest to its highest are free, so a
    vertical line never crosses another gate.

    Args:
        n_qubits: Number of wires.
        gates: The gates in the order in which they act.
        observables: What is measured.
        amplitudes: Whether the circuit starts in a state that the inputs give.

    Returns:
        `n_qubits + 1` lines; angles show as `x3` (input 3) and `w5` (flattened weight 5).
    """
    columns: list[dict[int, str]] = []
    depth = [0] * n_qubits
    for gate in gates:
        span = range(min(gate.wires), max(gate.wires) + 1)
        column = max(depth[wire] for wire in span)
        if column == len(columns):
            columns.append({})
        for wire in span:
            depth[wire] = column + 1
            columns[column][wire] = "│"
        columns[column] |= _symbols(gate)

    lines = []
    for wire in range(n_qubits):
        cells = []
        for cell in columns:
            width = max(map(len, cell.values()))
            cells.append(cell.get(wire, "").center(width, "─"))
        start = "|x⟩─" if amplitudes else ""
        lines.append(f"{wire:>{len(str(n_qubits - 1))}}: {start}─{'─'.join(cells)}─")
    return "\n".join([*lines, "expval: " + ", ".join(map(str, observables))])


# How the wires of a gate are drawn, where its name is not written on them.
_SYMBOLS = {
    "CNOT": "●X", "CY": "●Y", "CZ": "●●", "CH": "●H", "Toffoli": "●●X", "CCZ": "●●●", "SWAP": "xx",
    "CSWAP": "●xx",
}  # fmt: skip


def _symbols(gate: Gate) -> dict[int, str]:
    if gate.name in _SYMBOLS:
        return dict(zip(gate.wires, _SYMBOLS[gate.name], strict=True))
    if len(gate.wires) == 1:
        return {gate.wires[0]: str(gate)}
    return {wire: f"{gate}:{place}" for place, wire in enumerate(gate.wires)}
