"""Gates as pieces on one or two wires: a constant unitary, or a rotation about a Pauli word."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from qproj.circuits.gates import Constant, Gate, Parameter, lower
from qproj.circuits.synthesis import factors
from qproj.planning.fusion import Complexes

_Z, _CNOT = np.diag([1, -1]).astype(complex), np.eye(4, dtype=complex)[[0, 1, 3, 2]]


@dataclass(frozen=True, eq=False)
class Piece:
    """A unitary, or a rotation `exp(-i angle * generator / 2)`.

    Attributes:
        wires: One or two.
        matrix: The unitary.
        generator: Its square is the identity.
        angle: An input or a weight.
    """

    wires: tuple[int, ...]
    matrix: Complexes | None = None
    generator: Complexes | None = None
    angle: Parameter | None = None


def pieces(gate: Gate) -> Iterator[Piece]:
    """Take a gate apart, up to a global phase, in the order in which the pieces act."""
    if gate.unitary is not None and len(gate.wires) <= 2:
        yield Piece(gate.wires, np.array(gate.unitary))
        return
    for part in lower([gate]):
        kind, wires = part.kind, part.wires
        if kind.permutation is not None:
            matrix = np.eye(len(kind.permutation), dtype=complex)[:, list(kind.permutation)]
            if len(wires) <= 2:
                yield Piece(wires, matrix)
            else:
                yield from _taken_apart(wires, matrix)
        elif kind.z_rotation:
            ladder = [Piece(pair, _CNOT) for pair in itertools.pairwise(wires[:-1])]
            yield from ladder
            # The parity of all wires but the last is on the one before it now.
            on = wires[-2:]
            word = _Z if len(on) == 1 else np.kron(_Z, _Z)
            yield _turned(on, word, part.angle)
            yield from reversed(ladder)
        elif part.unitary is not None:
            yield Piece(wires, np.array(part.unitary))
        else:
            yield _turned(wires, np.array(kind.generator, complex), part.angle)


def _taken_apart(wires: tuple[int, ...], matrix: Complexes) -> Iterator[Piece]:
    for factor in factors(tuple(map(tuple, matrix.tolist()))):
        on = tuple(wires[place] for place in factor.places)
        if factor.matrix is not None:
            yield Piece(on, np.array(factor.matrix))
        else:
            name = {1: "RZ", 2: "IsingZZ"}.get(len(on), "MultiRZ")
            yield from pieces(Gate(name, on, Constant(factor.angle)))


def _turned(wires: tuple[int, ...], generator: Complexes, angle: Parameter | None) -> Piece:
    if not isinstance(angle, Constant):
        return Piece(wires, generator=generator, angle=angle)
    half = angle.value / 2
    return Piece(wires, np.cos(half) * np.eye(len(generator)) - 1j * np.sin(half) * generator)
