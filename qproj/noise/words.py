"""What is measured as sums of Pauli words, whose expectation values mixed states have too."""

from __future__ import annotations

import functools
import itertools
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Probs, Projector
from qproj.circuits.observables import Hamiltonian, Observable, PauliWord


@functools.lru_cache(maxsize=256)
def in_words(circuit: Circuit) -> Circuit:
    """A circuit with the same outputs, all of them Pauli words and Hamiltonians; itself if they are.

    Raises:
        ValueError: If a state or a fidelity is measured: with noise there is no pure state.
    """
    found = tuple(word for observable in circuit.observables for word in _words(observable))
    return circuit if found == circuit.observables else circuit.measuring(found)


def _words(observable: Observable) -> tuple[Observable, ...]:
    match observable:
        case PauliWord() | Hamiltonian():
            return (observable,)
        case Projector(bits, wires):
            return (_projector([int(bit) for bit in bits], wires, "Z" * len(wires)),)
        case Probs(wires, basis):
            each = itertools.product((0, 1), repeat=len(wires))
            return tuple(_projector(bits, wires, basis) for bits in each)
    raise ValueError(
        "observables must be expectation values or probabilities with noise, which leaves no pure state, "
        f"but held {observable}."
    )


def _projector(bits: Any, wires: tuple[int, ...], basis: str) -> Hamiltonian:
    """`prod (1 +- P) / 2` over the wires, with the letter `P` of each."""
    words = []
    for chosen in itertools.product((False, True), repeat=len(wires)):
        on = tuple(itertools.compress(wires, chosen))
        sign = (-1) ** sum(itertools.compress(bits, chosen))
        letters = "".join(itertools.compress(basis, chosen))
        words.append(PauliWord(letters or "I", on or wires[:1], sign / 2 ** len(wires)))
    return Hamiltonian(tuple(words))
