"""The table of gates: what each name means. A new gate is one entry here.

Matrices follow Nielsen and Chuang, "Quantum Computation and Quantum Information", section 4.2, and PennyLane,
global phase included; those of excitations Delgado et al., "Universal quantum circuits for quantum chemistry"
(2022), arXiv:2106.13839.
"""

from __future__ import annotations

import cmath
import itertools
import math
from collections.abc import Callable, Iterator, Sequence

from qproj.circuits.gates import GATES, Gate, GateKind, times, z_turn
from qproj.circuits.parameters import Constant, Parameter

Wires = tuple[int, ...]
Gates = tuple[Gate, ...]

_H = 1 / math.sqrt(2)
_QUARTER = math.pi / 2
_PAULI = (1.0,)  # eigenvalues -1/2 and 1/2
_CONTROLLED = (0.5, 1.0)  # eigenvalues -1/2, 0 and 1/2


def _between(before: Sequence[tuple[str, float | None]], middle: str) -> Callable[..., Gates]:
    """A two-wire rotation `middle` in another basis: one-wire gates before it, undone after it.

    Args:
        before: For each wire the name of a gate that is its own inverse, or a rotation and its angle; an
            empty name for none.
        middle: The rotation.
    """

    def decompose(wires: Wires, parameter: Parameter) -> Gates:
        turned = [(name, angle, wire) for (name, angle), wire in zip(before, wires, strict=True) if name]
        there = [Gate(n, (w,), None if a is None else Constant(a)) for n, a, w in turned]
        back = [Gate(n, (w,), None if a is None else Constant(-a)) for n, a, w in turned]
        return (*there, Gate(middle, wires, parameter), *back)

    return decompose


def _words(on: Wires, controls: Wires, bits: Sequence[int]) -> Iterator[tuple[Wires, float]]:
    """Z on some wires times the projector on a state of others, as Z words and their factors."""
    for chosen in itertools.product((False, True), repeat=len(controls)):
        sign = math.prod(1 - 2 * bit for bit, taken in zip(bits, chosen, strict=True) if taken)
        yield on + tuple(itertools.compress(controls, chosen)), sign / 2 ** len(controls)


def _controlled_rz(wires: Wires, parameter: Parameter, bits: Sequence[int] = (1,)) -> Gates:
    """RZ on the last wire where the others are in a state."""
    words = _words(wires[-1:], wires[:-1], bits)
    return tuple(z_turn(word, times(parameter, factor)) for word, factor in words)


def _phase_where(wires: Wires, parameter: Parameter, *states: Sequence[int]) -> Gates:
    """A phase where the wires are in one of some states.

    For each state `2 ** -len(wires)` of the phase is global, and left out.
    """
    total: dict[Wires, float] = {}
    for bits in states:
        for word, factor in _words((), wires, bits):
            total[word] = total.get(word, 0.0) + factor
    return tuple(z_turn(word, times(parameter, -2 * f)) for word, f in total.items() if word and f)


def _controlled_phase(wires: Wires, parameter: Parameter) -> Gates:
    return _phase_where(wires, parameter, (1, 1))


def _controlled_z(wires: Wires) -> Gates:
    return _controlled_phase(wires, Constant(math.pi))


def _controlled_y(wires: Wires) -> Gates:
    there, back = (Gate("RZ", wires[1:], Constant(sign * _QUARTER)) for sign in (-1, 1))
    return there, Gate("CNOT", wires), back


def _controlled_h(wires: Wires) -> Gates:
    there, back = (Gate("RY", wires[1:], Constant(sign * _QUARTER / 2)) for sign in (-1, 1))
    return there, Gate("CZ", wires), back


def _twice_controlled_z(wires: Wires) -> Gates:
    turn = Gate("Hadamard", wires[2:])
    return turn, Gate("Toffoli", wires), turn


def _u1(wires: Wires, parameter: Parameter) -> Gates:
    return (Gate("PhaseShift", wires, parameter),)


def _phase_shift(wires: Wires, parameter: Parameter) -> Gates:
    return (Gate("RZ", wires, parameter),)


def _rot(wires: Wires, phi: Parameter, theta: Parameter, omega: Parameter) -> Gates:
    return Gate("RZ", wires, phi), Gate("RY", wires, theta), Gate("RZ", wires, omega)


