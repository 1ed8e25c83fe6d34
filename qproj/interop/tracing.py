"""What a QNode does, as a circuit.

A QNode is a Python function, so nothing can be read off it; it is run on drawn numbers instead. The
derivatives of one run give a formula for every angle, and runs on other numbers have to agree with it. That
there is no other branch is for `qproj.interop.watching` to see.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import GATES, Gate
from qproj.circuits.making import at_least_one
from qproj.circuits.measurements import State
from qproj.circuits.observables import Hamiltonian, Observable, PauliWord
from qproj.interop.formulas import Formula, gradients
from qproj.interop.probing import ON_THIS_ENGINE, Probe, RefusedError, Run
from qproj.interop.tapes import measured, outcomes

# Sizes of inputs and of weights that the formulas are compared on, one run each: small, as large as first
# weights, and far larger, so that what is cut off or wrapped around shows.
_SIZES = (
    *((1.0, 1.0), (1.0, 10.0), (10.0, 1.0), (3.0, 3.0), (0.1, 0.1), (0.1, 30.0), (30.0, 0.1), (10.0, 10.0)),
    *((100.0, 100.0), (1000.0, 1000.0)),
)


@dataclass(frozen=True)
class Traced:
    """A QNode as data.

    Attributes:
        circuit: The circuit; its weights are all weights of the QNode, flattened, one after the other.
        n_inputs: How many inputs a sample has.
        constants: To be added to each of the circuit's values: the identity's share, or 0.
        returns: `"one"` measurement, or a `"tuple"` or `"list"` of them.
    """

    circuit: Circuit
    n_inputs: int
    constants: tuple[float, ...]
    returns: str


def trace(qnode: Any, shapes: Mapping[str, tuple[int, ...]], n_inputs: int | None) -> Traced:
    """Find the circuit that a QNode is.

    Args:
        qnode: The QNode.
        shapes: Of its weights.
        n_inputs: Of a sample; `None` to take the most that the QNode makes use of.

    Returns:
        The circuit, and what the layer makes of its values.

    Raises:
        ValueError: If the QNode is not a fixed circuit whose angles are sums of constants, multiples of
            inputs, of products of two inputs and of weights, or measures what a circuit here cannot.
    """
    try:
        # Whatever the layer is made within: derivatives of numbers are what is read.
        with torch.inference_mode(False), torch.enable_grad(), torch.device("cpu"):
            return _trace(Probe(qnode, shapes), n_inputs)
    except RefusedError as error:
        raise ValueError(str(error)) from error.__cause__


def _trace(probe: Probe, n_inputs: int | None) -> Traced:
    n_inputs = probe.width() if n_inputs is None else probe.checked(n_inputs)
    generator = torch.Generator().manual_seed(0)
    first = probe.run(n_inputs, generator, 1.0)[0]
    formulas = [Formula.of(angle, first.x, first.weights, first.watch.precision) for angle in first.angles]
    functions = dict(first.watch.seen)
    for size, of_weights in _SIZES:
        for run in probe.run(n_inputs, generator, size, of_weights):
            _check_structure(run, first)
            for place, (formula, angle) in enumerate(zip(formulas, run.angles, strict=True)):
                if not formula.agrees(angle, run.x, run.weights, run.watch.precision):
                    raise _refusal(run, first, place)
            functions |= run.watch.seen
    observables, constants = _observables(first)
    if functions:
        raise ValueError(
            "qnode must be one circuit whatever the values of inputs and weights, but it applies "
            f"{', '.join(functions)} to them or to what it computes from them, so it may be another circuit "
            "where it was not tried. Apply the function before the layer, and pass its result as an input, "
            "or use qml.qnn.TorchLayer."
        )
    gates = at_least_one(list(_gates(first, formulas)))
    circuit = Circuit(observables=observables, n_qubits=_n_qubits(first), gates=gates)
    return Traced(circuit, n_inputs, constants, first.returns)


def _check_structure(run: Run, first: Run) -> None:
    if run.gates != first.gates:
        pairs = zip(first.gates, run.gates, strict=False)
        change = next((f"{_named(a)} became {_named(b)}" for a, b in pairs if a != b), "their number changed")
        raise ValueError(
            f"qnode must have the same gates whatever the values of inputs and weights, but {change}. Use "
            "qml.qnn.TorchLayer."
        )
    if run.measurements != first.measurements or run.returns != first.returns:
        raise ValueError(
            "qnode must measure the same whatever the values of inputs and weights, but what it measures "
            "changed. Use qml.qnn.TorchLayer."
        )


def _refusal(run: Run, first: Run, place: int) -> ValueError:
    """The error for an angle that is not of the form that can be run."""
    name, wires = [gate for gate in run.gates if GATES[gate[0]].frequencies][place]
    _, by_weights = gradients(run.angles[place], run.x, run.weights)
    # Where an angle is cut off it has no derivative, but in the first run it may have had.
    both = [gradients(one.angles[place], one.x, one.weights) for one in (first, run)]
    sources = [name for i, name in enumerate(("inputs", "weights")) if any(pair[i].any() for pair in both)]
    if gradients(by_weights.sum(), run.x, run.weights)[0].any():
        what = "a product of inputs and weights, or the like"
    elif sources:
        what = f"another function of {' and '.join(sources)}"
    else:
        what = "computed outside of torch, where it cannot be followed"
    return ValueError(
        "qnode must have angles that are sums of constants, multiples of inputs, of products of two inputs, "
        f"and of weights, but that of {_named((name, wires))} is {what}. Apply the function before the "
        "layer, and pass its result as an input, or use qml.qnn.TorchLayer."
    )


def _named(gate: tuple[str, tuple[int, ...]]) -> str:
    return f"{gate[0]} on wires {list(gate[1])}"


def _observables(run: Run) -> tuple[tuple[Observable, ...], tuple[float, ...]]:
    """What the circuit measures, and what is to be added to each of its values."""
    observables: list[Observable] = []
    constants: list[float] = []
    for measurement in run.measurements:
        found = outcomes(measurement)
        observable, constant = _expectation(measurement) if found is None else (found, 0.0)
        observables.append(observable)
        constants += [constant] * observable.width
    widths = {observable.width for observable in observables}
    if len(observables) > 1 and any(isinstance(observable, State) for observable in observables):
        raise ValueError(
            "qnode must measure a state alone, but measured more. Make two layers of two QNodes."
        )
    if run.returns == "tuple" and len(widths) > 1:
        raise ValueError(
            "qnode must return a list where its measurements have different numbers of values, here "
            f"{[observable.width for observable in observables]}, but returned a tuple, which is stacked."
        )
    return tuple(observables), tuple(constants)


def _expectation(measurement: Any) -> tuple[Observable, float]:
    """An expectation value as Pauli words, and the identity's share."""
    found = measured([measurement])
    if found is None:
        raise ValueError(
            "qnode must measure probabilities, a state, or expectation values of Pauli words and their sums, "
            f"but measured {measurement}. {ON_THIS_ENGINE}"
        )
    terms = [
        PauliWord(word.letters, word.wires, float(coefficient))
        for word, coefficient in zip(found.words, found.mixing[:, 0], strict=True)
        if coefficient
    ]
    # The identity alone: something is measured, and not used.
    terms = terms or [PauliWord("Z", (0,), 0.0)]
    return terms[0] if len(terms) == 1 else Hamiltonian(tuple(terms)), float(found.constants[0])


def _n_qubits(run: Run) -> int:
    wires = [wire for _, wires in run.gates for wire in wires]
    return 1 + max([*wires, *(wire for m in run.measurements for wire in m.wires)], default=0)


def _gates(run: Run, formulas: list[Formula]) -> Iterator[Gate]:
    """The gates; where an angle is a sum, gates about the same axis one after the other."""
    angles = iter(formulas)
    for name, wires in run.gates:
        if GATES[name].frequencies:
            yield from (Gate(name, wires, parameter) for parameter in next(angles).terms())
        else:
            yield Gate(name, wires)
