"""Readout errors: bits that are read wrongly, and what that makes of expectation values and probabilities."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from types import ModuleType
from typing import Any

import numpy as np

from qproj.circuits.measurements import Probs, Projector, confusion
from qproj.circuits.observables import Hamiltonian, Observable, PauliWord
from qproj.circuits.parameters import integer, real
from qproj.circuits.text import writable
from qproj.noise.probability import check_probability


@writable
@dataclass(frozen=True)
class Readout:
    """Probabilities of reading a bit wrongly.

    Attributes:
        of_zero: Of reading 1 where the bit is 0.
        of_one: Of reading 0 where the bit is 1.
        wire: The wire; `None` for all that have no `Readout` of their own.

    Raises:
        ValueError: If a number is not in [0, 1].
    """

    of_zero: float
    of_one: float
    wire: int | None = None

    def __post_init__(self) -> None:
        for name in ("of_zero", "of_one"):
            object.__setattr__(self, name, real(f"{name} of a Readout", getattr(self, name)))
            check_probability(f"{name} of a Readout", getattr(self, name))
        if self.wire is not None:
            object.__setattr__(self, "wire", integer("wire of a Readout", self.wire))

    @property
    def confusion(self) -> Any:
        """`(2, 2)`: in row `i` the probabilities of reading 0 and 1 where the bit is `i`."""
        return confusion(self.of_zero, self.of_one)


def readouts(given: Any) -> tuple[Readout, ...]:
    """Readout errors as they are kept, or an error.

    Args:
        given: A probability of any bit's being read wrongly; a confusion matrix `(2, 2)`, its rows those of
            true bits; a mapping from wires to either; or `Readout`s.
    """
    if isinstance(given, Readout):
        return (given,)
    if isinstance(given, Mapping):
        return tuple(_readout(one, integer("wire of readout", wire)) for wire, one in sorted(given.items()))
    if isinstance(given, Sequence) and all(isinstance(one, Readout) for one in given):
        wires = [one.wire for one in given]
        if len(set(wires)) < len(wires):
            raise ValueError(f"readout must have one Readout a wire, but had some for {wires}.")
        return tuple(given)
    return (_readout(given, None),)


def _readout(given: Any, wire: int | None) -> Readout:
    array = np.asarray(given, float)
    if array.ndim == 0:
        check_probability("readout", float(array))
        return Readout(float(array), float(array), wire)
    if array.shape != (2, 2) or np.abs(array.sum(axis=1) - 1).max() > 1e-6:
        raise ValueError(
            "readout must be a probability, or a (2, 2) matrix of those of reading 0 and 1, whose rows, for "
            f"true bits 0 and 1, sum to 1, but was {given!r}."
        )
    return Readout(float(array[0, 1]), float(array[1, 0]), wire)


def confusions(given: tuple[Readout, ...], n_qubits: int) -> list[Readout]:
    """The readout error of each wire, one that reads rightly where none is given."""
    by_wire = {one.wire: one for one in given}
    other = by_wire.get(None, Readout(0.0, 0.0))
    return [by_wire.get(wire, other) for wire in range(n_qubits)]


def observed(observables: Sequence[Observable], wires: Sequence[Readout]) -> tuple[Observable, ...]:
    """Observables whose exact values are the mean readings of the given ones.

    Where a wire's bit is read, the mean of its sign is `(of_one - of_zero) + (1 - of_zero - of_one) <Z>`, and
    likewise for X and Y, which are turned into Z before. Probabilities are told the errors of their wires.

    Args:
        observables: What is measured.
        wires: The readout error of each wire.
    """
    return tuple(_observed(observable, wires) for observable in observables)


def _observed(observable: Observable, wires: Sequence[Readout]) -> Observable:
    if isinstance(observable, Probs | Projector):
        errors = [(wires[wire].of_zero, wires[wire].of_one) for wire in observable.wires]
        return replace(observable, errors=tuple(errors))
    assert isinstance(observable, PauliWord | Hamiltonian)
    words = (observable,) if isinstance(observable, PauliWord) else observable.words
    read: list[PauliWord] = []
    for word in words:
        pairs = [pair for pair in zip(word.letters, word.wires, strict=True) if pair[0] != "I"]
        for kept in itertools.product((True, False), repeat=len(pairs)):
            coefficient = word.coefficient
            for (_, wire), keeps in zip(pairs, kept, strict=True):
                error = wires[wire]
                by = 1 - error.of_zero - error.of_one if keeps else error.of_one - error.of_zero
                coefficient *= by
            left = list(itertools.compress(pairs, kept))
            if coefficient or all(kept):
                letters, on = zip(*left, strict=True) if left else ("I", word.wires[:1])
                read.append(PauliWord("".join(letters), on, coefficient))
    return read[0] if len(read) == 1 else Hamiltonian(tuple(read))


def read_probabilities(probabilities: Any, wires: Sequence[Readout], namespace: ModuleType) -> Any:
    """Probabilities of what is read.

    Args:
        probabilities: `(..., 2**n)` of the basis states, an array of the namespace.
        wires: The readout error of each wire.
        namespace: `numpy` or `jax.numpy`.

    Returns:
        `(..., 2**n)`.
    """
    for wire, error in enumerate(wires):
        if error.of_zero or error.of_one:
            split = probabilities.reshape(-1, 2**wire, 2, probabilities.shape[-1] >> (wire + 1))
            confusion = namespace.asarray(error.confusion, probabilities.dtype)
            probabilities = namespace.einsum("rabc,bd->radc", split, confusion).reshape(probabilities.shape)
    return probabilities
