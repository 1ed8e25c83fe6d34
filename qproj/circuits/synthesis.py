"""Unitaries on several wires as products of unitaries on one wire and rotations about Z words.

A unitary on `n` wires is `(A1 + A2) (H (1 + B) H) (1 + C)`, where `+` puts two unitaries on the other wires
side by side, for the first wire in 0 and 1, and `H` acts on the first wire: the block-ZXZ decomposition of
Krol and Al-Ars, "Beyond Quantum Shannon" (2024), arXiv:2403.13692. Two unitaries side by side are one both
have, a diagonal, and another (Shende, Bullock and Markov, "Synthesis of quantum logic circuits" (2006),
arXiv:quant-ph/0406176), and the diagonal is rotations about Z words.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Matrix = tuple[tuple[complex, ...], ...]
_Complexes = npt.NDArray[np.complex128]

# Mixtures of the Hermitian parts of a unitary; an accident in one of them is none in another.
_MIXTURES = (0.7310585786, -1.9159420228, 0.2384058440)
_NOTHING = 1e-15
_HADAMARD = np.array([[1, 1], [1, -1]]) / math.sqrt(2)


class Factor(NamedTuple):
    """One factor of a unitary.

    Attributes:
        places: The wires it acts on, as places among those of the unitary.
        matrix: A unitary on one wire; or `None`, for a rotation about Z on each of its wires.
        angle: Of the rotation, radians.
    """

    places: tuple[int, ...]
    matrix: Matrix | None
    angle: float = 0.0


@functools.lru_cache(maxsize=512)
def factors(matrix: Matrix) -> tuple[Factor, ...]:
    """Take a unitary apart, exactly: its global phase is in the factors.

    Args:
        matrix: Unitary `(2**n, 2**n)`; the first wire is the most significant bit.

    Returns:
        Factors in the order in which they act.
    """
    array = np.array(matrix, np.complex128)
    left, _, right = np.linalg.svd(array)  # the nearest unitary, where it was given in single precision
    return tuple(_factors(left @ right, 0))


def _factors(unitary: _Complexes, first: int) -> Iterator[Factor]:
    """Factors of a unitary on the wires from `first` on."""
    if len(unitary) == 2:
        yield _on_one(unitary, first)
        return
    half = len(unitary) // 2
    (a, b), (c, d) = (np.hsplit(rows, 2) for rows in np.vsplit(unitary, 2))
    (size_a, turn_a), (size_b, turn_b) = _polar(a), _polar(b)
    last = (size_a + 1j * size_b) @ turn_a
    begin = -1j * turn_a.conj().T @ turn_b
    one = np.eye(half, dtype=np.complex128)
    yield from _side_by_side(one, begin, first)
    yield _on_one(_HADAMARD, first)
    yield from _side_by_side(one, 2 * last.conj().T @ a - one, first)
    yield _on_one(_HADAMARD, first)
    yield from _side_by_side(last, c + d @ begin.conj().T, first)


def _polar(matrix: _Complexes) -> tuple[_Complexes, _Complexes]:
    """A positive matrix and a unitary, whose product it is."""
    left, sizes, right = np.linalg.svd(matrix)
    return (left * sizes) @ left.conj().T, left @ right


def _side_by_side(zero: _Complexes, one: _Complexes, first: int) -> Iterator[Factor]:
    """Factors of a unitary that is `zero` or `one` on the other wires, by the first wire's state.

    With `zero = V D W` and `one = V D^-1 W`, `D` comes from the eigenvalues of `zero @ one^-1`.
    """
    vectors, angles = _eigen(zero @ one.conj().T)
    root = np.exp(0.5j * angles)
    yield from _factors(root[:, None] * (vectors.conj().T @ one), first + 1)
    yield from _controlled_rz(-angles, first)
    yield from _factors(vectors, first + 1)


def _eigen(unitary: _Complexes) -> tuple[_Complexes, npt.NDArray[np.float64]]:
    """Orthonormal eigenvectors of a unitary, in columns, and the angles of its eigenvalues."""
    found = []
    for mixture in _MIXTURES:
        # The Hermitian and the anti-Hermitian part commute: eigenvectors of a mixture are those of both.
        part = unitary * (1 - 1j * mixture)
        vectors = np.linalg.eigh(part + part.conj().T)[1]
        turned = vectors.conj().T @ unitary @ vectors
        values = np.diagonal(turned)
        found.append((float(np.abs(turned - np.diag(values)).max()), vectors, np.angle(values)))
    _, vectors, angles = min(found, key=lambda item: item[0])
    return vectors, angles


def _controlled_rz(angles: npt.NDArray[np.float64], first: int) -> Iterator[Factor]:
    """RZ on the first wire, with an angle for each basis state of the others, as rotations about Z words."""
    n = len(angles).bit_length() - 1
    states = np.arange(len(angles))
    for word in range(len(angles)):
        signs = [1 - 2 * ((int(state) & word).bit_count() & 1) for state in states]
        angle = float(np.dot(signs, angles)) / len(angles)
        if abs(angle) > _NOTHING:
            others = (first + 1 + place for place in range(n) if word >> (n - 1 - place) & 1)
            yield Factor((first, *others), None, angle)


def _on_one(matrix: npt.NDArray[np.number], place: int) -> Factor:
    return Factor((place,), tuple(map(tuple, np.asarray(matrix, np.complex128).tolist())))
