"""Density matrices in the basis of Pauli words: gates and channels as real matrices, Pauli transfer matrices.

The component of a word is its expectation value, so a state of `n` qubits is `4**n` real numbers, half of
those of a density matrix, and what is measured is read off. Wire by wire the digits 0 to 3 are I, X, Y, Z.
Greenbaum, "Introduction to quantum gate set tomography" (2015), arXiv:1509.02921, section 2.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate
from qproj.circuits.measurements import Probs, Projector, confusion
from qproj.circuits.rewriting import kraus
from qproj.noise.mixed import check_mixed
from qproj.noise.probability import PAULIS
from qproj.planning.blocks import Blocks, Digits, blocks, reordering
from qproj.planning.fusion import Complexes, Floats, Ints
from qproj.planning.moves import shift
from qproj.planning.pieces import pieces
from qproj.planning.tables import Factor, Table

DIGITS = Digits(front=0, per_wire=2)


@dataclass(frozen=True, eq=False)
class DensityPlan:
    """A noisy circuit for density matrices.

    Attributes:
        start: What each wire goes through before it meets another, up to its last input: `(n_qubits, depth)`;
            `None` where inputs are amplitudes.
        blocks: The rest.
        measured: Of what outputs are made, one part after the other.
    """

    start: Table | None
    blocks: Blocks
    measured: tuple[Words | Outcomes, ...]


@dataclass(frozen=True, eq=False)
class Words:
    """Outputs that are sums of Pauli words.

    Attributes:
        words: Int `(n_words,)`: component of each different word.
        mixing: `(n_outputs, n_words)`: outputs of words.
    """

    words: Ints
    mixing: Floats

    @property
    def n_outputs(self) -> int:
        """How many outputs it gives."""
        return len(self.mixing)


@dataclass(frozen=True, eq=False)
class Outcomes:
    """Outputs that are probabilities of outcomes of `k` wires.

    Attributes:
        words: Int `(2**k,)`: component of the words that have I or a wire's letter on each wire; a binary
            digit of their place says which.
        scale: `(2**k,)`: what each word is of it.
        reading: For each wire `(2, 2)`, by which that digit becomes the outcome's.
        outcome: The one that is wanted, or all if `None`.
    """

    words: Ints
    scale: Floats
    reading: tuple[Floats, ...]
    outcome: int | None

    @property
    def n_outputs(self) -> int:
        """How many outputs it gives."""
        return len(self.words) if self.outcome is None else 1


# Asked for by the planner, for micro-batches, and by the program.
@functools.lru_cache(maxsize=64)
def density_plan(circuit: Circuit) -> DensityPlan:
    """Plan a circuit for density matrices."""
    check_mixed(circuit.observables)
    n = circuit.n_qubits
    factors = [factor for gate in circuit.plain_gates for factor in _factors(gate)]
    starts: list[list[Factor]] = [[] for _ in range(n)]
    if not circuit.amplitudes:
        starts, factors = _started(n, factors)
    made = blocks(n, factors, DIGITS, _embedded)
    measured: list[Words | Outcomes] = []
    # Pauli words that follow each other are one product.
    for _, group in itertools.groupby(circuit.observables, lambda one: isinstance(one, Probs | Projector)):
        observables = list(group)
        outcomes = [_outcomes(one, n, made) for one in observables if isinstance(one, Probs | Projector)]
        measured += outcomes or [_words_of(circuit.measuring(observables), made)]
    start = None if circuit.amplitudes else Table.of(starts, 4)
    return DensityPlan(start, made, tuple(measured))


def _words_of(circuit: Circuit, made: Blocks) -> Words:
    index: dict[int, int] = {}
    mixing = np.zeros((circuit.n_outputs, len(circuit.words)))
    for word, owner in zip(circuit.words, circuit.owners, strict=True):
        places = zip(word.letters, word.wires, strict=True)
        component = sum("IXYZ".index(letter) << shift(circuit.n_qubits, wire) for letter, wire in places)
        mixing[owner, index.setdefault(component, len(index))] += word.coefficient
    words, scale = _before(np.array(list(index), np.int32), circuit.n_qubits, made)
    return Words(words, mixing[:, : len(index)] * scale)


def _outcomes(observable: Probs | Projector, n_qubits: int, made: Blocks) -> Outcomes:
    words = np.zeros(1, np.int32)
    for letter, wire in zip(observable.basis, observable.wires, strict=True):
        own = np.array([0, "IXYZ".index(letter) << shift(n_qubits, wire)], np.int32)
        words = np.add.outer(words, own).ravel()
    errors = observable.errors or ((0.0, 0.0),) * len(observable.wires)
    # Of <I> = 1 and <P> the probabilities of both bits; of those, what is read.
    exact = np.array([[0.5, 0.5], [0.5, -0.5]])
    reading = tuple(confusion(*error).T @ exact for error in errors)
    outcome = observable.outcome if isinstance(observable, Projector) else None
    return Outcomes(*_before(words, n_qubits, made), reading, outcome)


def _before(words: Ints, n_qubits: int, made: Blocks) -> tuple[Ints, Floats]:
    """The components after the last block that words are multiples of, and of which."""
    scale = np.ones(len(words))
    if made.last is not None:
        words, scale = made.last.source[words], made.last.scale[words]
    return reordering(made.order, range(n_qubits), DIGITS).at(words), scale


def transfer(kraus_operators: npt.ArrayLike) -> Floats:
    """The Pauli transfer matrix `(4**k, 4**k)` of Kraus operators `(n, 2**k, 2**k)`."""
    operators = np.asarray(kraus_operators, np.complex128)
    words = _words(operators.shape[-1])
    moved = operators[:, None] @ words @ operators.conj().swapaxes(1, 2)[:, None]
    found: Floats = np.einsum("pij,kqji->pq", words, moved).real / operators.shape[-1]
    return found


def rotation(generator: npt.ArrayLike) -> Floats:
    """Parts `(3, 4**k, 4**k)` of the transfer matrix of `exp(-i t G / 2)` where `G @ G = 1`."""
    g = np.asarray(generator, np.complex128)
    words = _words(len(g))
    whole, turned = transfer(np.eye(len(g))[None]), transfer(g[None])
    sine = np.einsum("pij,qji->pq", words, -0.5j * (g @ words - words @ g)).real / len(g)
    return np.array([(whole + turned) / 2, (whole - turned) / 2, sine])


def _factors(gate: Gate) -> Iterator[Factor]:
    if not gate.is_channel:
        for piece in pieces(gate):
            if piece.matrix is not None:
                yield Factor(piece.wires, transfer(piece.matrix[None])[None])
            else:
                assert piece.generator is not None
                yield Factor(piece.wires, rotation(piece.generator), "rotation", piece.angle)
        return
    branches = gate.kind.branches
    assert branches is not None
    if gate.matrix is not None:
        yield Factor(gate.wires, transfer(gate.matrix)[None])
    elif isinstance(gate.angle, Constant):
        yield Factor(gate.wires, transfer(kraus(branches, gate.angle.value))[None])
    else:
        entries = np.eye(16).reshape(16, 4, 4)
        yield Factor(gate.wires, entries, "strength", gate.angle, branches)


def _started(n_qubits: int, factors: Sequence[Factor]) -> tuple[list[list[Factor]], list[Factor]]:
    """What each wire begins with, up to its last input, and the rest."""
    alone = dict.fromkeys(range(n_qubits), True)
    began: list[list[int]] = [[] for _ in range(n_qubits)]
    for place, factor in enumerate(factors):
        if len(factor.wires) > 1:
            alone |= dict.fromkeys(factor.wires, False)
        elif alone[factor.wires[0]]:
            began[factor.wires[0]].append(place)
    for places in began:
        while places and not factors[places[-1]].by_input:
            places.pop()
    taken = set(itertools.chain.from_iterable(began))
    return [[factors[place] for place in places] for places in began], [
        factor for place, factor in enumerate(factors) if place not in taken
    ]


def _embedded(factor: Factor, wires: tuple[int, ...]) -> Factor:
    return replace(factor, wires=wires, parts=spread(factor.parts, factor.wires, wires, 4))


def spread(
    parts: npt.NDArray[Any], from_wires: tuple[int, ...], wires: tuple[int, ...], base: int
) -> npt.NDArray[Any]:
    """Matrices `(n, m, m)` on some wires as ones on more of them, with so many digits a wire."""
    k, n = len(from_wires), len(parts)
    rest = [wire for wire in wires if wire not in from_wires]
    whole: npt.NDArray[Any] = np.einsum("nij,ab->niajb", parts, np.eye(base ** len(rest)))
    order = [*from_wires, *rest]
    whole = whole.reshape(n, *(base,) * (2 * len(order)))
    rows = [1 + order.index(wire) for wire in wires]
    axes = [0, *rows, *(row + k + len(rest) for row in rows)]
    size = base ** len(wires)
    return whole.transpose(axes).reshape(n, size, size)


@functools.cache
def _words(size: int) -> Complexes:
    """All Pauli words on as many wires as matrices of a size have, `(size**2, size, size)`."""
    words = PAULIS
    while words.shape[-1] < size:
        words = np.einsum("pij,qkl->pqikjl", words, PAULIS).reshape(-1, *(2 * words.shape[-1],) * 2)
    return words
