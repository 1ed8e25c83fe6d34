"""PennyLane tapes as circuits of this package.

A tape becomes a circuit whose parameters are slots, and the numbers that go into them, so that new numbers
find the program that was compiled for the same structure.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import GATES, Constant, Gate, InputSlot, Parameter, WeightSlot
from qproj.circuits.measurements import Probs, State
from qproj.circuits.observables import PauliWord

# Operations that change no expectation value, and no amplitude but by a phase that is multiplied in later.
_PHASES = ("Identity", "GlobalPhase")
_PERIOD = 4 * np.pi


# Those of one number at most, so that new numbers find the program that was compiled for others.
NATIVE = frozenset(_PHASES) | {
    name for name, kind in ((name, GATES[name]) for name in GATES) if not (kind.several or kind.own_matrix)
}


def is_native(operation: Any) -> bool:
    """Whether an operation is a gate of the engine, so that PennyLane need not decompose it."""
    return operation.name in NATIVE


def is_script(tape: Any) -> bool:
    """Whether a tape's operations are native, of real angles, but for a preparation of the first state."""
    from pennylane.operation import StatePrepBase

    operations = tape.operations
    begin = bool(operations) and isinstance(operations[0], StatePrepBase)
    return all(is_native(gate) and not any(map(_is_complex, gate.data)) for gate in operations[begin:])


def _is_complex(value: Any) -> bool:
    return "complex" in str(getattr(value, "dtype", type(value)))


def is_phase(operation: Any) -> bool:
    """Whether a native operation is no gate, but a global phase or nothing."""
    return operation.name in _PHASES


@dataclass(frozen=True)
class Measured:
    """Expectation values as Pauli words.

    Attributes:
        words: Every word that occurs, once, without coefficient.
        mixing: `(n_words, n_measurements)`: the coefficients.
        constants: `(n_measurements,)`: those of the identity.
    """

    words: tuple[PauliWord, ...]
    mixing: NDArray[np.float64]
    constants: NDArray[np.float64]

    def values(self, of_words: Any) -> Any:
        """Values `(batch, n_measurements)` from those of the words, `(batch, n_words)`, of any library."""
        from pennylane import math

        mixing, constants = (math.convert_like(a, of_words) for a in (self.mixing, self.constants))
        return math.dot(of_words, math.cast_like(mixing, of_words)) + math.cast_like(constants, of_words)


def measured(measurements: Sequence[Any]) -> Measured | None:
    """Write measurements as Pauli words.

    Args:
        measurements: PennyLane measurement processes on wires that are counted from 0.

    Returns:
        The words, or `None` if the measurements are others than expectation values of sums of Pauli words, or
        if a coefficient is complex or may have a gradient.
    """
    from pennylane import math

    words: dict[PauliWord, int] = {}
    terms: list[tuple[int, int, float]] = []
    constants = np.zeros(len(measurements))
    for column, measurement in enumerate(measurements):
        if not is_pauli_expectation(measurement):
            return None
        for word, coefficient in measurement.obs.pauli_rep.items():
            numeric = isinstance(coefficient, (int, float, complex, np.number, np.ndarray))
            if (not numeric and math.requires_grad(coefficient)) or math.imag(coefficient):
                return None
            real = float(math.real(coefficient))
            if not word:
                constants[column] += real
                continue
            wires, letters = zip(*sorted(word.items()), strict=True)
            row = words.setdefault(PauliWord("".join(letters), wires), len(words))
            terms.append((row, column, real))
    mixing = np.zeros((max(len(words), 1), len(measurements)))
    for row, column, real in terms:
        mixing[row, column] += real
    # A circuit measures something even where only the identity was asked for.
    return Measured(tuple(words) or (PauliWord("Z", (0,)),), mixing, constants)


def outcomes(measurement: Any) -> Probs | State | None:
    """Probabilities or a state as an observable; `None` for anything else.

    Args:
        measurement: A PennyLane measurement process on wires that are counted from 0, none of them implied.
    """
    from pennylane.measurements import ProbabilityMP, StateMP

    wires = tuple(map(int, measurement.wires))
    if type(measurement) is StateMP and wires == tuple(range(len(wires))):
        return State(len(wires))
    if type(measurement) is not ProbabilityMP or measurement.mv is not None:
        return None
    if measurement.obs is None:
        return Probs(wires)
    words = list(measurement.obs.pauli_rep or ())
    if len(words) != 1 or set(words[0]) != set(wires):
        return None
    return Probs(wires, "".join(words[0][wire] for wire in wires))


def is_pauli_expectation(measurement: Any) -> bool:
    """Whether a measurement is the expectation value of a sum of Pauli words."""
    from pennylane.measurements import ExpectationMP

    return (
        isinstance(measurement, ExpectationMP)
        and measurement.mv is None
        and measurement.obs is not None
        and measurement.obs.pauli_rep is not None
    )


