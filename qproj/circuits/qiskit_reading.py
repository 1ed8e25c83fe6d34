"""Circuits from Qiskit's: boxes opened, angles as sums of symbols, measured wires noted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.making import at_least_one
from qproj.circuits.qasm_gates import BUILT_IN, STDGATES
from qproj.circuits.qiskit_observables import observables_of
from qproj.circuits.qiskit_writing import METHODS
from qproj.circuits.steps import Step, gates_of, turn
from qproj.circuits.symbols import Sum, Symbols

# By Qiskit's names: those that OpenQASM has, too, and others.
_STEPS = {name: gate.steps for name, gate in STDGATES.items()} | {
    "u": BUILT_IN["U"].steps,
    "cu1": STDGATES["cp"].steps,
    "sxdg": lambda wire: [turn("RX", -math.pi / 2, wire)],
}
_OURS = {method: name for name, method in METHODS.items() if method not in _STEPS}
_NOTHING = {"barrier", "delay", "global_phase"}
_REFUSED = {
    "reset": "a reset in the middle of a circuit",
    "initialize": "a state that is reset and prepared; use encoding='amplitude'",
}
# The most qubits of a unitary of one's own.
_UNITARY_QUBITS = 3
# At which angles are compared with the polynomial that they are taken for.
_POINTS = (0.7310585786, -1.9159420228, 2.6457513111)
_ROUNDING = 1e-9


def read(
    circuit: Any, input_params: Iterable[Any] | None, weight_params: Iterable[Any] | None, observables: Any
) -> Circuit:
    """See `Circuit.from_qiskit`."""
    both = [None if p is None else list(p) for p in (input_params, weight_params)]
    names = [parameter.name for parameter in circuit.parameters]
    # A parameter of Qiskit's may well be used by no gate; a mere name would be a misspelt one.
    unused = [p.name for p in (both[0] or []) + (both[1] or []) if hasattr(p, "name")]
    names += [name for name in unused if name not in names]
    given = [None if p is None else [getattr(one, "name", one) for one in p] for p in both]
    gates = Reader(circuit, Symbols(names, *given)).gates
    return Circuit(circuit.num_qubits, gates=at_least_one(gates), observables=observables_of(observables))


class Reader:
    """What a circuit of Qiskit's does.

    Args:
        circuit: A `QuantumCircuit`.
        symbols: Which of its parameters are inputs and weights.

    Attributes:
        gates: In the order in which they act, up to a global phase.
        measured: The wire that each classical bit is measured from, at the end.

    Raises:
        ValueError: If an instruction cannot be expressed: it is named with its place.
    """

    def __init__(self, circuit: Any, symbols: Symbols) -> None:
        self.symbols = symbols
        self.gates: list[Gate] = []
        self.measured: dict[int, int] = {}
        qubits = {qubit: wire for wire, qubit in enumerate(circuit.qubits)}
        clbits = {bit: place for place, bit in enumerate(circuit.clbits)}
        for place, instruction in enumerate(circuit.data):
            wires = [qubits[qubit] for qubit in instruction.qubits]
            where = f"instruction {place}, {instruction.operation.name!r} on qubits {wires}"
            if instruction.operation.name == "measure":
                self.measured[clbits[instruction.clbits[0]]] = wires[0]
                continue
            if set(wires) & set(self.measured.values()) and instruction.operation.name not in _NOTHING:
                raise ValueError(f"circuit must be measured at its end only, but {where} comes after it.")
            self._add(instruction.operation, wires, where)

    def _add(self, operation: Any, wires: Sequence[int], where: str) -> None:
        name = operation.name if _is_theirs(operation) else None
        if name in _NOTHING:
            return
        if name in _STEPS:
            self._turn(_STEPS[name](*self._angles(operation, where), *wires), where)
        elif name in _OURS:
            self._turn([Step(_OURS[name], tuple(wires), *self._angles(operation, where))], where)
        elif name == "unitary" and len(wires) <= _UNITARY_QUBITS:
            self.gates.append(Gate("QubitUnitary", tuple(wires[::-1]), matrix=operation.params[0]))
        elif name not in _REFUSED and getattr(operation, "definition", None) is not None:
            inner = operation.definition
            places = {qubit: wires[place] for place, qubit in enumerate(inner.qubits)}
            for part in inner.data:
                self._add(part.operation, [places[qubit] for qubit in part.qubits], where)
        else:
            reason = _REFUSED.get(str(name), "nothing that gates of ours make up")
            raise ValueError(
                f"circuit must be of gates that can be written as rotations, unitaries and permutations, but "
                f"{where} is {reason}."
            )

    def _angles(self, operation: Any, where: str) -> list[Sum]:
        return [_sum(angle, where) for angle in operation.params]

    def _turn(self, steps: Sequence[Step], where: str) -> None:
        try:
            self.gates += [gate for step in steps for gate in gates_of(step, self.symbols)]
        except ValueError as error:
            raise ValueError(f"{error} It is that of {where}.") from None


def _is_theirs(operation: Any) -> bool:
    """Whether a name is Qiskit's: a box, or a user's own class, may have any."""
    kind = getattr(operation, "base_class", type(operation))
    is_box = kind.__name__ in ("Gate", "ControlledGate", "Instruction")
    return kind.__module__.startswith("qiskit.circuit.") and not is_box


def _sum(angle: Any, where: str) -> Sum:
    """An angle as a polynomial of at most two factors in its parameters.

    Qiskit's expressions are trees of which only derivatives and values are public: those at zero give the
    coefficients, and other points have to agree.
    """
    names = [p.name for p in getattr(angle, "parameters", ())]
    if not names:
        return Sum.of(float(angle))
    if type(angle).__name__ in ("Parameter", "ParameterVectorElement"):
        return Sum.of(angle.name)
    parameters = sorted(angle.parameters, key=lambda p: str(p.name))
    origin = dict.fromkeys(parameters, 0.0)
    total = Sum.of(0.0)
    try:
        total += Sum.of(_value(angle, origin))
        for i, first in enumerate(parameters):
            slope = angle.gradient(first)
            total += Sum.of(_value(slope, origin)) * Sum.of(first.name)
            for second in parameters[i:] if hasattr(slope, "gradient") else ():
                half = 0.5 if second is first or second == first else 1.0
                curve = Sum.of(half * _value(slope.gradient(second), origin))
                total += curve * Sum.of(first.name) * Sum.of(second.name)
        agrees = all(_agrees(angle, total, parameters, point) for point in _POINTS)
    except (TypeError, ZeroDivisionError, ArithmeticError, RuntimeError) as error:
        raise _no_polynomial(angle, where) from error
    if not agrees:
        raise _no_polynomial(angle, where)
    return total


def _no_polynomial(angle: Any, where: str) -> ValueError:
    return ValueError(
        "angles must be sums of constants, multiples of parameters, and of products of two inputs, but that "
        f"of {where} was {angle}. Apply the function before the layer, and pass its result as an input."
    )


def _agrees(angle: Any, total: Sum, parameters: Sequence[Any], point: float) -> bool:
    values = {p: point * (1 + 0.37 * i) for i, p in enumerate(parameters)}
    by_name = {p.name: value for p, value in values.items()}
    terms = [f * math.prod(by_name[name] for name in names) for names, f in total.terms.items()]
    size = 1 + sum(map(abs, terms))
    return abs(_value(angle, values) - sum(terms)) <= _ROUNDING * size


def _value(expression: Any, values: dict[Any, float]) -> float:
    if not hasattr(expression, "parameters"):
        number = complex(expression)
    else:
        known = {p: values[p] for p in expression.parameters}
        number = complex(expression.bind(known))
    if abs(number.imag) > _ROUNDING:
        raise TypeError("complex")
    return number.real
