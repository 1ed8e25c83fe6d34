"""What a circuit measures as Qiskit's operators, and back."""

from __future__ import annotations

import functools
import itertools
import math
from collections.abc import Iterator
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Fidelity, Probs, Projector, State
from qproj.circuits.observables import Hamiltonian, Observable, PauliWord

# Letters, wires and coefficient of each term of a sum of Pauli words.
Sparse = list[tuple[str, list[int], float]]
_SMALL = 1e-12  # imaginary parts of coefficients that are rounding


@functools.lru_cache(maxsize=64)
def of_terms(circuit: Circuit) -> tuple[Any, ...]:
    """A `SparsePauliOp` for each column of a sampler's values: words without their coefficients."""
    return tuple(
        _operator(circuit, [(s[0][0], s[0][1], 1.0)] if isinstance(term, PauliWord) else s)
        for term in circuit.terms
        for s in _sums(term)
    )


def of_outputs(circuit: Circuit) -> list[Any]:
    """A `SparsePauliOp` for each output of a circuit; none where a state or a fidelity is measured."""
    if any(isinstance(observable, State | Fidelity) for observable in circuit.observables):
        return []
    return [_operator(circuit, s) for observable in circuit.observables for s in _sums(observable)]


def _operator(circuit: Circuit, terms: Sparse) -> Any:
    from qiskit.quantum_info import SparsePauliOp

    return SparsePauliOp.from_sparse_list(terms, num_qubits=circuit.n_qubits)


def _sums(observable: Observable) -> Iterator[Sparse]:
    """A sum for each output of an observable."""
    match observable:
        case PauliWord(letters, wires, coefficient):
            yield [(letters, list(wires), coefficient)]
        case Hamiltonian(words):
            yield [(word.letters, list(word.wires), word.coefficient) for word in words]
        case Probs() | Projector():
            outcomes = [observable.outcome] if isinstance(observable, Projector) else range(observable.width)
            for outcome in outcomes:
                yield _projector(outcome, observable)
        case _:
            raise ValueError(
                f"observables must be sums of Pauli words, or outcomes, for Qiskit, but held {observable}."
            )


def _projector(outcome: int, observable: Probs | Projector) -> Sparse:
    """What reads an outcome: the product over the wires of what reads each of its bits.

    Without readout errors the latter is `(1 +- P) / 2`.
    """
    wires = observable.wires
    errors = observable.errors or ((0.0, 0.0),) * len(wires)
    factors = []
    for place, (of_zero, of_one) in zip(reversed(range(len(wires))), errors, strict=True):
        # How likely the bit is read where it is 0, and where it is 1.
        zero, one = (of_zero, 1 - of_one) if outcome >> place & 1 else (1 - of_zero, of_one)
        factors.append(((zero + one) / 2, (zero - one) / 2))
    terms: Sparse = []
    for chosen in itertools.product((0, 1), repeat=len(wires)):
        letters = "".join(itertools.compress(observable.basis, chosen))
        size = math.prod(factor[taken] for factor, taken in zip(factors, chosen, strict=True))
        terms.append((letters, list(itertools.compress(wires, chosen)), size))
    return terms


def observables_of(given: Any) -> Any:
    """Observables as a circuit takes them, from Qiskit's operators and labels or our own.

    Args:
        given: A `SparsePauliOp`, a `Pauli`, a label such as `"IZ"`, or a sequence of them; a mapping from
            labels to coefficients is a sum. Or what `Circuit` takes.

    Raises:
        ValueError: If a coefficient is not a real number, or an operator is not a sum of Pauli words.
    """
    if isinstance(given, str) and given != given.upper():
        return given  # a name of ours
    if isinstance(given, Observable):
        return (given,)
    is_one = isinstance(given, str) or hasattr(given, "num_qubits") or hasattr(given, "items")
    items = [given] if is_one else list(given)
    return tuple(item if isinstance(item, Observable) else _observable(item) for item in items)


def _observable(item: Any) -> PauliWord | Hamiltonian:
    from qiskit.quantum_info import Pauli, SparsePauliOp

    if isinstance(item, str | Pauli):
        item = SparsePauliOp(item)
    elif hasattr(item, "items"):
        item = SparsePauliOp.from_list(list(item.items()))
    if not isinstance(item, SparsePauliOp):
        raise ValueError(
            "observables must be sums of Pauli words, such as SparsePauliOp('IZ'), but held "
            f"{type(item).__name__}. SparsePauliOp.from_operator(operator) writes an operator so."
        )
    words = []
    for letters, wires, coefficient in item.to_sparse_list():
        if not abs(complex(coefficient).imag) <= _SMALL * max(1.0, abs(coefficient)):
            raise ValueError(f"observables must have real coefficients, but one was {coefficient}.")
        words.append(PauliWord(letters or "I", wires or (0,), float(coefficient.real)))
    return words[0] if len(words) == 1 else Hamiltonian(tuple(words))
