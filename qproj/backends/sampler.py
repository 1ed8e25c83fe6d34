"""What a vendor writes to run circuits, and what it is given: the contract of backends.

A `Sampler` gets a circuit and a table of angles, a row for each run, and returns what was measured, a row for
each row. Everything else is `qproj.backends.sampled`: gradients by parameter-shift rules, the chain rule to
inputs and weights, chunks that fit into memory, and errors that name the sample.

- Wires are `0 .. n_qubits - 1`, all in `|0>` at first; wire 0 is the most significant bit of an index.
- Angles are radians and `RX(t) = exp(-i t X / 2)`; names and meanings of gates are PennyLane's.
- Values are in the order of `circuit.terms`, without their coefficients; of `Probs` those of each outcome.
- With shots, every Pauli word gets `execution.shots` measurements, or every group of words that are measured
  together does: `Capabilities.shots_per` says which. Rows are independent of each other.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from qproj.backends.capabilities import Capabilities, Measure
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot, WeightSlot
from qproj.circuits.rewriting import rewritten
from qproj.planning.execution import Execution

Array = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Template:
    """A circuit whose angles are columns of a table. Always the same object, so a key for a vendor's cache.

    Attributes:
        circuit: What is measured, and on how many qubits. Its gates are those of its caller: run `gates`.
        gates: In the order in which they act, by names that the sampler's capabilities list.
        slots: What each column of the table is: an input or a weight, times a scale.
        columns: For each gate the column of its angle; `None` where it has none, or a constant one.
    """

    circuit: Circuit
    gates: tuple[Gate, ...]
    slots: tuple[InputSlot | WeightSlot, ...]
    columns: tuple[int | None, ...]

    @cached_property
    def frequencies(self) -> tuple[tuple[float, ...], ...]:
        """Of expectation values in the angle of each column; see `GateKind`."""
        return tuple(
            g.kind.frequencies for g, c in zip(self.gates, self.columns, strict=True) if c is not None
        )

    @cached_property
    def outputs(self) -> NDArray[np.int64]:
        """The circuit's output that each column of values is a part of; in ascending order."""
        widths = [term.width for term in self.circuit.terms]
        is_first = np.diff(self.circuit.owners, prepend=-1) > 0
        # Words of a Hamiltonian share an output, outcomes have one each.
        steps = [[first, *[1] * (width - 1)] for first, width in zip(is_first, widths, strict=True)]
        return np.cumsum(np.concatenate(steps), dtype=np.int64) - 1

    @cached_property
    def coefficients(self) -> Array:
        """What each column of values is multiplied by there."""
        terms = self.circuit.terms
        factors = [getattr(term, "coefficient", 1.0) for term in terms]
        return np.repeat(factors, [term.width for term in terms])

    def mixed(self, values: Array) -> Array:
        """Outputs `(batch, n_outputs)` of values `(batch, n_columns)`."""
        starts = np.flatnonzero(np.diff(self.outputs, prepend=-1))
        return np.add.reduceat(values * self.coefficients, starts, axis=1)

    def unmixed(self, cotangents: Array) -> Array:
        """Cotangents `(batch, n_columns)` of values, from those of outputs `(batch, n_outputs)`."""
        return cotangents[:, self.outputs] * self.coefficients

    def table(self, inputs: Array, weights: Array) -> Array:
        """Angles `(batch, n_columns)` of inputs `(batch, n_features)` and flat weights."""
        table = np.empty((len(inputs), len(self.slots)))
        for column, slot in enumerate(self.slots):
            of = inputs[:, slot.index] if isinstance(slot, InputSlot) else weights[slot.index]
            table[:, column] = slot.scale * of
        return table


@functools.lru_cache(maxsize=256)
def template(circuit: Circuit, gates: frozenset[str] | None = None) -> Template:
    """The template of a circuit for a backend that can run the gates of these names, or all.

    Raises:
        ValueError: If a gate is neither one of them nor a product of them.
    """
    if gates is None:
        written = circuit.plain_gates
    else:
        parts = rewritten(circuit.plain_gates, gates, "on this backend")
        written = tuple(part for part in parts if isinstance(part, Gate))
    slots: list[InputSlot | WeightSlot] = []
    columns: list[int | None] = []
    for gate in written:
        slot = gate.angle
        is_slot = isinstance(slot, InputSlot | WeightSlot)
        columns.append(len(slots) if is_slot else None)
        if isinstance(slot, InputSlot | WeightSlot):
            slots.append(slot)
    return Template(circuit, written, tuple(slots), tuple(columns))