def _controlled_rot(wires: Wires, phi: Parameter, theta: Parameter, omega: Parameter) -> Gates:
    return Gate("CRZ", wires, phi), Gate("CRY", wires, theta), Gate("CRZ", wires, omega)


def _u3(wires: Wires, theta: Parameter, phi: Parameter, delta: Parameter) -> Gates:
    return Gate("PhaseShift", wires, delta), Gate("RY", wires, theta), Gate("PhaseShift", wires, phi)


def _u2(wires: Wires, phi: Parameter, delta: Parameter) -> Gates:
    return _u3(wires, Constant(_QUARTER), phi, delta)


def _between_01_and_10(rotation: str, sign: float) -> Callable[..., Gates]:
    """A rotation in the space of |01> and |10>, which a CNOT makes one of the first wire alone."""

    def decompose(wires: Wires, parameter: Parameter) -> Gates:
        cnot, turn = Gate("CNOT", wires), Gate(rotation, wires[::-1], times(parameter, sign))
        return cnot, turn, cnot

    return decompose


def _turned_elsewhere(sign: float) -> Callable[..., Gates]:
    """A single excitation, and a phase of half the angle, times `sign`, for |00> and |11>."""

    def decompose(wires: Wires, parameter: Parameter) -> Gates:
        return (
            Gate("SingleExcitation", wires, parameter),
            Gate("IsingZZ", wires, times(parameter, -sign / 2)),
        )

    return decompose


def _double_excitation(wires: Wires, parameter: Parameter) -> Gates:
    # CNOTs from the first wire send |1100> to |1011>, and leave |0011>.
    first, *others = wires
    cnots = tuple(Gate("CNOT", (first, wire)) for wire in others)
    there, back = (Gate("RX", (first,), Constant(sign * _QUARTER)) for sign in (1, -1))
    turns = _controlled_rz((*others, first), parameter, (0, 1, 1))
    return (*cnots, there, *turns, back, *cnots)


def _double_turned_elsewhere(sign: float) -> Callable[..., Gates]:
    """A double excitation, and a phase of half the angle, times `sign`, for all states but its two."""

    def decompose(wires: Wires, parameter: Parameter) -> Gates:
        # A phase for all states is global: here it is taken back from the two.
        back = _phase_where(wires, times(parameter, -sign / 2), (0, 0, 1, 1), (1, 1, 0, 0))
        return (Gate("DoubleExcitation", wires, parameter), *back)

    return decompose


def _ising_xy(angle: float) -> Callable[..., Gates]:
    return lambda wires: (Gate("IsingXY", wires, Constant(angle)),)


_X_BASIS, _Y_BASIS, _AS_IT_IS = ("Hadamard", None), ("RX", _QUARTER), ("", None)

# One wire.
GATES.add("RX", GateKind(1, generator=((0, 1), (1, 0)), frequencies=_PAULI))
GATES.add("RY", GateKind(1, generator=((0, -1j), (1j, 0)), frequencies=_PAULI))
GATES.add("RZ", GateKind(1, generator=((1, 0), (0, -1)), frequencies=_PAULI))
GATES.add("PhaseShift", GateKind(1, decomposition=_phase_shift, frequencies=_PAULI, phase=0.5))
GATES.add("U1", GateKind(1, decomposition=_u1, frequencies=_PAULI, written_out=True))
GATES.add("U2", GateKind(1, decomposition=_u2, several=2))
GATES.add("U3", GateKind(1, decomposition=_u3, several=3))
GATES.add("Rot", GateKind(1, decomposition=_rot, several=3))
GATES.add("Hadamard", GateKind(1, matrix=((_H, _H), (_H, -_H))))
GATES.add("PauliX", GateKind(1, matrix=((0, 1), (1, 0))))
GATES.add("PauliY", GateKind(1, matrix=((0, -1j), (1j, 0))))
GATES.add("PauliZ", GateKind(1, matrix=((1, 0), (0, -1))))
GATES.add("S", GateKind(1, matrix=((1, 0), (0, 1j))))
GATES.add("T", GateKind(1, matrix=((1, 0), (0, cmath.exp(1j * math.pi / 4)))))
GATES.add("SX", GateKind(1, matrix=((0.5 + 0.5j, 0.5 - 0.5j), (0.5 - 0.5j, 0.5 + 0.5j))))

