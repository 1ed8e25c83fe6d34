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

from qproj.interop import differentiable

# What may come before a preparation on its wires.
_NOTHING = (qml.Identity, qml.GlobalPhase, qml.Barrier)


@transform  # type: ignore[untyped-decorator]
def gather_preparations(tape: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Move preparations of wires that nothing has changed to the front, as one.

    Raises:
        DeviceError: If amplitudes that others come before on their wires are differentiated, and one is zero,
            or JAX traces them.
    """
    first: list[Any] = []
    others: list[Any] = []
    changed: set[Any] = set()
    for operation in tape.operations:
        prepares = isinstance(operation, qml.StatePrep) and not operation.is_sparse
        if prepares and changed.isdisjoint(operation.wires):
            first.append(operation)
        else:
            others.append(_checked(operation) if prepares else operation)
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


def _checked(preparation: Any) -> Any:
    """The preparation, if its amplitudes have gradients or need none."""
    (amplitudes,) = preparation.data
    if not qml.math.requires_grad(amplitudes):
        return preparation
    if qml.math.is_abstract(amplitudes):
        # Whether one is zero cannot be seen, nor whether a gradient will be asked for.
        watched = differentiable.refusing_gradients(
            amplitudes, lambda: _error(preparation, "that JAX traces")
        )
        return qml.StatePrep(watched, preparation.wires, validate_norm=False)
    if bool(qml.math.any(qml.math.unwrap([amplitudes])[0] == 0)):
        raise _error(preparation, "where an amplitude is zero")
    return preparation


def _error(preparation: Any, where: str) -> DeviceError:
    return DeviceError(
        f"Gradients of {preparation.name} on wires {preparation.wires.tolist()} {where} exist at the "
        "beginning of a circuit only. Prepare the state before anything else on its wires."
    )
