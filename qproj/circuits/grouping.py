"""What can be measured together: groups of terms that commute wire by wire, as data.

Each wire of a group is measured in one basis, X, Y or Z, so one change of basis and one set of measurements
serve all its terms (Verteletskyi, Yen and Izmaylov, "Measurement optimization in the variational quantum
eigensolver using a minimum clique cover" (2020), arXiv:1907.03358; groups here are made greedily).
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable
from dataclasses import dataclass

from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Fidelity, Outcomes, State
from qproj.circuits.observables import PauliWord


@dataclass(frozen=True)
class Group:
    """Terms of a circuit that are measured together.

    Attributes:
        basis: The letter that each wire is measured in, wire 0 first; `"Z"` where no term asks. Empty for a
            fidelity, which is measured alone: a circuit that makes its state is undone, and zeros counted.
        members: Places of the terms in `circuit.terms`.
        share: Measurements of the group, in units of those that are asked for.
    """

    basis: str
    members: tuple[int, ...]
    share: float = 1.0

    def shots(self, shots: int) -> int:
        """Its number of measurements where `shots` are asked for; at least 1."""
        return max(1, round(self.share * shots))


@functools.lru_cache(maxsize=256)
def groups(circuit: Circuit) -> tuple[Group, ...]:
    """Group the terms of a circuit: each goes into the first group that its letters allow.

    A group gets as many measurements as are asked for. Where the words of one Hamiltonian are in several
    groups, their measurements are shared out by weight, the root of the sum of squared coefficients, which
    leaves their sum as it is: a word that counts little costs little. Where several observables need a group,
    it gets the most that one of them asks for.

    Args:
        circuit: The circuit; no state is among its observables.

    Returns:
        At least one group; each term is in exactly one.
    """
    made: list[tuple[dict[int, str], list[int]]] = []
    alone: list[int] = []
    for place, term in enumerate(circuit.terms):
        if isinstance(term, Fidelity):
            alone.append(place)
            continue
        assert not isinstance(term, State)
        letters = dict(_letters(term))
        for basis, members in made:
            if all(basis.get(wire, letter) == letter for wire, letter in letters.items()):
                basis.update(letters)
                members.append(place)
                break
        else:
            made.append((letters, [place]))
    shares = _shares(circuit, [members for _, members in made])
    fidelities = [Group("", (place,)) for place in alone]
    words = [
        Group("".join(basis.get(wire, "Z") for wire in range(circuit.n_qubits)), tuple(members), share)
        for (basis, members), share in zip(made, shares, strict=True)
    ]
    return (*words, *fidelities)


def _letters(term: PauliWord | Outcomes) -> Iterable[tuple[int, str]]:
    """The basis that each wire of a term is measured in."""
    if isinstance(term, PauliWord):
        return ((w, p) for w, p in zip(term.wires, term.letters, strict=True) if p != "I")
    return zip(term.wires, term.basis, strict=True)


def _shares(circuit: Circuit, members: list[list[int]]) -> list[float]:
    """The share of each group in the measurements."""
    squares: dict[int, dict[int, float]] = {}  # by observable, by group
    for at, places in enumerate(members):
        for place in places:
            term = circuit.terms[place]
            known = isinstance(term, PauliWord) and set(term.letters) == {"I"}
            square = 0.0 if known else term.coefficient**2 if isinstance(term, PauliWord) else 1.0
            weights = squares.setdefault(circuit.owners[place], {})
            weights[at] = weights.get(at, 0.0) + square
    shares = [0.0] * len(members)
    for weights in squares.values():
        total = sum(map(math.sqrt, weights.values()))
        used = sum(square > 0 for square in weights.values())
        for at, square in weights.items():
            if square:
                shares[at] = max(shares[at], used * math.sqrt(square) / total)
    return shares
