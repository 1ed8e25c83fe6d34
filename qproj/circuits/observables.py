"""Observables: what is measured, as Pauli words.

A set of observables is a function `n_qubits -> words`, one word for each output of the layer. To add one,
write the function here and register it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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


OBSERVABLES: Registry[Callable[[int], tuple[PauliWord, ...]]] = Registry("observables")


@OBSERVABLES.register("z")
def z(n_qubits: int) -> tuple[PauliWord, ...]:
    """Z on each wire: `n_qubits` outputs."""
    return tuple(PauliWord("Z", (wire,)) for wire in range(n_qubits))


@OBSERVABLES.register("xyz")
def xyz(n_qubits: int) -> tuple[PauliWord, ...]:
    """X on each wire, then Y on each, then Z on each: `3 * n_qubits` outputs."""
    return tuple(PauliWord(letter, (wire,)) for letter in "XYZ" for wire in range(n_qubits))
