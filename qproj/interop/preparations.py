"""State preparations of a tape, gathered at its beginning, where the engine starts from amplitudes.

PennyLane writes any other as rotations, whose angles have no derivative where an amplitude is zero.
Loaded with the device alone, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pennylane as qml
from pennylane.exceptions import DeviceError
from pennylane.transforms.core import transform

# What may come before a preparation on its wires.
_NOTHING = (qml.Identity, qml.GlobalPhase, qml.Barrier)


@transform  # type: ignore[untyped-decorator]
def gather_preparations(tape: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Move preparations of wires that nothing has changed to the front, as one.

    Raises:
        DeviceError: If amplitudes that others come before on their wires are to be differentiated, and one is
            zero.
    """
    first: list[Any] = []
    others: list[Any] = []
    changed: set[Any] = set()
    for operation in tape.operations:
        prepares = isinstance(operation, qml.StatePrep) and not operation.is_sparse
        if prepares and changed.isdisjoint(operation.wires):
            first.append(operation)
        else:
            if prepares:
                _check_differentiable(operation)
            others.append(operation)
        if not isinstance(operation, _NOTHING):
            changed.update(operation.wires)
    if not first or (len(first) == 1 and tape.operations[0] is first[0]):
        return (tape,), lambda results: results[0]
    return (tape.copy(operations=[_together(first), *others]),), lambda results: results[0]


def _together(preparations: list[Any]) -> Any:
    """One preparation of the product of all states, `(2**n,)` or `(batch, 2**n)` each."""
    whole, *others = (qml.math.cast(p.parameters[0], "complex128") for p in preparations)
    for state in others:
        product = qml.math.einsum("...i,...j->...ij", whole, state)
        whole = qml.math.reshape(product, (*product.shape[:-2], -1))
    wires = qml.wires.Wires.all_wires([p.wires for p in preparations])
    return qml.StatePrep(whole, wires, validate_norm=False)


def _check_differentiable(preparation: Any) -> None:
    (amplitudes,) = preparation.data
    if not qml.math.requires_grad(amplitudes) or qml.math.is_abstract(amplitudes):
        return
    if bool(qml.math.any(qml.math.unwrap([amplitudes])[0] == 0)):
        raise DeviceError(
            f"Gradients of {preparation.name} on wires {preparation.wires.tolist()} exist at the "
            "beginning of a circuit only, where an amplitude is zero. Prepare the state before anything else "
            "on its wires."
        )
