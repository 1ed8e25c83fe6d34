"""Expressions of OpenQASM 3: numbers, and sums of free parameters."""

from __future__ import annotations

import math
import operator
from collections.abc import Callable, Mapping
from typing import Any

from openqasm3 import ast

from qproj.circuits.symbols import Sum

Value = int | float | Sum

CONSTANTS: dict[str, Value] = {
    "pi": math.pi, "π": math.pi, "tau": math.tau, "τ": math.tau, "euler": math.e, "ℇ": math.e
}  # fmt: skip
_FUNCTIONS: dict[str, Callable[..., float]] = {
    "sin": math.sin, "cos": math.cos, "tan": math.tan, "arcsin": math.asin, "arccos": math.acos,
    "arctan": math.atan, "exp": math.exp, "log": math.log, "sqrt": math.sqrt, "pow": math.pow,
    "floor": math.floor, "ceiling": math.ceil, "mod": math.fmod,
}  # fmt: skip
_OPERATORS: dict[str, Callable[..., Any]] = {
    "+": operator.add, "-": operator.sub, "*": operator.mul, "/": operator.truediv, "**": operator.pow,
    ">": operator.gt, "<": operator.lt, ">=": operator.ge, "<=": operator.le, "==": operator.eq,
    "!=": operator.ne, "&&": lambda one, two: bool(one and two), "||": lambda one, two: bool(one or two),
}  # fmt: skip


class Refusal(Exception):  # noqa: N818 (caught by the reader, which knows the text)
    """Raised for what cannot be expressed.

    Args:
        node: What it is about.
        rule: What the text must do, for "text must ...".
    """

    def __init__(self, node: ast.QASMNode, rule: str) -> None:
        super().__init__(rule)
        self.node, self.rule = node, rule


def evaluate(node: Any, names: Mapping[str, Any]) -> Value:
    """The value of an expression.

    Args:
        node: The expression.
        names: Values of variables.

    Raises:
        Refusal: If it is neither a number nor a sum of constants, parameters and their products.
    """
    match node:
        case ast.IntegerLiteral(value) | ast.FloatLiteral(value) | ast.BooleanLiteral(value):
            return value  # type: ignore[no-any-return]
        case ast.Identifier(name):
            value = names.get(name)
            if not isinstance(value, int | float | Sum):
                raise Refusal(node, "use numbers and parameters that have a value")
            return value
        case ast.UnaryExpression(op, inner):
            value = evaluate(inner, names)
            if op.name == "!":
                return not _number(inner, value)
            if op.name == "-":
                return -value
        case ast.BinaryExpression(op, lhs, rhs):
            return _binary(node, op.name, evaluate(lhs, names), evaluate(rhs, names))
        case ast.FunctionCall(ast.Identifier(name), arguments) if name in _FUNCTIONS:
            numbers = [_number(argument, evaluate(argument, names)) for argument in arguments]
            computed: Value = _computed(node, _FUNCTIONS[name], *numbers)
            return computed
        case ast.Cast(ast.FloatType() | ast.AngleType(), inner):
            value = evaluate(inner, names)
            return value if isinstance(value, Sum) else float(value)
        case ast.Cast(ast.IntType() | ast.UintType(), inner):
            return int(_number(inner, evaluate(inner, names)))
    raise Refusal(node, "have expressions of numbers and parameters only")


def integer(node: Any, names: Mapping[str, Any]) -> int:
    """The value of an expression that must be an integer."""
    value = evaluate(node, names)
    if not isinstance(value, int):
        raise Refusal(node, "have integers as sizes, indices and powers")
    return int(value)


def as_sum(value: Value) -> Sum:
    """A value as an angle."""
    return value if isinstance(value, Sum) else Sum.of(value)


def _binary(node: Any, op: str, one: Value, two: Value) -> Value:
    if isinstance(one, Sum) or isinstance(two, Sum):
        left, right = as_sum(one), as_sum(two)
        if op in ("+", "-"):
            return left + (right if op == "+" else -right)
        if op == "*":
            return left * right
        if op == "/" and right.number:
            return left * Sum.of(1 / right.number)
        raise Refusal(node, "have sums, multiples and products of parameters only")
    if op == "/" and isinstance(one, int) and isinstance(two, int):
        if two and not one % two:
            return one // two
        # Its specification gives two integers an integer, its own examples a fraction.
        raise Refusal(node, "divide integers without a remainder (write 3.0 / 2 for a fraction)")
    if op == "%" and one >= 0 and two > 0:
        return one % two
    if op in _OPERATORS:
        computed: Value = _computed(node, _OPERATORS[op], one, two)
        return computed
    raise Refusal(node, "have other operators")


def _number(node: Any, value: Value) -> int | float:
    if isinstance(value, Sum):
        raise Refusal(node, "have parameters in sums, multiples and products only")
    return value


def _computed(node: Any, function: Callable[..., Any], *numbers: int | float) -> Any:
    try:
        value = function(*numbers)
        if isinstance(value, int) or math.isfinite(value):
            return value
    except (TypeError, ValueError, ArithmeticError):
        pass
    raise Refusal(node, "have finite real numbers")