# Two wires.
GATES.add("CNOT", GateKind(2, permutation=(0, 1, 3, 2)))
GATES.add("SWAP", GateKind(2, permutation=(0, 2, 1, 3)))
GATES.add("CY", GateKind(2, decomposition=_controlled_y))
GATES.add("CZ", GateKind(2, decomposition=_controlled_z, phase=math.pi / 4))
GATES.add("CH", GateKind(2, decomposition=_controlled_h, written_out=True))
GATES.add("ISWAP", GateKind(2, decomposition=_ising_xy(math.pi)))
GATES.add("SISWAP", GateKind(2, decomposition=_ising_xy(_QUARTER)))
GATES.add(
    "ECR",
    GateKind(
        2, matrix=((0, 0, _H, _H * 1j), (0, 0, _H * 1j, _H), (_H, -_H * 1j, 0, 0), (-_H * 1j, _H, 0, 0))
    ),
)
GATES.add("IsingZZ", GateKind(2, z_rotation=True, frequencies=_PAULI))
GATES.add("IsingXX", GateKind(2, decomposition=_between([_X_BASIS] * 2, "IsingZZ"), frequencies=_PAULI))
GATES.add("IsingYY", GateKind(2, decomposition=_between([_Y_BASIS] * 2, "IsingZZ"), frequencies=_PAULI))
GATES.add("IsingXY", GateKind(2, decomposition=_between_01_and_10("CRX", -1.0), frequencies=_CONTROLLED))
GATES.add("CRZ", GateKind(2, decomposition=_controlled_rz, frequencies=_CONTROLLED))
GATES.add("CRX", GateKind(2, decomposition=_between([_AS_IT_IS, _X_BASIS], "CRZ"), frequencies=_CONTROLLED))
GATES.add("CRY", GateKind(2, decomposition=_between([_AS_IT_IS, _Y_BASIS], "CRZ"), frequencies=_CONTROLLED))
GATES.add("CRot", GateKind(2, decomposition=_controlled_rot, several=3))
GATES.add(
    "ControlledPhaseShift",
    GateKind(2, decomposition=_controlled_phase, frequencies=_PAULI, phase=0.25),
)
GATES.add(
    "SingleExcitation",
    GateKind(2, decomposition=_between_01_and_10("CRY", 1.0), frequencies=_CONTROLLED),
)
GATES.add(
    "SingleExcitationPlus",
    GateKind(2, decomposition=_turned_elsewhere(1.0), frequencies=_PAULI, phase=0.25),
)
GATES.add(
    "SingleExcitationMinus",
    GateKind(2, decomposition=_turned_elsewhere(-1.0), frequencies=_PAULI, phase=-0.25),
)

# More wires, or any number of them.
GATES.add("Toffoli", GateKind(3, permutation=(0, 1, 2, 3, 4, 5, 7, 6)))
GATES.add("CSWAP", GateKind(3, permutation=(0, 1, 2, 3, 4, 6, 5, 7)))
GATES.add("CCZ", GateKind(3, decomposition=_twice_controlled_z, written_out=True))
GATES.add("DoubleExcitation", GateKind(4, decomposition=_double_excitation, frequencies=_CONTROLLED))
GATES.add(
    "DoubleExcitationPlus",
    GateKind(4, decomposition=_double_turned_elsewhere(1.0), frequencies=_PAULI, phase=0.5 - 1 / 16),
)
GATES.add(
    "DoubleExcitationMinus",
    GateKind(4, decomposition=_double_turned_elsewhere(-1.0), frequencies=_PAULI, phase=-0.5 + 1 / 16),
)
GATES.add("MultiRZ", GateKind(1, most_wires=30, z_rotation=True, frequencies=_PAULI))
GATES.add("QubitUnitary", GateKind(1, most_wires=3, own_matrix=True))

# What other programs call them.
GATES.also.update(
    {
        "H": "Hadamard", "X": "PauliX", "Y": "PauliY", "Z": "PauliZ", "V": "SX", "P": "PhaseShift",
        "Phase": "PhaseShift", "CX": "CNOT", "CCX": "Toffoli", "CCNOT": "Toffoli", "Fredkin": "CSWAP",
        "CPhase": "ControlledPhaseShift", "CP": "ControlledPhaseShift", "CU1": "ControlledPhaseShift",
        "RXX": "IsingXX", "RYY": "IsingYY", "RZZ": "IsingZZ", "U": "U3", "R": "Rot", "CU3": "CRot",
        "Unitary": "QubitUnitary", "SQISW": "SISWAP", "Givens": "SingleExcitation",
    }
)  # fmt: skip
