"""Observables: what is measured, as Pauli words and sums of them.

A set of observables is a function from `n_qubits` to one observable for each output of the layer. To add one,
write the function here and register it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations

from qproj.registry import Registry


@dataclass(frozen=True)
class PauliWord:
    """A product of Pauli operators times a real coefficient: `coefficient * Z_0 X_3`, say.

    Attributes:
        letters: One of X, Y, Z for each wire, for example `"ZX"`.
        wires: The wires they act on, for example `(0, 3)`.
        coefficient: A real factor.

    Raises:
        ValueError: If a letter is not X, Y or Z, or letters and wires do not pair up.
    """

    letters: str
    wires: tuple[int, ...]
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        if not self.letters or set(self.letters) - set("XYZ"):
            raise ValueError(f"letters must be a non-empty word of X, Y, Z, but was {self.letters!r}.")
        if len(self.wires) != len(self.letters) or len(set(self.wires)) != len(self.wires):
            raise ValueError(
                f"wires must be {len(self.letters)} different wires, one for each letter of "
                f"{self.letters!r}, but were {self.wires}."
            )

    def __str__(self) -> str:
        word = " ".join(f"{letter}{wire}" for letter, wire in zip(self.letters, self.wires, strict=True))
        return word if self.coefficient == 1.0 else f"{self.coefficient:.3g} {word}"


@dataclass(frozen=True)
class Hamiltonian:
    """A sum of Pauli words: one output of the layer.

    Attributes:
        words: The terms, each with its coefficient.

    Raises:
        ValueError: If there is no term.
    """

    words: tuple[PauliWord, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "words", tuple(self.words))
        if not self.words:
            raise ValueError("words must hold at least one Pauli word, but was empty.")

    def __str__(self) -> str:
        return " + ".join(map(str, self.words))


Observable = PauliWord | Hamiltonian

OBSERVABLES: Registry[Callable[[int], tuple[Observable, ...]]] = Registry("observables")


@OBSERVABLES.register("z")
def z(n_qubits: int) -> tuple[Observable, ...]:
    """Z on each wire: `n_qubits` outputs."""
    return tuple(PauliWord("Z", (wire,)) for wire in range(n_qubits))


@OBSERVABLES.register("xyz")
def xyz(n_qubits: int) -> tuple[Observable, ...]:
    """X on each wire, then Y on each, then Z on each: `3 * n_qubits` outputs."""
    return tuple(PauliWord(letter, (wire,)) for letter in "XYZ" for wire in range(n_qubits))


@OBSERVABLES.register("zz")
def zz(n_qubits: int) -> tuple[Observable, ...]:
    """Z on each wire, then Z Z on each pair of wires: `n_qubits * (n_qubits + 1) / 2` outputs."""
    return (*z(n_qubits), *(PauliWord("ZZ", pair) for pair in combinations(range(n_qubits), 2)))
