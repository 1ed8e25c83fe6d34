"""Gates: what a circuit is a list of, and the table that says what each name means.

A gate is of one of five kinds, and each runner needs to know no more than the kind:

- a rotation `exp(-i t P / 2)` about a one-qubit generator `P` with `P @ P = 1`,
- a rotation `exp(-i t Z...Z / 2)` about Z on every wire of the gate, which is diagonal,
- a fixed one-qubit unitary,
- a permutation of the basis states of its wires, such as CNOT,
- a product of gates of these kinds, such as CZ or CRX; equal up to a global phase, which is noted.

Names are PennyLane's, so that its backend finds the operation by the same name. Matrices follow Nielsen
and Chuang, "Quantum Computation and Quantum Information", section 4.2.
"""

from __future__ import annotations

import cmath
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
    """The angle `scale * inputs[index]`, or `scale * inputs[index] * inputs[times]`: one value per sample."""

    index: int
    scale: float = 1.0
    times: int | None = None

    def __post_init__(self) -> None:
        _check_index(self.index)
        if self.times is not None:
            _check_index(self.times)

    def __str__(self) -> str:
        product = f"x{self.index}" if self.times is None else f"x{self.index}*x{self.times}"
        return _scaled(product, self.scale)


@dataclass(frozen=True)
class WeightSlot:
    """The angle `scale * weights.flatten()[index]`: one value for the whole batch."""

    index: int
    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_index(self.index)

    def __str__(self) -> str:
        return _scaled(f"w{self.index}", self.scale)


Parameter = Constant | InputSlot | WeightSlot


def _check_index(index: object) -> None:
    if not isinstance(index, int) or isinstance(index, bool) or index < 0:
        raise ValueError(f"index of a slot must be an int of at least 0, but was {index!r}.")


def _scaled(symbol: str, scale: float) -> str:
    return symbol if scale == 1.0 else f"{scale:.3g}*{symbol}"


