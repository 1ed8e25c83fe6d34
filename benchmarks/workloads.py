"""The circuits that are measured, each a function of a cell."""

from __future__ import annotations

from collections.abc import Callable

from benchmarks.grid import BASIC, QCBM, STRONG, Cell
from qproj import Circuit, Gate, InputSlot, WeightSlot


def circuit(cell: Cell) -> Circuit:
    """Make the circuit of a cell."""
    return WORKLOADS[cell.workload](cell)


def qcbm(cell: Cell) -> Circuit:
    """The quantum circuit Born machine of https://github.com/yardstiq/quantum-benchmarks.

    RX, RZ on every wire, a ring of CNOTs; `n_layers` times RZ, RX, RZ on every wire and the ring again; RZ,
    RX on every wire. There all angles are fixed; here the first rotations are the inputs, so that a batch
    has different samples, and Z is measured on every wire, which their times leave out.
    """
    wires = range(cell.n_qubits)
    gates: list[Gate] = []
    n_weights = 0

    def turn(*names: str) -> None:
        nonlocal n_weights
        for wire in wires:
            for name in names:
                gates.append(Gate(name, (wire,), WeightSlot(n_weights)))
                n_weights += 1

    def ring() -> None:
        gates.extend(Gate("CNOT", (wire, (wire + 1) % cell.n_qubits)) for wire in wires)

    gates.extend(Gate("RX", (wire,), InputSlot(wire)) for wire in wires)
    turn("RZ")
    ring()
    for _ in range(cell.n_layers):
        turn("RZ", "RX", "RZ")
        ring()
    turn("RZ", "RX")
    return Circuit(n_qubits=cell.n_qubits, gates=gates)


WORKLOADS: dict[str, Callable[[Cell], Circuit]] = {
    BASIC: lambda cell: Circuit(cell.n_qubits, cell.n_layers, "angle_x", "basic_entangler"),
    STRONG: lambda cell: Circuit(cell.n_qubits, cell.n_layers, "angle_y", "strongly_entangling"),
    QCBM: qcbm,
}

# Seconds, as published with the raw results of that repository at commit 9ed890b (2020): one thread of a Xeon
# Gold 6230, complex128, the circuit alone on a zero state; Qulacs 0.1.8 median, Yao 0.6 fastest of many.
# (n_qubits, batch) -> package -> seconds
PUBLISHED_QCBM: dict[tuple[int, int], dict[str, float]] = {
    (4, 1): {"Qulacs": 9.727e-6, "Yao": 40.522e-6},
    (8, 1): {"Qulacs": 69.58e-6, "Yao": 110.487e-6},
    (10, 1): {"Qulacs": 283.8e-6, "Yao": 250.823e-6},
    (12, 1): {"Qulacs": 1.3756e-3, "Yao": 793.198e-6},
    (16, 1): {"Qulacs": 29.33e-3, "Yao": 14.369e-3},
    (20, 1): {"Qulacs": 661.9e-3, "Yao": 303.24e-3},
    (4, 1000): {"Yao": 715.702e-6},
    (8, 1000): {"Yao": 24.6446e-3},
    (10, 1000): {"Yao": 125.044e-3},
    (12, 1000): {"Yao": 1.01097},
}
