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
from qproj.circuits.observables import PauliWord

Floats = NDArray[np.floating[Any]]

# Operations that change no expectation value, and no amplitude but by a phase that is multiplied in later.
_PHASES = ("Identity", "GlobalPhase")


NATIVE = frozenset(GATES) | frozenset(_PHASES)


def is_native(operation: Any) -> bool:
    """Whether an operation is a gate of the engine, so that PennyLane need not decompose it."""
    return operation.name in NATIVE


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

    def values(self, of_words: Floats) -> Floats:
        """Values `(batch, n_measurements)` from those of the words, `(batch, n_words)`."""
        return of_words @ self.mixing + self.constants


def measured(measurements: Sequence[Any]) -> Measured | None:
    """Write measurements as Pauli words.

    Args:
        measurements: PennyLane measurement processes on wires that are counted from 0.

    Returns:
        The words, or `None` if the measurements are others than expectation values of sums of Pauli words.
        Of complex coefficients the real parts count, as everywhere in PennyLane.
    """
    words: dict[PauliWord, int] = {}
    terms: list[tuple[int, int, float]] = []
    constants = np.zeros(len(measurements))
    for column, measurement in enumerate(measurements):
        if not is_pauli_expectation(measurement):
            return None
        for word, coefficient in measurement.obs.pauli_rep.items():
            real = float(np.real(coefficient))
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
        inputs: `(rows, n_features)`, one row for each entry of the tape's batch, or one; or the states to
            start from, as `qproj.execution.states.FromStates` has them.
        weights: `(n_weights,)`.
        batch: Size of the tape's batch, or `None`.
        slots: For each parameter of the tape's operations the slot it went into; `None` for a global phase;
            the number 0 for parameters of a prepared state, which cannot be differentiated.
        phase: The global phase of the tape's `GlobalPhase`s, a number or `(batch,)`.
    """

    circuit: Circuit
    inputs: Floats
    weights: Floats
    batch: int | None
    slots: tuple[Parameter | None, ...]
    phase: Any


def script(tape: Any, words: tuple[PauliWord, ...], dtype: type[np.floating[Any]]) -> Script:
    """Write a tape as a circuit.

    Args:
        tape: A PennyLane tape of native operations on wires that are counted from 0. The first may prepare a
            state; then the parameters of the others are numbers, not batches.
        words: What the circuit is to measure.
        dtype: Of the numbers: float32 or float64.

    Returns:
        The circuit and its numbers.
    """
    from pennylane import math
    from pennylane.operation import StatePrepBase

    operations, n_qubits = list(tape.operations), max(tape.num_wires, 1)
    slots: list[Parameter | None] = []
    start = None
    if operations and isinstance(operations[0], StatePrepBase):
        slots += [Constant(0.0)] * operations[0].num_params
        start = _state(operations.pop(0), n_qubits)
    named: list[tuple[str, tuple[int, ...], Parameter | None]] = []
    columns: list[Any] = []
    weights: list[float] = []
    phase: Any = 0.0
    for operation in operations:
        slot: Parameter | None = None
        if operation.num_params:
            value = np.asarray(math.to_numpy(operation.data[0]), np.float64)
            if operation.name == "GlobalPhase":
                phase = phase - value
            elif value.ndim:
                slot = InputSlot(len(columns))
                columns.append(value)
            else:
                slot = WeightSlot(len(weights))
                weights.append(float(value))
            slots.append(slot)
        if not is_phase(operation):
            named.append((operation.name, tuple(operation.wires), slot))
    rows = tape.batch_size or 1
    if start is not None:
        inputs = np.concatenate([start.real, start.imag], axis=1).astype(dtype)
    else:
        inputs = np.stack(columns, axis=1).astype(dtype) if columns else np.zeros((rows, 0), dtype)
    circuit = _circuit(n_qubits, tuple(named), words, start is not None)
    return Script(circuit, inputs, np.array(weights, dtype), tape.batch_size, tuple(slots), phase)


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


def _state(operation: Any, n_qubits: int) -> NDArray[np.complex128]:
    """Amplitudes `(batch or 1, 2**n_qubits)` that a state preparation asks for."""
    from pennylane import math

    vector = operation.state_vector(wire_order=range(n_qubits))
    dense = vector.toarray() if hasattr(vector, "toarray") else math.to_numpy(vector)
    return np.asarray(dense, np.complex128).reshape(-1, 2**n_qubits)
