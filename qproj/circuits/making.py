"""What stands between a caller's arguments and a `Circuit`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.parameters import Constant


def one_circuit(circuit: Circuit | None, *options: Any) -> Circuit:
    """The circuit that a layer is given, or the one that its options describe.

    Args:
        circuit: The circuit, or `None`.
        options: The first six arguments of `Circuit`, in their order.

    Raises:
        ValueError: If both are given; or as `Circuit`.
        TypeError: If it is something else than a circuit.
    """
    if circuit is None:
        return Circuit(*options)
    check_circuit(circuit)
    if options != (None, None, None, None, "z", False):
        raise ValueError("circuit must come alone: n_qubits, encoding and the like are its own.")
    return circuit


def check_circuit(circuit: object) -> None:
    """Raise TypeError for anything but a circuit."""
    if not isinstance(circuit, Circuit):
        raise TypeError(
            f"circuit must be a qproj.Circuit, but was {circuit!r:.80} ({type(circuit).__name__})."
        )


def at_least_one(gates: Sequence[Gate]) -> Sequence[Gate]:
    """The gates, or one that does nothing where there are none: a circuit has at least one."""
    return gates or [Gate("RZ", (0,), Constant(0.0))]
