"""Circuits as figures, by PennyLane's drawer."""

from __future__ import annotations

from typing import Any

import numpy as np

from qproj.backends.pennylane_tapes import Tapes
from qproj.circuits.circuit import Circuit


def figure(circuit: Circuit) -> Any:
    """Draw a circuit.

    Args:
        circuit: The circuit; angles are not shown, since inputs have none yet.

    Returns:
        A matplotlib `Figure`; `figure.savefig("circuit.svg")` writes it.

    Raises:
        ImportError: If PennyLane or matplotlib is not installed.
    """
    import pennylane as qml

    tapes = Tapes(circuit, qml.device("default.qubit", wires=circuit.n_qubits))
    zeros = np.zeros(circuit.n_features), np.zeros(int(np.prod(circuit.weight_shape)))
    start = np.ones(1) if circuit.amplitudes else None
    drawn, _axes = qml.drawer.tape_mpl(tapes.script(tapes.operations(*zeros), start), show_all_wires=True)
    return drawn
