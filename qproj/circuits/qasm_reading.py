"""Circuits from OpenQASM 3: gate definitions are inlined, loops unrolled, free parameters become slots."""

from __future__ import annotations

import contextlib
import operator
from collections import ChainMap
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import openqasm3
from openqasm3 import ast
from openqasm3.parser import QASM3ParsingError

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.making import at_least_one
from qproj.circuits.qasm_expressions import CONSTANTS, Refusal, as_sum, evaluate, integer
from qproj.circuits.qasm_gates import BUILT_IN, STDGATES, Standard
from qproj.circuits.steps import PHASE, Step, controlled, gates_of, inverse
from qproj.circuits.symbols import Sum, Symbols

# Loops ask for any number of gates in one line.
_MOST = 20_000
_ASSIGNED = {"+=": operator.add, "-=": operator.sub, "*=": operator.mul}


def read(
    text: str, input_params: Iterable[str] | None, weight_params: Iterable[str] | None, observables: Any
) -> Circuit:
    """See `Circuit.from_qasm`."""
    try:
        program = openqasm3.parse(text)
    except QASM3ParsingError as error:
        raise _unparsed(error) from None
    reader = _Reader()
    try:
        reader.run(program.statements, reader.globals)
    except Refusal as error:
        raise ValueError(_message(text, error.node.span, error.rule)) from None
    except RecursionError:
        raise ValueError("text must define gates by others, but defined one by itself.") from None
    symbols = Symbols(reader.parameters, input_params, weight_params)
    gates: list[Gate] = []
    for step, node in reader.steps:
        try:
            gates += gates_of(step, symbols)
        except ValueError as error:
            raise ValueError(f"{str(error)[:-1]}, in line {node.span.start_line}.") from None
    if not reader.n_qubits:
        raise ValueError("text must declare qubits, but declared none.")
    return Circuit(reader.n_qubits, observables=observables, gates=at_least_one(gates))


