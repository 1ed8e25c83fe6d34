"""What a gate is given beside its name and wires, checked and as it is kept: angles, strengths, matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from qproj.circuits.parameters import Constant, InputSlot, Parameter

if TYPE_CHECKING:
    from qproj.circuits.gates import GateKind

# What a matrix may be away from a unitary: single precision is precise enough.
_UNITARY = 1e-5


def checked_parameter(name: str, kind: GateKind, given: Any) -> Parameter | tuple[Parameter, ...] | None:
    """The parameter of a gate as it is kept, or an error."""
    if kind.n_angles < 2 and (given is None or isinstance(given, Parameter)):
        if (given is None) == (kind.n_angles == 0):
            return given
        rule = "must be given" if kind.n_angles else "must be None"
        raise ValueError(f"parameter of {name} {rule}, but was {given!r}.")
    items = tuple(given) if isinstance(given, Sequence) and not isinstance(given, str) else None
    if kind.n_angles > 1 and items is not None and all(isinstance(item, Parameter) for item in items):
        if len(items) == kind.n_angles:
            return items
        raise ValueError(f"parameter of {name} must be {kind.n_angles} angles, but were {len(items)}.")
    if kind.own_matrix:
        raise TypeError(
            f"parameter of {name} must be None, but was {given!r}. Pass its unitary as matrix=..."
        )
    if not kind.n_angles:
        raise TypeError(f"parameter of {name} must be None, but was {given!r}.")
    one = "a Constant, InputSlot or WeightSlot"
    rule = one if kind.n_angles == 1 else f"a tuple of {kind.n_angles}, each {one}"
    raise TypeError(
        f"parameter of {name} must be {rule}, but was {given!r}. For a fixed angle in radians write "
        "qproj.Constant(0.5), for an input qproj.InputSlot(0), for a weight qproj.WeightSlot(0)."
    )


def check_strengths(name: str, kind: GateKind, parameters: Sequence[Parameter]) -> None:
    """Raise where a channel cannot have these strengths; of those that are weights nothing is known yet."""
    if any(isinstance(parameter, InputSlot) for parameter in parameters):
        raise TypeError(
            f"strengths of {name} must be qproj.Constant or qproj.WeightSlot, but were {parameters}."
        )
    values = [parameter.value for parameter in parameters if isinstance(parameter, Constant)]
    if kind.check is not None and len(values) == len(parameters):
        kind.check(*values)


def checked_matrix(name: str, kind: GateKind, wires: tuple[int, ...], given: Any) -> Any:
    """The matrix of a gate as it is kept, or an error."""
    if kind.own_matrix and kind.branches is not None:
        return _kraus(name, wires, given)
    if not kind.own_matrix:
        if given is not None:
            raise ValueError(f"matrix of {name} must be None; for a unitary of your own use 'QubitUnitary'.")
        return None
    if given is None:
        raise ValueError(f"matrix of {name} must be given: a unitary of shape {(2 ** len(wires),) * 2}.")
    if getattr(given, "requires_grad", False):
        raise TypeError(f"matrix of {name} must be constant, but was a tensor that requires a gradient.")
    try:
        array = np.asarray(given, np.complex128)
    except (TypeError, ValueError):
        raise TypeError(f"matrix of {name} must be an array of numbers, but was {given!r}.") from None
    if array.shape != (2 ** len(wires),) * 2:
        raise ValueError(
            f"matrix of {name} must have shape {(2 ** len(wires),) * 2} on {len(wires)} wires, but had shape "
            f"{array.shape}."
        )
    away = np.abs(array @ array.conj().T - np.eye(len(array))).max()
    if not away < _UNITARY:
        raise ValueError(
            f"matrix of {name} must be unitary, but times its conjugate transpose it is {away:.2g} away from "
            "the identity."
        )
    return tuple(map(tuple, array.tolist()))


def _kraus(name: str, wires: tuple[int, ...], given: Any) -> Any:
    """Kraus operators as they are kept, or an error."""
    size = 2 ** len(wires)
    try:
        array = np.asarray(given, np.complex128)
    except (TypeError, ValueError):
        raise TypeError(f"matrix of {name} must be an array of numbers, but was {given!r}.") from None
    if array.ndim != 3 or array.shape[1:] != (size, size) or not len(array):
        raise ValueError(
            f"matrix of {name} must be Kraus operators of shape (n, {size}, {size}) on {len(wires)} wires, "
            f"but had shape {array.shape}."
        )
    total = np.einsum("kba,kbc->ac", array.conj(), array)
    away = np.abs(total - np.eye(size)).max()
    if not away < _UNITARY:
        raise ValueError(
            f"matrix of {name} must be Kraus operators whose products K^dagger K sum to the identity, but "
            f"the sum is {away:.2g} away from it."
        )
    return tuple(tuple(map(tuple, matrix)) for matrix in array.tolist())
