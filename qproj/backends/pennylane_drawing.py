"""Circuits as figures, by PennyLane's drawer."""

from __future__ import annotations

from typing import Any

import numpy as np

from qproj.backends.pennylane_tapes import Scripts
from qproj.backends.sampler import Bound, template
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

    bare = template(circuit)
    start = np.eye(1, 2**circuit.n_qubits) if circuit.amplitudes else None
    bound = Bound(bare, np.zeros((1, len(bare.slots))), start, np.zeros(1, int))
    script = Scripts(bound, qml.device("default.qubit", wires=circuit.n_qubits)).script(0)
    drawn, _axes = qml.drawer.tape_mpl(script, show_all_wires=True)
    return drawn
