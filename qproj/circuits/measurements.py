"""What is measured beside Pauli words: outcomes of wires, overlaps, and the state itself.

Each class says what a backend `needs` to measure it, of `qproj.backends.capabilities.MEASURES`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from qproj.circuits.parameters import wires_of

Errors = tuple[tuple[float, float], ...]


def confusion(of_zero: float, of_one: float) -> NDArray[np.float64]:
    """`(2, 2)`: in row `i` the probabilities of reading 0 and 1 where the bit is `i`.

    Args:
        of_zero: Probability of reading 1 where the bit is 0.
        of_one: Of reading 0 where it is 1.
    """
    return np.array([[1 - of_zero, of_zero], [of_one, 1 - of_one]])


@dataclass(frozen=True)
class Probs:
    """Probabilities of all outcomes of some wires: `2**len(wires)` outputs, as `qml.probs` orders them.

    Args:
        wires: As below.
        basis: As below; Z on each wire if `None`.

    Attributes:
        wires: The wires, the first of them the most significant bit of an outcome's index.
        basis: X, Y or Z for each wire: what is measured on it. Bit 0 stands for the eigenvalue 1.
        errors: For each wire the probabilities of reading 1 for 0, and 0 for 1; none if empty. A
            `qproj.noise.NoiseModel` puts its readout errors here.

    Raises:
        TypeError: If wires are not ints.
        ValueError: If there are none, a wire is there twice or below 0, or the letters do not fit.
    """

    needs: ClassVar[str] = "probabilities"
    wires: tuple[int, ...]
    basis: str = None  # type: ignore[assignment]
    errors: Errors = ()

    def __post_init__(self) -> None:
        wires = wires_of("wires", self.wires)
        basis = "Z" * len(wires) if self.basis is None else self.basis
        if not wires:
            raise ValueError("wires of Probs must be at least one wire, but were none.")
        if len(basis) != len(wires) or set(basis) - set("XYZ"):
            raise ValueError(
                f"basis must be {len(wires)} letters of X, Y, Z, one for each wire, but was {basis!r}."
            )
        object.__setattr__(self, "wires", wires)
        object.__setattr__(self, "basis", basis)
        object.__setattr__(self, "errors", tuple(map(tuple, self.errors)))

    @property
    def width(self) -> int:
        """Number of outputs."""
        return int(2 ** len(self.wires))

    def __str__(self) -> str:
        letters = self.basis if set(self.basis) != {"Z"} else " " * len(self.wires)
        pairs = zip(letters, self.wires, strict=True)
        return f"probs({', '.join(f'{letter}{wire}'.strip() for letter, wire in pairs)})"


@dataclass(frozen=True)
class Projector:
    """The probability that some wires are found in one basis state: `Projector("01", (0, 2))`.

    Args:
        bits: A str of 0 and 1, or a sequence of them.
        wires: One wire for each bit; the first `len(bits)` wires if `None`.

    Attributes:
        bits: The bits, as a str.
        wires: The wires.
        errors: As for `Probs`.

    Raises:
        TypeError: If wires are not ints.
        ValueError: If there is no bit, one is neither 0 nor 1, or bits and wires do not pair up.
    """

    needs: ClassVar[str] = "probabilities"
    bits: str
    wires: tuple[int, ...] = None  # type: ignore[assignment]
    errors: Errors = ()

    def __post_init__(self) -> None:
        given: Any = self.bits
        bits = given if isinstance(given, str) else "".join(str(int(bit)) for bit in given)
        if not bits or set(bits) - {"0", "1"}:
            raise ValueError(f"bits must be a non-empty word of 0 and 1, but was {given!r}.")
        wires = wires_of("wires", range(len(bits)) if self.wires is None else self.wires)
        if len(wires) != len(bits):
            raise ValueError(
                f"wires must be {len(bits)} wires, one for each bit of {bits!r}, but were {wires}."
            )
        object.__setattr__(self, "bits", bits)
        object.__setattr__(self, "wires", wires)
        object.__setattr__(self, "errors", tuple(map(tuple, self.errors)))

    @property
    def width(self) -> int:
        """Number of outputs."""
        return 1

    @property
    def basis(self) -> str:
        """Z for each wire; see `Probs`."""
        return "Z" * len(self.wires)

    @property
    def outcome(self) -> int:
        """Its index among the outcomes of `Probs(wires)`."""
        return int(self.bits, 2)

    def __str__(self) -> str:
        return f"|{self.bits}><{self.bits}|({', '.join(map(str, self.wires))})"


# Of norms: single precision, in which many a state comes.
_ROUNDING = 1e-5


@dataclass(frozen=True)
class Fidelity:
    """The overlap `|<state|psi>|**2` with a given pure state of all wires.

    Args:
        state: `2**n_qubits` complex amplitudes, wire 0 the most significant bit: an array, or any sequence.

    Attributes:
        state: The amplitudes, as a tuple of Python numbers.

    Raises:
        ValueError: If their number is no power of two, or their norm is not 1.
    """

    needs: ClassVar[str] = "states"
    state: tuple[complex, ...]

    def __post_init__(self) -> None:
        given: Any = self.state
        numbers: Sequence[Any] = given.tolist() if hasattr(given, "tolist") else given
        state = tuple(complex(number) for number in numbers)
        if len(state) < 2 or len(state) & (len(state) - 1):
            raise ValueError(
                f"state must hold 2**n_qubits amplitudes, one for each basis state, but held {len(state)}."
            )
        norm = math.sqrt(sum(abs(number) ** 2 for number in state))
        if not abs(norm - 1) <= _ROUNDING:
            raise ValueError(f"state must have norm 1, but its norm was {norm:.6g}. Divide it by its norm.")
        object.__setattr__(self, "state", tuple(number / norm for number in state))

    @property
    def wires(self) -> tuple[int, ...]:
        """All wires."""
        return tuple(range(len(self.state).bit_length() - 1))

    @property
    def width(self) -> int:
        """Number of outputs."""
        return 1

    def __str__(self) -> str:
        return "fidelity"


@dataclass(frozen=True)
class State:
    """The final state: `2**n_qubits` complex outputs, wire 0 the most significant bit; measured alone.

    Attributes:
        n_qubits: Number of qubits.
    """

    needs: ClassVar[str] = "states"
    n_qubits: int

    @property
    def wires(self) -> tuple[int, ...]:
        """All wires."""
        return tuple(range(self.n_qubits))

    @property
    def width(self) -> int:
        """Number of outputs."""
        return int(2**self.n_qubits)

    def __str__(self) -> str:
        return "state"


Outcomes = Probs | Projector
Measured = Probs | Projector | Fidelity | State