@dataclass(frozen=True, eq=False)
class Bound:
    """Runs of a circuit, each with angles of its own.

    Attributes:
        template: The circuit.
        angles: `(rows, n_columns)` float64, radians.
        amplitudes: `(rows, 2**n_qubits)` float64, of norm 1, of the state it starts in; `None` for `|0>`.
        samples: `(rows,)`: the sample of the caller's batch that each row is for.
        seeds: `(rows,)` uint64, a seed for each row's randomness, where `execution.seed` was given. A vendor
            that can seed a call only, takes the first.
        measure: What is measured.
    """

    template: Template
    angles: Array
    amplitudes: Array | None
    samples: NDArray[np.int64]
    seeds: NDArray[np.uint64] | None = None
    measure: Measure = "expectations"

    def __len__(self) -> int:
        return len(self.angles)

    def __getitem__(self, rows: Any) -> Bound:
        """Some of the runs, by a slice or an array of rows."""
        amplitudes = None if self.amplitudes is None else self.amplitudes[rows]
        seeds = None if self.seeds is None else self.seeds[rows]
        return replace(
            self, angles=self.angles[rows], amplitudes=amplitudes, samples=self.samples[rows], seeds=seeds
        )

    def operations(self, row: int) -> Iterator[tuple[Gate, float | None]]:
        """The gates of one run, each with its angle."""
        for gate, column in zip(self.template.gates, self.template.columns, strict=True):
            if column is not None:
                yield gate, float(self.angles[row, column])
            else:
                yield gate, gate.angle.value if isinstance(gate.angle, Constant) else None


class RowsFailedError(RuntimeError):
    """Raised by a sampler that knows which rows failed.

    Args:
        message: What happened, and what was kept.
        rows: Rows of the `Bound` that the sampler was given.
    """

    def __init__(self, message: str, rows: Sequence[int]) -> None:
        super().__init__(message)
        self.rows = tuple(rows)


class UnsupportedError(ValueError):
    """Raised by a sampler that finds, as late as in `run`, that it was asked for what it cannot do."""


class Sampler(Protocol):
    """Runs circuits whose angles are numbers.

    May have more: `label`, a str for messages; `reads`, true where it confuses bits as `execution.noise` has
    it; `check(circuit, execution)`, for refusals that capabilities cannot say; and the methods of `WithVjp`
    and `WithTrace`, where its `diff_methods` say so.

    Attributes:
        name: For messages.
        capabilities: What it can do.
    """

    name: str

    @property
    def capabilities(self) -> Capabilities:
        """What it can do."""

    def run(self, bound: Bound, execution: Execution) -> Any:
        """Run circuits.

        Args:
            bound: At least one row, and no more than the capabilities' `batches`; all angles are finite.
            execution: Within the capabilities; `shots` is a number wherever values are measured.

        Returns:
            An array, a row for each row of `bound`, shaped and typed as `Measure` says for `bound.measure`.

        Raises:
            RowsFailedError: If some rows could not be run. Other exceptions are taken to be about all rows.
        """


class WithVjp(Sampler, Protocol):
    """A sampler with a gradient of its own, `"adjoint"`."""

    def vjp(
        self, bound: Bound, execution: Execution, columns: Sequence[int]
    ) -> tuple[Array, Callable[[Array], Array]]:
        """Run circuits, and know how to differentiate them.

        Args:
            bound: As for `run`.
            execution: As for `run`; exact.
            columns: The columns of the table of angles to differentiate by, at least one.

        Returns:
            What `run` returns, and a function from cotangents `(rows, n_columns)` to gradients
            `(rows, len(columns))`. It may be called more than once.
        """


class WithTrace(Sampler, Protocol):
    """A sampler that torch can differentiate through, `"backprop"`."""

    def trace(
        self,
        template: Template,
        angles: Sequence[torch.Tensor],
        amplitudes: torch.Tensor | None,
        execution: Execution,
    ) -> torch.Tensor:
        """Run circuits as operations of torch's.

        Args:
            template: The circuit.
            angles: Of each column: `(rows,)` for inputs, a number for weights; float64 on the CPU.
            amplitudes: `(rows, 2**n_qubits)`, or `None`.
            execution: As for `run`; exact.

        Returns:
            Expectation values `(rows, n_columns)`, or `(1, n_words)` where no angle has rows.
        """
