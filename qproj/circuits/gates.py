"""Gates: what a circuit is a list of, and what their names can mean.

A gate is of one of five kinds, and each runner needs to know no more than the kind:

- a rotation `exp(-i t P / 2)` about a one-qubit generator `P` with `P @ P = 1`,
- a rotation `exp(-i t Z...Z / 2)` about Z on every wire of the gate, which is diagonal,
- a fixed unitary, of the name or the gate's own,
- a permutation of the basis states of its wires, such as CNOT,
- a product of gates of these kinds, such as CZ or CRX; equal up to a global phase, which is noted.

`lower` leaves the first four, with one angle each, and fixed unitaries on one wire. Names are PennyLane's, so
that its backend finds the operation by the same name; the table of them is `qproj.circuits.kinds`.

A noise channel is an entry of the same list, `Gate("DepolarizingChannel", (0,), Constant(0.01))`, with its
strengths in place of angles. Its kinds are in a table of their own, which `qproj.noise` fills.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from qproj.circuits.gate_arguments import check_strengths, checked_matrix, checked_parameter
from qproj.circuits.parameters import Constant, InputSlot, Parameter, WeightSlot, wires_of
from qproj.circuits.synthesis import Factor, Matrix, factors
from qproj.registry import Registry

__all__ = ["GATES", "Constant", "Gate", "GateKind", "InputSlot", "Parameter", "WeightSlot", "lower"]


@dataclass(frozen=True)
class GateKind:
    """The meaning of a gate name; exactly one of `generator` to `decomposition` is set.

    Attributes:
        n_wires: Number of wires the gate acts on, or the least of them.
        most_wires: The most wires, where a gate may act on several numbers of them.
        generator: `P` of the rotation `exp(-i t P / 2)`; needs `P @ P = 1`.
        z_rotation: Whether the gate is `exp(-i t Z...Z / 2)` on its wires.
        matrix: A fixed unitary; the first wire of the gate is the most significant bit.
        own_matrix: Whether each gate has a unitary of its own, `Gate.matrix`.
        permutation: `permutation[i]` is the basis state that `i` is sent to; bits as in `matrix`.
        decomposition: `(wires, *parameters) -> gates`, in the order in which they act.
        frequencies: Of an expectation value as a function of the angle: the positive differences of the
            generator's eigenvalues. They decide the parameter-shift rule.
        several: Number of angles, where it is more than one; such a gate is a product of gates of one each.
        written_out: Whether runners are given the product in its place, which then has to be exact. Gates of
            several angles always are written out.
        phase: What a decomposition leaves out: the gate is `exp(1j * phase * t)` times it, where `t` is the
            angle, or 1 for gates without one. Expectation values do not see it, amplitudes do.
        branches: Of a channel: `(namespace, *strengths) -> (weights, matrices)`, a list of each, of the map
            `rho -> sum_k weights[k] * matrices[k] @ rho @ matrices[k].conj().T`. The namespace is `numpy` or
            `jax.numpy`.
        strengths: Of a channel: the names of its strengths, for messages.
        check: Of a channel: raises ValueError for strengths that it cannot have.
    """

    n_wires: int
    most_wires: int | None = None
    generator: Matrix | None = None
    z_rotation: bool = False
    matrix: Matrix | None = None
    own_matrix: bool = False
    permutation: tuple[int, ...] | None = None
    decomposition: Callable[..., tuple[Gate, ...]] | None = None
    frequencies: tuple[float, ...] = ()
    several: int = 0
    written_out: bool = False
    phase: float = 0.0
    branches: Callable[..., tuple[Sequence[Any], Sequence[Any]]] | None = None
    strengths: tuple[str, ...] = ()
    check: Callable[..., None] | None = None

    @property
    def n_angles(self) -> int:
        """Number of angles, or of strengths."""
        return self.several or len(self.strengths) or len(self.frequencies[:1])


GATES: Registry[GateKind] = Registry("gate name")
CHANNELS: Registry[GateKind] = Registry("channel")


@dataclass(frozen=True)
class Gate:
    """One gate of a circuit.

    Args:
        name: A name in `GATES`, for example `"RX"` or `"CNOT"`.
        wires: The wires it acts on, control first: a sequence of ints, or one.
        parameter: As below; a sequence for several angles.
        matrix: As below; an array will do.

    Attributes:
        name: The name.
        wires: The wires, a tuple of ints.
        parameter: The angle of a rotation in radians (`Constant`, `InputSlot` or `WeightSlot`), a tuple of
            them for a gate of several angles such as `"Rot"`, else `None`.
        matrix: The unitary of a `"QubitUnitary"`, `(2**k, 2**k)` rows on `k` wires, 1 to 3; its first wire is
            the most significant bit. The Kraus operators of a `"QubitChannel"`, on 1 or 2 wires. Else `None`.

    Raises:
        ValueError: If the name is unknown, or wires, parameter or matrix do not fit it.
        TypeError: If wires are not ints, or the parameter is a bare number.
    """

    name: str
    wires: tuple[int, ...]
    parameter: Parameter | tuple[Parameter, ...] | None = None
    matrix: Matrix | None = None

    def __post_init__(self) -> None:
        kind, wires = self.kind, wires_of(f"wires of {self.name}", self.wires)
        least, most = kind.n_wires, kind.most_wires or kind.n_wires
        if not least <= len(wires) <= most:
            many = str(least) if least == most else f"{least} to {most}"
            raise ValueError(f"wires of {self.name} must be {many} different wires, but were {wires}.")
        object.__setattr__(self, "wires", wires)
        object.__setattr__(self, "parameter", checked_parameter(self.name, kind, self.parameter))
        object.__setattr__(self, "matrix", checked_matrix(self.name, kind, wires, self.matrix))
        if kind.strengths:
            check_strengths(self.name, kind, self.parameters)

    @property
    def kind(self) -> GateKind:
        """What the name means."""
        return CHANNELS[self.name] if self.is_channel else GATES[self.name]

    @property
    def is_channel(self) -> bool:
        """Whether it is noise."""
        return self.name in CHANNELS

    @property
    def parameters(self) -> tuple[Parameter, ...]:
        """The angles: none, one or several."""
        if self.parameter is None:
            return ()
        return self.parameter if isinstance(self.parameter, tuple) else (self.parameter,)

    @property
    def angle(self) -> Parameter | None:
        """The angle of a gate that has one at most, as those of `Circuit.plain_gates` have."""
        assert not isinstance(self.parameter, tuple)
        return self.parameter

    @property
    def unitary(self) -> Matrix | None:
        """The matrix of a gate that is a fixed unitary, whether its own or of its name."""
        return None if self.is_channel else self.matrix or self.kind.matrix

    def __str__(self) -> str:
        angles = ", ".join(map(str, self.parameters))
        name = "U" if self.matrix and not self.is_channel else self.name
        return f"{name}({angles})" if angles else name


def lower(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Write gates that are products of others out, until none is left; equal up to a global phase.

    Args:
        gates: In the order in which they act.

    Returns:
        Rotations, permutations, and fixed unitaries on one wire.
    """
    lowered: list[Gate] = []
    for gate in gates:
        if gate.kind.decomposition is not None:
            lowered += lower(gate.kind.decomposition(gate.wires, *gate.parameters))
        elif gate.unitary is not None and len(gate.wires) > 1:
            lowered += (_factor(gate.wires, factor) for factor in factors(gate.unitary))
        else:
            lowered.append(gate)
    return tuple(lowered)


