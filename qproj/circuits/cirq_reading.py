"""Circuits from Cirq's: symbols become slots, gates without a counterpart are decomposed by Cirq."""

from __future__ import annotations

import cmath
import math
from collections.abc import Iterable
from typing import Any

import cirq
import sympy

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.making import at_least_one
from qproj.circuits.steps import PHASE, Step, controlled, gates_of, turn
from qproj.circuits.symbols import Sum, Symbols

# Powers are `exp(1j * pi * t * shift) * diag(1, exp(1j * pi * t))` in some basis. Of each class: our rotation
# by `pi * t`, the gate that the first power is, and whether the rotation's own eigenvalues are symmetric:
# `exp(-1j * pi * t / 2)` and its conjugate.
_POWERS: dict[type, tuple[str, str, bool]] = {
    cirq.XPowGate: ("RX", "PauliX", True),
    cirq.YPowGate: ("RY", "PauliY", True),
    cirq.ZPowGate: ("RZ", "PauliZ", True),
    cirq.XXPowGate: ("IsingXX", "", True),
    cirq.YYPowGate: ("IsingYY", "", True),
    cirq.ZZPowGate: ("IsingZZ", "", True),
    cirq.CZPowGate: ("ControlledPhaseShift", "CZ", False),
    cirq.ISwapPowGate: ("IsingXY", "ISWAP", False),
    # Of these the first power only.
    cirq.HPowGate: ("", "Hadamard", False),
    cirq.CXPowGate: ("", "CNOT", False),
    cirq.SwapPowGate: ("", "SWAP", False),
    cirq.CCXPowGate: ("", "Toffoli", False),
    cirq.CCZPowGate: ("", "CCZ", False),
}
_LARGEST_UNITARY, _LARGEST_CHANNEL = 3, 2


def read(
    circuit: Any,
    input_params: Iterable[str] | None,
    weight_params: Iterable[str] | None,
    observables: Any,
    qubit_order: Any,
) -> Circuit:
    """See `Circuit.from_cirq`."""
    if not isinstance(circuit, cirq.AbstractCircuit):
        raise TypeError(f"circuit must be a cirq.Circuit, but was a {type(circuit).__name__}.")
    order = cirq.QubitOrder.as_qubit_order(qubit_order or cirq.QubitOrder.DEFAULT)
    wires = {qubit: wire for wire, qubit in enumerate(order.order_for(circuit.all_qubits()))}
    symbols = Symbols(sorted(cirq.parameter_names(circuit)), input_params, weight_params)
    measured: set[Any] = set()
    gates: list[Gate] = []
    for place, moment in enumerate(circuit):
        for operation in moment:
            if measured & set(operation.qubits):
                raise _refused(place, operation, "its qubits were measured before")
            if cirq.is_measurement(operation):
                measured |= set(operation.qubits)
                continue
            try:
                for part in _parts(operation, wires):
                    gates += [part] if isinstance(part, Gate) else gates_of(part, symbols)
            except ValueError as error:
                raise _refused(place, operation, str(error)) from None
    return Circuit(max(1, len(wires)), observables=observables, gates=at_least_one(gates))


def _parts(operation: Any, wires: dict[Any, int]) -> list[Step | Gate]:
    """An operation as gates of ours; ValueError with the reason where there are none."""
    operation = operation.untagged
    gate, on = operation.gate, tuple(wires[qubit] for qubit in operation.qubits)
    if type(gate) in _POWERS or isinstance(gate, cirq.Rx | cirq.Ry | cirq.Rz):
        found = _power(gate, on)
    elif isinstance(gate, cirq.ControlledGate):
        found = _controlled(gate, operation.qubits, wires)
    elif isinstance(gate, cirq.GlobalPhaseGate):
        found = [turn(PHASE, _phase_of(gate.coefficient))]
    elif isinstance(gate, cirq.IdentityGate):
        return []
    elif isinstance(gate, cirq.CSwapGate):
        found = [Step("CSWAP", on)]
    elif isinstance(gate, cirq.MatrixGate):
        return [_matrix(operation, on)]
    else:
        found = None
    if found is not None:
        return [*found]
    if isinstance(operation, cirq.ClassicallyControlledOperation):
        raise ValueError("it depends on a measurement")
    smaller = cirq.decompose_once(operation, None)
    if smaller is None:
        return [_matrix(operation, on)]
    return [part for inner in smaller for part in _parts(inner, wires)]


def _power(gate: Any, on: tuple[int, ...]) -> list[Step] | None:
    kind = next(kind for kind in _POWERS if isinstance(gate, kind))
    name, first, symmetric = _POWERS[kind]
    exponent, shift = _sum(gate.exponent), gate.global_shift
    if kind is cirq.ZPowGate and not shift:
        name, symmetric = "PhaseShift", False
    half_turns = exponent * Sum.of(math.pi)
    if first and exponent.number == 1:
        return [Step(first, on), turn(PHASE, math.pi * shift)]
    if not name:
        return None
    return [turn(name, half_turns, *on), turn(PHASE, half_turns * Sum.of(shift + 0.5 * symmetric))]


def _controlled(gate: Any, qubits: Any, wires: dict[Any, int]) -> list[Step] | None:
    """The steps of a gate with controls, or `None` where Cirq has to decompose it."""
    n = gate.num_controls()
    parts = _parts(gate.sub_gate.on(*qubits[n:]), wires)
    steps = [part for part in parts if isinstance(part, Step)]
    if not gate.control_values.is_trivial or len(steps) < len(parts):
        return None
    try:
        for qubit in reversed(qubits[:n]):
            steps = controlled(steps, wires[qubit])
    except ValueError:
        return None
    return steps


def _matrix(operation: Any, on: tuple[int, ...]) -> Gate:
    """A unitary or a channel that has no name here."""
    if cirq.is_parameterized(operation):
        raise ValueError("there is no gate for it, and its parameter is a symbol")
    unitary = cirq.unitary(operation, None)
    if unitary is not None and len(on) <= _LARGEST_UNITARY:
        return Gate("QubitUnitary", on, matrix=unitary)
    kraus = cirq.kraus(operation, None)
    if unitary is None and kraus is not None and len(on) <= _LARGEST_CHANNEL:
        return Gate("QubitChannel", on, matrix=kraus)
    raise ValueError(f"there is no gate for it on {len(on)} qubits")


def _sum(value: Any) -> Sum:
    """A number or an expression of sympy's."""
    if isinstance(value, sympy.Symbol):
        return Sum.of(value.name)
    if isinstance(value, sympy.Add | sympy.Mul):
        first, *others = map(_sum, value.args)
        for other in others:
            first = first + other if isinstance(value, sympy.Add) else first * other
        return first
    if isinstance(value, sympy.Pow) and value.exp == 2:
        return _sum(value.base) * _sum(value.base)
    if isinstance(value, sympy.Basic) and value.free_symbols:
        raise ValueError(f"angles must be sums, multiples and products of symbols, but one was {value}")
    return Sum.of(float(value))


def _phase_of(coefficient: Any) -> Sum:
    """The angle of a global phase."""
    if isinstance(coefficient, sympy.exp):
        return _sum(sympy.expand(coefficient.args[0] / sympy.I))
    return Sum.of(cmath.phase(complex(coefficient)))


def _refused(place: int, operation: Any, why: str) -> ValueError:
    return ValueError(
        f"circuit must have gates that are known here, or made of them, but {operation} in moment {place} "
        f"is not: {why.removesuffix('.')}."
    )
