"""Observables: what is measured, as Pauli words and sums of them, or as `qproj.circuits.measurements` has it.

A set of observables is a function from `n_qubits` to observables, whose outputs come one after the other. To
add one, write the function here and register it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from typing import Any, ClassVar, Literal

from qproj.circuits.measurements import Measured, Probs, State
from qproj.circuits.parameters import real, wires_of
from qproj.registry import Registry

# The names below, for type checkers and completion: a new one is added here as well.
ObservablesName = Literal["z", "xyz", "zz", "probs", "state"]


@dataclass(frozen=True)
class PauliWord:
    """A product of Pauli operators times a real coefficient: `coefficient * Z_0 X_3`, say.

    Args:
        letters: As below; `I`s beside other letters are left out, with their wires.
        wires: A sequence of ints, or one; the first `len(letters)` wires if `None`.
        coefficient: A real factor.

    Attributes:
        letters: One of X, Y, Z for each wire, for example `"ZX"`; or `"I"`, the identity.
        wires: The wires they act on, for example `(0, 3)`.
        coefficient: The factor.

    Raises:
        ValueError: If a letter is not I, X, Y or Z, letters and wires do not pair up, or the coefficient is
            not finite.
        TypeError: If wires are not ints, or the coefficient is not a real number.
    """

    needs: ClassVar[str] = "expectations"
    letters: str
    wires: tuple[int, ...] = None  # type: ignore[assignment]
    coefficient: float = 1.0

    def __post_init__(self) -> None:
        letters = self.letters
        if not isinstance(letters, str) or not letters or set(letters) - set("IXYZ"):
            raise ValueError(f"letters must be a non-empty word of I, X, Y, Z, but was {letters!r}.")
        given: Any = self.wires
        wires = wires_of("wires", range(len(letters)) if given is None else given)
        if len(wires) != len(letters):
            raise ValueError(
                f"wires must be {len(letters)} different wires, one for each letter of {letters!r}, but were "
                f"{wires}."
            )
        pairs = list(zip(letters, wires, strict=True))
        # The identity alone stays on one wire; beside others it says nothing.
        pairs = [pair for pair in pairs if pair[0] != "I"] or pairs[:1]
        object.__setattr__(self, "letters", "".join(letter for letter, _ in pairs))
        object.__setattr__(self, "wires", tuple(wire for _, wire in pairs))
        object.__setattr__(self, "coefficient", real("coefficient of a PauliWord", self.coefficient))

    @property
    def width(self) -> int:
        """Number of outputs."""
        return 1

    def __str__(self) -> str:
        pairs = zip(self.letters, self.wires, strict=True)
        word = " ".join(letter if letter == "I" else f"{letter}{wire}" for letter, wire in pairs)
        return word if self.coefficient == 1.0 else f"{self.coefficient:.3g} {word}"


@dataclass(frozen=True)
class Hamiltonian:
    """A sum of Pauli words: one output of the layer.

    Attributes:
        words: The terms, each with its coefficient; that of the identity, `PauliWord("I")`, is a constant.

    Raises:
        ValueError: If there is no term.
        TypeError: If a term is not a `PauliWord`.
    """

    needs: ClassVar[str] = "expectations"
    words: tuple[PauliWord, ...]

    def __post_init__(self) -> None:
        given: Any = self.words
        words = (given,) if isinstance(given, PauliWord) else tuple(given)
        object.__setattr__(self, "words", words)
        if not words:
            raise ValueError("words must hold at least one Pauli word, but was empty.")
        for word in words:
            if not isinstance(word, PauliWord):
                raise TypeError(f"words must hold PauliWords, but held {word!r} ({type(word).__name__}).")

    @property
    def width(self) -> int:
        """Number of outputs."""
        return 1

    def __str__(self) -> str:
        return " + ".join(map(str, self.words))


Observable = PauliWord | Hamiltonian | Measured

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


@OBSERVABLES.register("probs")
def probs(n_qubits: int) -> tuple[Observable, ...]:
    """Probabilities of all basis states: `2**n_qubits` outputs."""
    return (Probs(tuple(range(n_qubits))),)


@OBSERVABLES.register("state")
def state(n_qubits: int) -> tuple[Observable, ...]:
    """The final state: `2**n_qubits` complex outputs."""
    return (State(n_qubits),)