def write_out(gates: Iterable[Gate]) -> tuple[Gate, ...]:
    """Write gates of several angles out, and others that not every runner has; exact.

    Args:
        gates: In the order in which they act.

    Returns:
        Gates of one angle at most.
    """
    written: list[Gate] = []
    for gate in gates:
        if gate.kind.several or gate.kind.written_out:
            assert gate.kind.decomposition is not None
            written += gate.kind.decomposition(gate.wires, *gate.parameters)
        else:
            written.append(gate)
    return tuple(written)


def times(parameter: Parameter, factor: float) -> Parameter:
    """A parameter, with its angle multiplied."""
    if isinstance(parameter, Constant):
        return Constant(parameter.value * factor)
    return replace(parameter, scale=parameter.scale * factor)


def z_turn(wires: tuple[int, ...], parameter: Parameter) -> Gate:
    """A rotation about Z on each of some wires."""
    return Gate({1: "RZ", 2: "IsingZZ"}.get(len(wires), "MultiRZ"), wires, parameter)


def _factor(wires: tuple[int, ...], factor: Factor) -> Gate:
    on = tuple(wires[place] for place in factor.places)
    if factor.matrix is None:
        return z_turn(on, Constant(factor.angle))
    return Gate("QubitUnitary", on, matrix=factor.matrix)
