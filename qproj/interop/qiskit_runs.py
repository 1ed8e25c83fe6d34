"""Circuits that Qiskit's primitives are given, run on the engine: each read once, its rows one batch."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray

from qproj.backends import get_backend
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.making import at_least_one
from qproj.circuits.qiskit_reading import Reader
from qproj.circuits.symbols import Symbols
from qproj.inputs import features_of
from qproj.planning.execution import Execution

Array = NDArray[np.float64]


class Read(NamedTuple):
    """A circuit of Qiskit's, all of whose parameters are inputs, sorted by name as Qiskit sorts them.

    Attributes:
        n_qubits: Its qubits.
        gates: Its gates.
        measured: The wire that each classical bit is measured from.
    """

    n_qubits: int
    gates: tuple[Gate, ...]
    measured: Mapping[int, int]

    def circuit(self, observables: Any) -> Circuit:
        """The circuit, measuring this."""
        return Circuit(self.n_qubits, gates=at_least_one(self.gates), observables=observables)


# What was read of a circuit, by its identity, as long as it exists and has not been changed.
_READ: dict[int, tuple[weakref.ref[Any], Hashable, Read]] = {}


def read(circuit: Any) -> Read:
    """Read a `QuantumCircuit`, or find what was read of it before."""
    key, now = id(circuit), _contents(circuit)
    known = _READ.get(key)
    if known is not None and known[0]() is circuit and known[1] == now:
        return known[2]
    names = [parameter.name for parameter in circuit.parameters]
    reader = Reader(circuit, Symbols(names, names, ()))
    found = Read(circuit.num_qubits, tuple(reader.gates), reader.measured)
    _READ[key] = weakref.ref(circuit, lambda _: _READ.pop(key, None)), now, found
    return found


def _contents(circuit: Any) -> Hashable:
    """What a circuit is made of: equal where nothing was changed."""
    return tuple(
        (item.operation.name, item.qubits, item.clbits, tuple(map(_plain, item.operation.params)))
        for item in circuit.data
    )


def _plain(parameter: Any) -> Hashable:
    return parameter.tobytes() if isinstance(parameter, np.ndarray) else parameter


class Runner:
    """Runs circuits for primitives.

    Args:
        backend: As for `qproj.QuantumLayer`.
        execution: How to run them.
    """

    def __init__(self, backend: Any, execution: Execution) -> None:
        self.backend, self.execution = backend, execution

    def values(self, circuit: Circuit, angles: Array) -> Array:
        """Values `(rows, n_outputs)` of angles `(rows, n_parameters)`."""
        with torch.no_grad():
            return self._run(circuit, torch.from_numpy(angles)).numpy()

    def gradients(self, circuit: Circuit, angles: Array, outputs: NDArray[np.int64]) -> Array:
        """For each row the gradient `(rows, n_parameters)` of one of its outputs."""
        x = torch.from_numpy(angles).requires_grad_()
        chosen = self._run(circuit, x).gather(1, torch.from_numpy(outputs)[:, None])
        (found,) = torch.autograd.grad(chosen.sum(), [x], allow_unused=True)
        return np.zeros_like(angles) if found is None else found.numpy()

    def _run(self, circuit: Circuit, angles: torch.Tensor) -> torch.Tensor:
        features = features_of(circuit, angles[:, : circuit.n_inputs])
        weights = angles.new_zeros(circuit.weight_shape)
        return get_backend(self.backend).run(circuit, self.execution, features, weights)


def by_circuit(circuits: Sequence[Any]) -> Iterable[tuple[Any, list[int]]]:
    """Each of several circuits, and where it stands among them."""
    places: dict[int, list[int]] = {}
    for place, circuit in enumerate(circuits):
        places.setdefault(id(circuit), []).append(place)
    return [(circuits[rows[0]], rows) for rows in places.values()]


def distinct(items: Sequence[Any], made: Callable[[Any], Any]) -> tuple[list[Any], NDArray[np.int64]]:
    """What is made of each different item, and which one each item is."""
    numbers: dict[int, int] = {}
    which = [numbers.setdefault(id(item), len(numbers)) for item in items]
    first = {number: item for item, number in zip(reversed(items), reversed(which), strict=True)}
    return [made(first[number]) for number in range(len(numbers))], np.array(which)