class _Reader:
    """Runs a program, and collects the gates that it applies, each with the statement that did."""

    def __init__(self) -> None:
        self.n_qubits = 0
        self.parameters: list[str] = []
        self.steps: list[tuple[Step, ast.QASMNode]] = []
        self.globals: ChainMap[str, Any] = ChainMap(dict(CONSTANTS))
        self.gates: dict[str, Standard | ast.QuantumGateDefinition] = dict(BUILT_IN)
        self.measured: set[int] = set()

    def run(self, statements: Iterable[Any], names: ChainMap[str, Any]) -> None:
        """Run statements at the top, or of a loop; Refusal for what no circuit has."""
        for node in statements:
            with _at(node):
                self._run(node, names)

    def _run(self, node: Any, names: ChainMap[str, Any]) -> None:
        match node:
            case ast.Include("stdgates.inc"):
                self.gates |= STDGATES
            case ast.QubitDeclaration(ast.Identifier(name), size):
                n = 1 if size is None else integer(size, names)
                names[name] = wires = list(range(self.n_qubits, self.n_qubits + n))
                self.n_qubits += len(wires)
            case ast.IODeclaration(kind, ast.FloatType() | ast.AngleType(), ast.Identifier(name)) if (
                kind.name == "input"
            ):
                self.parameters.append(name)
                names[name] = Sum.of(name)
            case ast.ConstantDeclaration() | ast.ClassicalDeclaration():
                self._declare(node, names)
            case ast.ClassicalAssignment(ast.Identifier(name), op, value) if name in names:
                self._assign(node, name, op.name, evaluate(value, names), names)
            case ast.ForInLoop(_, ast.Identifier(name), values, block):
                for value in _values(values, names):
                    self.run(block, names.new_child({name: value}))
            case ast.BranchingStatement(condition, yes, no):
                value = evaluate(condition, names)
                if isinstance(value, Sum):
                    raise Refusal(node, "have the same gates whatever the parameters")
                self.run(yes if value else no, names.new_child())
            case ast.QuantumGateDefinition(ast.Identifier(name)):
                self.gates[name] = node
            case ast.QuantumGate() | ast.QuantumPhase():
                self._apply(node, names)
            case ast.QuantumMeasurementStatement(ast.QuantumMeasurement(qubit)):
                self.measured |= set(_wires(qubit, names))
            case ast.QuantumBarrier():
                pass
            case _:
                raise Refusal(node, "have gates, loops and measurements at the end only")

    def _declare(self, node: Any, names: ChainMap[str, Any]) -> None:
        first = node.init_expression
        if isinstance(first, ast.QuantumMeasurement):
            self.measured |= set(_wires(first.qubit, names))
            first = None
        # What bits hold is measured, and what has no value cannot be read.
        names[node.identifier.name] = None if first is None else evaluate(first, names)

    def _assign(self, node: Any, name: str, op: str, value: Any, names: ChainMap[str, Any]) -> None:
        if op in _ASSIGNED:
            value = _ASSIGNED[op](evaluate(node.lvalue, names), value)
        elif op != "=":
            raise Refusal(node, "assign by =, +=, -= or *=")
        next(scope for scope in names.maps if name in scope)[name] = value

    def _apply(self, node: Any, names: ChainMap[str, Any]) -> None:
        """Apply a gate, to each of the wires where its operands are registers."""
        operands = [_wires(qubit, names) for qubit in node.qubits]
        sizes = {len(wires) for wires in operands} - {1}
        if len(sizes) > 1:
            raise Refusal(node, "give a gate registers of one size")
        for place in range(*sizes or [1]):
            wires = [on[place if len(on) > 1 else 0] for on in operands]
            if len(set(wires)) < len(wires):
                raise Refusal(node, "give a gate different qubits")
            if self.measured & set(wires):
                raise Refusal(node, "measure qubits at the end only")
            self.steps += [(step, node) for step in self._steps(node, wires, names)]
            _check_number(node, len(self.steps))

    def _steps(self, node: Any, wires: Sequence[int], names: ChainMap[str, Any]) -> list[Step]:
        """The steps of one application."""
        controls = list(wires)
        modifiers: list[tuple[str, list[int] | int]] = []
        for modifier in node.modifiers:
            kind, argument = modifier.modifier.name, modifier.argument
            n = 1 if argument is None else integer(argument, names)
            modifiers.append(
                (kind, [controls.pop(0) for _ in range(min(n, len(controls)))] if "ctrl" in kind else n)
            )
        if isinstance(node, ast.QuantumPhase):
            if controls:
                raise Refusal(node, "give gphase as many qubits as it has controls")
            steps = [Step(PHASE, (), as_sum(evaluate(node.argument, names)))]
        else:
            steps = self._plain(node, controls, names)
        for kind, of in reversed(modifiers):
            steps = _modified(node, steps, kind, of)
        return steps

    def _plain(self, node: Any, wires: Sequence[int], names: ChainMap[str, Any]) -> list[Step]:
        """The steps of a gate without its modifiers."""
        found = self.gates.get(node.name.name)
        if found is None:
            raise Refusal(
                node, "have gates that are defined before, or in stdgates.inc where that is included"
            )
        angles = [as_sum(evaluate(argument, names)) for argument in node.arguments]
        if isinstance(found, Standard):
            wanted = found.n_angles, found.n_wires
        else:
            wanted = len(found.arguments), len(found.qubits)
        if (len(angles), len(wires)) != wanted:
            raise Refusal(node, f"give {node.name.name} {wanted[0]} angles and {wanted[1]} qubits")
        if isinstance(found, Standard):
            return found.steps(*angles, *wires)
        inner: ChainMap[str, Any] = ChainMap(
            dict(zip((a.name for a in found.arguments), angles, strict=True))
            | {qubit.name: [wire] for qubit, wire in zip(found.qubits, wires, strict=True)},
            self.globals.maps[-1],
        )
        steps: list[Step] = []
        for statement in found.body:
            with _at(statement):
                match statement:
                    case ast.QuantumGate() | ast.QuantumPhase():
                        on = [_wires(qubit, inner)[0] for qubit in statement.qubits]
                        steps += self._steps(statement, on, inner)
                    case ast.QuantumBarrier():
                        pass
                    case _:
                        raise Refusal(statement, "define gates by gates only")
                _check_number(statement, len(steps))
        return steps