@dataclass(frozen=True)
class GateKind:
    """The meaning of a gate name; exactly one of the five fields from `generator` on is set.

    Attributes:
        n_wires: Number of wires the gate acts on.
        generator: `P` of the rotation `exp(-i t P / 2)`; needs `P @ P = 1`.
        z_rotation: Whether the gate is `exp(-i t Z...Z / 2)` on its wires.
        matrix: A fixed one-qubit unitary.
        permutation: `permutation[i]` is the basis state that `i` is sent to; the first wire of the gate is
            the most significant bit.
        decomposition: `(wires, parameter) -> gates`, in the order in which they act.
        frequencies: Of an expectation value as a function of the angle: the positive differences of the
            generator's eigenvalues. They decide the parameter-shift rule.
        phase: What a decomposition leaves out: the gate is `exp(1j * phase * t)` times it, where `t` is the
            angle, or 1 for gates without one. Expectation values do not see it, amplitudes do.
    """

    n_wires: int
    generator: Matrix2 | None = None
    z_rotation: bool = False
    matrix: Matrix2 | None = None
    permutation: tuple[int, ...] | None = None
    decomposition: Callable[[tuple[int, ...], Parameter | None], tuple[Gate, ...]] | None = None
    frequencies: tuple[float, ...] = ()
    phase: float = 0.0


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit.

    Attributes:
        name: A name in `GATES`, for example `"RX"` or `"CNOT"`.
        wires: The wires it acts on, control first.
        parameter: The angle of a rotation in radians (`Constant`, `InputSlot` or `WeightSlot`), else `None`.

    Raises:
        ValueError: If the name is unknown, or wires or parameter do not fit it.
        TypeError: If wires are not a tuple of ints, or the parameter is a bare number.
    """

    name: str
    wires: tuple[int, ...]
    parameter: Parameter | None = None

    def __post_init__(self) -> None:
        kind = self.kind
        if not isinstance(self.wires, tuple) or not all(type(wire) is int for wire in self.wires):
            raise TypeError(f"wires of {self.name} must be a tuple of ints, but was {self.wires!r}.")
        if len(self.wires) != kind.n_wires or len(set(self.wires)) != len(self.wires):
            raise ValueError(
                f"wires of {self.name} must be {kind.n_wires} different wires, but were {self.wires}."
            )
        if (self.parameter is not None) != bool(kind.frequencies):
            rule = "must be given" if kind.frequencies else "must be None"
            raise ValueError(f"parameter of {self.name} {rule}, but was {self.parameter!r}.")
        if self.parameter is not None and not isinstance(self.parameter, Parameter):
            raise TypeError(
                f"parameter of {self.name} must be a Constant, InputSlot or WeightSlot, but was "
                f"{self.parameter!r}."
            )

    @property
    def kind(self) -> GateKind:
        """What the name means."""
        return GATES[self.name]

    def __str__(self) -> str:
        return self.name if self.parameter is None else f"{self.name}({self.parameter})"


def lower(gates: Sequence[Gate]) -> tuple[Gate, ...]:
    """Write gates that are products of others out, until none is left; equal up to a global phase."""
    lowered: list[Gate] = []
    for gate in gates:
        if gate.kind.decomposition is None:
            lowered.append(gate)
        else:
            lowered += lower(gate.kind.decomposition(gate.wires, gate.parameter))
    return tuple(lowered)


def _times(parameter: Parameter | None, factor: float) -> Parameter:
    """A parameter, with its angle multiplied."""
    assert parameter is not None
    if isinstance(parameter, Constant):
        return Constant(parameter.value * factor)
    return replace(parameter, scale=parameter.scale * factor)


def _between(
    before: Sequence[tuple[str, float | None]], middle: str
) -> Callable[[tuple[int, ...], Parameter | None], tuple[Gate, ...]]:
    """A two-wire rotation `middle` in another basis: one-wire gates before it, undone after it.

    Args:
        before: For each wire the name of a gate that is its own inverse, or a rotation and its angle; an
            empty name for none.
        middle: The rotation.
    """

    def decompose(wires: tuple[int, ...], parameter: Parameter | None) -> tuple[Gate, ...]:
        turned = [(name, angle, wire) for (name, angle), wire in zip(before, wires, strict=True) if name]
        there = [Gate(n, (w,), None if a is None else Constant(a)) for n, a, w in turned]
        back = [Gate(n, (w,), None if a is None else Constant(-a)) for n, a, w in turned]
        return (*there, Gate(middle, wires, parameter), *back)

    return decompose


def _controlled_rz(wires: tuple[int, ...], parameter: Parameter | None) -> tuple[Gate, ...]:
    # (1 - Z) / 2 on the control times Z on the target.
    return (
        Gate("RZ", wires[1:], _times(parameter, 0.5)),
        Gate("IsingZZ", wires, _times(parameter, -0.5)),
    )


def _controlled_phase(wires: tuple[int, ...], parameter: Parameter | None) -> tuple[Gate, ...]:
    # |11><11| = (1 - Z1 - Z2 + Z1 Z2) / 4, and the constant is a global phase.
    half = _times(parameter, 0.5)
    return (
        Gate("RZ", wires[:1], half),
        Gate("RZ", wires[1:], half),
        Gate("IsingZZ", wires, _times(parameter, -0.5)),
    )


def _controlled_z(wires: tuple[int, ...], parameter: Parameter | None) -> tuple[Gate, ...]:  # noqa: ARG001
    return _controlled_phase(wires, Constant(math.pi))


def _phase_shift(wires: tuple[int, ...], parameter: Parameter | None) -> tuple[Gate, ...]:
    return (Gate("RZ", wires, parameter),)


_H = 1 / math.sqrt(2)
_PAULI = (1.0,)  # eigenvalues -1/2 and 1/2
_CONTROLLED = (0.5, 1.0)  # eigenvalues -1/2, 0 and 1/2
_QUARTER = math.pi / 2
_X_BASIS, _Y_BASIS, _AS_IT_IS = ("Hadamard", None), ("RX", _QUARTER), ("", None)

GATES: Registry[GateKind] = Registry("gate name")
GATES.add("RX", GateKind(1, generator=PAULI_X, frequencies=_PAULI))
GATES.add("RY", GateKind(1, generator=PAULI_Y, frequencies=_PAULI))
GATES.add("RZ", GateKind(1, generator=PAULI_Z, frequencies=_PAULI))
GATES.add("PhaseShift", GateKind(1, decomposition=_phase_shift, frequencies=_PAULI, phase=0.5))
GATES.add("Hadamard", GateKind(1, matrix=((_H, _H), (_H, -_H))))
GATES.add("PauliX", GateKind(1, matrix=PAULI_X))
GATES.add("PauliY", GateKind(1, matrix=PAULI_Y))
GATES.add("PauliZ", GateKind(1, matrix=PAULI_Z))
GATES.add("S", GateKind(1, matrix=((1, 0), (0, 1j))))
GATES.add("T", GateKind(1, matrix=((1, 0), (0, cmath.exp(1j * math.pi / 4)))))
GATES.add("CNOT", GateKind(2, permutation=(0, 1, 3, 2)))
GATES.add("SWAP", GateKind(2, permutation=(0, 2, 1, 3)))
GATES.add("Toffoli", GateKind(3, permutation=(0, 1, 2, 3, 4, 5, 7, 6)))
GATES.add("CZ", GateKind(2, decomposition=_controlled_z, phase=math.pi / 4))
GATES.add("IsingZZ", GateKind(2, z_rotation=True, frequencies=_PAULI))
GATES.add("IsingXX", GateKind(2, decomposition=_between([_X_BASIS] * 2, "IsingZZ"), frequencies=_PAULI))
GATES.add("IsingYY", GateKind(2, decomposition=_between([_Y_BASIS] * 2, "IsingZZ"), frequencies=_PAULI))
GATES.add("CRZ", GateKind(2, decomposition=_controlled_rz, frequencies=_CONTROLLED))
GATES.add("CRX", GateKind(2, decomposition=_between([_AS_IT_IS, _X_BASIS], "CRZ"), frequencies=_CONTROLLED))
GATES.add("CRY", GateKind(2, decomposition=_between([_AS_IT_IS, _Y_BASIS], "CRZ"), frequencies=_CONTROLLED))
GATES.add(
    "ControlledPhaseShift",
    GateKind(2, decomposition=_controlled_phase, frequencies=_PAULI, phase=0.25),
)