@dataclass(frozen=True)
class Script:
    """A tape as a circuit and what goes into its slots.

    Attributes:
        circuit: The circuit, with what `words` asked for as observables.
        batch: Size of the tape's batch, or `None`.
        columns: Parameters with a batch, `(batch,)` each, one for each input.
        weights: Parameters without, one for each weight.
        start: Amplitudes of the state to start from, `(batch or 1, 2**n_qubits)`, or `None`.
        phase: The global phase of the tape's `GlobalPhase`s, a number or `(batch,)`.
    """

    circuit: Circuit
    batch: int | None
    columns: tuple[Any, ...]
    weights: tuple[Any, ...]
    start: Any
    phase: Any

    def numbers(self, interface: str, dtype: type[np.floating[Any]]) -> tuple[Any, Any]:
        """The parameters as arrays of an interface, differentiable by it.

        Args:
            interface: PennyLane's name for what the arrays are to be of.
            dtype: Of the numbers: float32 or float64.

        Returns:
            Inputs `(rows, n_features)`, one row for each entry of the tape's batch, or one; or the states to
            start from, as `qproj.execution.states.FromStates` has them. And weights `(n_weights,)`.
        """
        from pennylane import math

        given = (*self.columns, *self.weights, *([] if self.start is None else [self.start]))
        like = next((v for v in given if math.get_interface(v) == interface), None)

        def angle(value: Any) -> Any:
            if interface == "numpy" or math.get_interface(value) != interface:
                value = np.asarray(math.to_numpy(value), np.float64)
            if dtype == np.float32 and math.get_dtype_name(value) == "float64":
                # Of a large angle single precision keeps little; 4 pi is a period of every gate.
                value = value - _PERIOD * math.round(value / _PERIOD)
            return array(value)

        def array(value: Any, kind: Any = dtype) -> Any:
            if interface == "numpy" or math.get_interface(value) != interface:
                # First, since torch would make single precision of Python's numbers.
                value = np.asarray(math.to_numpy(value), kind)
            if interface == "numpy":
                return value
            if like is not None:
                value = math.convert_like(value, like)
            return math.cast(math.asarray(value, like=interface), kind)

        if self.start is not None:
            complexes = array(self.start, np.result_type(dtype, np.complex64))
            inputs = math.concatenate([math.real(complexes), math.imag(complexes)], axis=1)
        elif self.columns:
            inputs = math.stack([angle(column) for column in self.columns], axis=1)
        else:
            inputs = array(np.zeros((self.batch or 1, 0)))
        if not self.weights:
            return inputs, array(np.zeros(0))
        return inputs, math.stack([angle(weight) for weight in self.weights])


def script(tape: Any, words: tuple[PauliWord, ...]) -> Script:
    """Write a tape as a circuit.

    Args:
        tape: A PennyLane tape of native operations on wires that are counted from 0. The first may prepare a
            state; then the parameters of the others are numbers, not batches.
        words: What the circuit is to measure.

    Returns:
        The circuit and its numbers.
    """
    from pennylane import math
    from pennylane.operation import StatePrepBase

    operations, n_qubits = list(tape.operations), max(tape.num_wires, 1)
    start = None
    if operations and isinstance(operations[0], StatePrepBase):
        start = _state(operations.pop(0), n_qubits)
    named: list[tuple[str, tuple[int, ...], Parameter | None]] = []
    columns: list[Any] = []
    weights: list[Any] = []
    phase: Any = 0.0
    for operation in operations:
        slot: Parameter | None = None
        if operation.name == "GlobalPhase":
            phase = phase - operation.data[0]
        elif operation.num_params:
            into, kind = (columns, InputSlot) if math.ndim(operation.data[0]) else (weights, WeightSlot)
            slot = kind(len(into))
            into.append(operation.data[0])
        if not is_phase(operation):
            named.append((operation.name, tuple(map(int, operation.wires)), slot))
    circuit = _circuit(n_qubits, tuple(named), words, start is not None)
    return Script(circuit, tape.batch_size, tuple(columns), tuple(weights), start, phase)


# A circuit built once is recognised at once when its program is looked up.
@functools.lru_cache(maxsize=128)
def _circuit(
    n_qubits: int,
    named: tuple[tuple[str, tuple[int, ...], Parameter | None], ...],
    words: tuple[PauliWord, ...],
    started: bool,
) -> Circuit:
    gates = [Gate(*entry) for entry in named] or [Gate("RZ", (0,), Constant(0.0))]
    return Circuit(n_qubits, encoding="amplitude" if started else None, observables=words, gates=gates)


def _state(operation: Any, n_qubits: int) -> Any:
    """Amplitudes `(batch or 1, 2**n_qubits)` that a state preparation asks for."""
    from pennylane import math

    vector = operation.state_vector(wire_order=range(n_qubits))
    return math.reshape(vector.toarray() if hasattr(vector, "toarray") else vector, (-1, 2**n_qubits))
