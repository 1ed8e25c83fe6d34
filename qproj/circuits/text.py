"""A circuit as text and back, where only text can go: into a compiled or exported torch program."""

from __future__ import annotations

import functools
import json
from dataclasses import fields
from typing import Any, TypeVar, get_args

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.observables import Observable
from qproj.circuits.parameters import Constant, InputSlot, WeightSlot

T = TypeVar("T")

_PARTS: dict[str, Any] = {
    part.__name__: part for part in (Constant, Gate, InputSlot, WeightSlot, complex, *get_args(Observable))
}


def writable(part: type[T]) -> type[T]:
    """Let `encode` write a dataclass, and `decode` read it: a decorator."""
    _PARTS[part.__name__] = part
    return part


def dumps(circuit: Circuit) -> str:
    """Write a circuit as JSON.

    Args:
        circuit: The circuit.

    Returns:
        One line; equal circuits give equal text.
    """
    arguments: dict[str, Any] = {"n_qubits": circuit.n_qubits, "observables": circuit.observables}
    if circuit.own_gates:
        arguments |= {"gates": circuit.own_gates, "encoding": circuit.encoding or None}
    else:
        names = ("n_layers", "encoding", "ansatz", "reupload")
        arguments |= {name: getattr(circuit, name) for name in names}
    return encode(arguments)


# The same object each time, so that what hangs on it, such as its hash, is there already.
@functools.lru_cache(maxsize=256)
def loads(text: str) -> Circuit:
    """Read what `dumps` has written.

    Args:
        text: The JSON.

    Returns:
        A circuit equal to the one written.

    Raises:
        ValueError: If it is not JSON, or not of a circuit.
    """
    try:
        return Circuit(**decode(text))
    except (TypeError, KeyError, AttributeError) as error:
        raise ValueError(f"text must be a circuit as qproj writes it, but was {text[:80]!r}") from error


def encode(value: Any) -> str:
    """Write plain data and parts of circuits as JSON; TypeError for anything else."""
    return json.dumps(value, default=_fields, separators=(",", ":"))


def decode(text: str) -> Any:
    """Read what `encode` has written; ValueError where it is not JSON."""
    return json.loads(text, object_hook=_part)


def _fields(part: Any) -> dict[str, Any]:
    if isinstance(part, complex):
        return {"is": "complex", "real": part.real, "imag": part.imag}
    if _PARTS.get(type(part).__name__) is not type(part):
        raise TypeError(f"cannot write {part!r} ({type(part).__name__}) as text.")
    values = {field.name: getattr(part, field.name) for field in fields(part)}
    return {"is": type(part).__name__} | {name: v for name, v in values.items() if v is not None}


def _part(found: dict[str, Any]) -> Any:
    kind = found.pop("is", None)
    if kind is None:
        return found
    return _PARTS[kind](**{k: tuple(v) if isinstance(v, list) else v for k, v in found.items()})
