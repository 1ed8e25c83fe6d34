"""Gates: what a circuit is a list of, and the table that says what each name means.

A gate is one of three kinds, and each runner needs to know no more than the kind:

- a rotation `exp(-i t P / 2)` about a one-qubit generator `P` with `P @ P = 1`,
- a fixed one-qubit unitary,
- a permutation of the basis states of its wires, such as CNOT.

Names are PennyLane's, so that its backend finds the operation by the same name. Matrices follow Nielsen
and Chuang, "Quantum Computation and Quantum Information", section 4.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from qproj.registry import Registry

Matrix2 = tuple[tuple[complex, complex], tuple[complex, complex]]

PAULI_X: Matrix2 = ((0, 1), (1, 0))
PAULI_Y: Matrix2 = ((0, -1j), (1j, 0))
PAULI_Z: Matrix2 = ((1, 0), (0, -1))


@dataclass(frozen=True)
class Constant:
    """A fixed angle, in radians."""

    value: float

    def __str__(self) -> str:
        return f"{self.value:.3g}"


@dataclass(frozen=True)
class InputSlot:
    """The angle `scale * inputs[index]`: one value per sample."""

    index: int
    scale: float = 1.0

    def __str__(self) -> str:
        return _scaled(f"x{self.index}", self.scale)


@dataclass(frozen=True)
class WeightSlot:
    """The angle `scale * weights.flatten()[index]`: one value for the whole batch."""

    index: int
    scale: float = 1.0

    def __str__(self) -> str:
        return _scaled(f"w{self.index}", self.scale)


Parameter = Constant | InputSlot | WeightSlot


def _scaled(symbol: str, scale: float) -> str:
    return symbol if scale == 1.0 else f"{scale:.3g}*{symbol}"


@dataclass(frozen=True)
class GateKind:
    """The meaning of a gate name; exactly one of the three fields after `n_wires` is set.

    Attributes:
        n_wires: Number of wires the gate acts on.
        generator: `P` of the rotation `exp(-i t P / 2)`; needs `P @ P = 1`.
        matrix: A fixed one-qubit unitary.
        permutation: `permutation[i]` is the basis state that `i` is sent to; the first wire of the gate is
            the most significant bit.
    """

    n_wires: int
    generator: Matrix2 | None = None
    matrix: Matrix2 | None = None
    permutation: tuple[int, ...] | None = None


_H = 1 / math.sqrt(2)

GATES: Registry[GateKind] = Registry("gate name")
GATES.add("RX", GateKind(1, generator=PAULI_X))
GATES.add("RY", GateKind(1, generator=PAULI_Y))
GATES.add("RZ", GateKind(1, generator=PAULI_Z))
GATES.add("Hadamard", GateKind(1, matrix=((_H, _H), (_H, -_H))))
GATES.add("CNOT", GateKind(2, permutation=(0, 1, 3, 2)))


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit.

    Attributes:
        name: A name in `GATES`, for example `"RX"` or `"CNOT"`.
        wires: The wires it acts on, control first.
        parameter: The angle of a rotation in radians (`Constant`, `InputSlot` or `WeightSlot`), else `None`.

    Raises:
        ValueError: If the name is unknown, or wires or parameter do not fit it.
    """

    name: str
    wires: tuple[int, ...]
    parameter: Parameter | None = None

    def __post_init__(self) -> None:
        kind = self.kind
        if len(self.wires) != kind.n_wires or len(set(self.wires)) != len(self.wires):
            raise ValueError(
                f"wires of {self.name} must be {kind.n_wires} different wires, but were {self.wires}."
            )
        if (self.parameter is not None) != (kind.generator is not None):
            rule = "must be given" if kind.generator is not None else "must be None"
            raise ValueError(f"parameter of {self.name} {rule}, but was {self.parameter!r}.")

    @property
    def kind(self) -> GateKind:
        """What the name means."""
        return GATES[self.name]

    def __str__(self) -> str:
        return self.name if self.parameter is None else f"{self.name}({self.parameter})"