def _check_number(node: Any, n_gates: int) -> None:
    if n_gates > _MOST:
        raise Refusal(node, f"have at most {_MOST} gates")


def _modified(node: Any, steps: list[Step], kind: str, of: Any) -> list[Step]:
    if kind == "inv":
        return inverse(steps)
    if kind == "pow":
        repeats: int = abs(of)
        _check_number(node, len(steps) * repeats)
        return (steps if of >= 0 else inverse(steps)) * repeats
    flips = [Step("PauliX", (wire,)) for wire in of] if kind == "negctrl" else []
    try:
        for control in reversed(of):
            steps = controlled(steps, control)
    except ValueError as error:
        raise Refusal(node, str(error)) from None
    return [*flips, *steps, *flips]


def _values(values: Any, names: ChainMap[str, Any]) -> Iterable[Any]:
    """What a loop goes through."""
    if isinstance(values, ast.DiscreteSet):
        return [evaluate(value, names) for value in values.values]
    if not isinstance(values, ast.RangeDefinition) or values.start is None or values.end is None:
        raise Refusal(values, "loop over ranges or sets of numbers")
    return _range(values, names, 0)


def _range(node: Any, names: ChainMap[str, Any], size: int) -> range:
    """A range, whose end is part of it."""
    step = 1 if node.step is None else integer(node.step, names)
    if not step:
        raise Refusal(node, "have ranges with a step")
    start = (0 if step > 0 else size - 1) if node.start is None else integer(node.start, names)
    end = (size - 1 if step > 0 else 0) if node.end is None else integer(node.end, names)
    return range(start, end + (1 if step > 0 else -1), step)


def _wires(node: Any, names: ChainMap[str, Any]) -> list[int]:
    """The wires of an operand."""
    name = node.name.name if isinstance(node, ast.IndexedIdentifier) else getattr(node, "name", "")
    register = names.get(name)
    if not isinstance(register, list):
        raise Refusal(node, "act on qubits that are declared")
    if not isinstance(node, ast.IndexedIdentifier):
        return register
    for index in node.indices:
        n = len(register)
        items = index.values if isinstance(index, ast.DiscreteSet) else index
        places: list[int] = []
        for item in items:
            is_range = isinstance(item, ast.RangeDefinition)
            places += _range(item, names, n) if is_range else [integer(item, names)]
        if not all(-n <= place < n for place in places):
            raise Refusal(node, f"have indices of {name} from 0 to {n - 1}")
        register = [register[place] for place in places]
    return register


@contextlib.contextmanager
def _at(statement: ast.Statement) -> Iterator[None]:
    """Have refusals name the innermost statement: of names, the parser does not know the column."""
    try:
        yield
    except Refusal as error:
        if isinstance(error.node, ast.Statement):
            raise
        raise Refusal(statement, error.rule) from None


def _message(text: str, span: Any, rule: str) -> str:
    line, column = span.start_line, span.start_column
    shown = text.splitlines()[line - 1][column:].strip()
    return f"text must {rule}, but line {line}, column {column + 1} has {shown!r}."


def _unparsed(error: Exception) -> ValueError:
    """The error for what is not OpenQASM 3, with the place where the parser stopped."""
    cause = error.__cause__
    found = cause.args[0] if cause is not None and cause.args else cause
    token = getattr(found, "offendingToken", None)
    if token is None:
        return ValueError(f"text must be OpenQASM 3, but the parser said {str(error) or 'no more'!r}.")
    return ValueError(
        f"text must be OpenQASM 3, but line {token.line}, column {token.column + 1} has {token.text!r}."
    )
