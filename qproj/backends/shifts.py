"""Runs of a sampler in chunks, and gradients of their values: two ways, each for any sampler.

Everything here is NumPy in double precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from qproj.backends.resuming import Finished
from qproj.backends.sampler import Array, Bound, RowsFailedError, Sampler, Template, UnsupportedError
from qproj.circuits.gates import InputSlot
from qproj.differentiation.shift_rules import shift_rule
from qproj.memory import memory_budget
from qproj.planning.execution import Execution

# Below this squared norm, a state's share in a gradient is lost in rounding.
_NOTHING = 1e-24


class Method(Protocol):
    """One run of a circuit, and the way to its gradient."""

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values `(batch, n_outputs)` of `inputs` `(batch, n_features)` and flat `weights`."""

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients of `(forward(inputs, weights) * cotangents).sum()`, shaped like the arguments."""


class Runs:
    """A circuit on a sampler.

    Args:
        sampler: The sampler.
        template: The circuit, in gates that the sampler knows.
        execution: How to run it; the number of shots is the device's own where it has one.
        needs: Whether gradients with respect to inputs and to weights will be asked for.
    """

    def __init__(
        self, sampler: Sampler, template: Template, execution: Execution, needs: tuple[bool, bool]
    ) -> None:
        self.sampler, self.template, self.execution = sampler, template, execution
        self.finished = Finished(sampler)
        self.columns = [
            i for i, s in enumerate(template.slots) if needs[0 if isinstance(s, InputSlot) else 1]
        ]
        if not all(template.frequencies[column] for column in self.columns):
            raise ValueError(
                "weights must be angles where gradients come by shifts, but one is a channel's strength. Use "
                "backend='jax' with shots=None, or weights that require no gradient."
            )
        self.amplitudes = template.circuit.amplitudes and needs[0]
        self.label = label_of(sampler)
        capabilities = sampler.capabilities
        fitting = memory_budget() // max(1, capabilities.bytes_of(template.circuit.n_qubits))
        self.most = max(1, min(capabilities.batches, fitting))

    def bound(self, inputs: Array, weights: Array) -> Bound:
        """One run a sample, and its seeds those of a forward pass."""
        amplitudes = inputs if self.template.circuit.amplitudes else None
        samples = np.arange(len(inputs))
        table, seeds = self.template.table(inputs, weights), self.seeds(0, len(inputs))
        return Bound(self.template, table, amplitudes, samples, seeds)

    def seeds(self, which: int, rows: int) -> Any:
        """Seeds of the rows of a pass: forward is 0, backward 1, so that their errors are independent."""
        return None if self.execution.seed is None else row_seeds(self.execution.seed, which, rows)

    def run(self, bound: Bound) -> Array:
        """Values `(rows, n_columns)`, a chunk at a time; NaN where an angle is not finite."""
        return self.chunked(bound, lambda part: self.finished.run(part, self.execution))

    def chunked(self, bound: Bound, run: Callable[[Bound], Any]) -> Array:
        """What `run` makes of each chunk, checked, for all rows."""
        values = np.full((len(bound), len(self.template.outputs)), np.nan)
        finite = np.atleast_1d(np.isfinite(bound.angles).all(axis=1))
        if bound.amplitudes is not None:
            finite &= np.isfinite(bound.amplitudes).all(axis=1)
        rows = finite.nonzero()[0]
        for start in range(0, len(rows), self.most):
            chosen = rows[start : start + self.most]
            part = bound[chosen]
            values[chosen] = self.checked(part, partial(run, part))
        return values

    def checked(self, part: Bound, run: Callable[[], Any], *row: int, dtype: Any = np.float64) -> Any:
        """What a call of the sampler returned, or an error that names the sampler and the samples."""
        try:
            values = np.asarray(run(), dtype)
        except UnsupportedError:
            raise
        except Exception as error:
            rows = list(error.rows) if isinstance(error, RowsFailedError) else slice(None)
            kept = " What had finished is kept: run the same batch again to go on from there."
            raise RuntimeError(
                f"{self.label} could not run the circuit for {_named(part.samples[rows])}: "
                f"{type(error).__name__}: {error}{kept * bool(self.finished)}"
            ) from error
        shape = (len(part), *(row or (len(self.template.outputs),)))
        if values.shape != shape:
            raise RuntimeError(
                f"{self.label} must return {' x '.join(map(str, shape[1:]))} values for each of {shape[0]} "
                f"rows, but returned an array of shape {values.shape}, so which value is whose is not known."
            )
        wrong = ~np.isfinite(values).reshape(len(part), -1).all(axis=1)
        if wrong.any():
            raise RuntimeError(
                f"{self.label} returned values that are not finite for {_named(part.samples[wrong])}: "
                f"{values[wrong][0]}."
            )
        return values

    def samples(self, inputs: Array, weights: Array) -> NDArray[np.uint8]:
        """Bits `(batch, shots, n_qubits)`, a chunk at a time.

        Raises:
            ValueError: If an angle is not finite.
        """
        bound = replace(_normalised(self.bound(inputs, weights)), measure="samples")
        given = bound.angles if bound.amplitudes is None else np.hstack([bound.angles, bound.amplitudes])
        wrong = ~np.isfinite(given).all(axis=1)
        if wrong.any():
            raise ValueError(f"x must be finite to be measured, but {_named(bound.samples[wrong])} was not.")
        found = np.empty((len(bound), self.execution.shots or 0, self.template.circuit.n_qubits), np.uint8)
        for start in range(0, len(bound), self.most):
            part = bound[start : start + self.most]
            run = partial(self.sampler.run, part, self.execution)
            found[start : start + self.most] = self.checked(part, run, *found.shape[1:], dtype=np.uint8)
        return found

    def collect(self, by_column: Array, inputs: Array, weights: Array) -> tuple[Array, Array]:
        """Gradients from those by column, `(batch, len(columns))`, by the chain rule."""
        grad_inputs, grad_weights = np.zeros_like(inputs), np.zeros_like(weights)
        for column, gradient in zip(self.columns, by_column.T, strict=False):
            slot = self.template.slots[column]
            if isinstance(slot, InputSlot):
                grad_inputs[:, slot.index] += slot.scale * gradient
            else:
                grad_weights[slot.index] += slot.scale * gradient.sum()
        return grad_inputs, grad_weights


class ParameterShift(Runs):
    """Parameter-shift rules: a few runs for each angle that occurs, on any backend and with shots.

    Amplitudes `c` enter by the quadratic form `h(c) = |c|**2 f(c / |c|)`, which is `f` where they are
    normalised; `(h(c + e_k) - h(c - e_k)) / 2` is its k-th derivative, exactly.
    """

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values; see `Method`."""
        return self.template.mixed(self.run(_normalised(self.bound(inputs, weights))))

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients; see `Method`."""
        n_columns, n_amplitudes = len(self.columns), inputs.shape[1] if self.amplitudes else 0
        # A term for each run: the place of its derivative, its coefficient, and its shift.
        terms = [
            (place, coefficient, shift)
            for place, column in enumerate(self.columns)
            for coefficient, shift in zip(*shift_rule(self.template.frequencies[column]), strict=True)
        ]
        terms += [(n_columns + k, sign / 2, sign) for k in range(n_amplitudes) for sign in (1.0, -1.0)]
        derivatives = np.zeros((len(inputs), n_columns + n_amplitudes))
        if terms:
            place, coefficient, shift = map(np.array, zip(*terms, strict=True))
            by_word = self.template.unmixed(cotangents)
            for samples, which, bound, size in self._jobs(inputs, weights, cotangents, place, shift):
                slopes = coefficient[which] * size * (by_word[samples] * self.run(bound)).sum(axis=1)
                np.add.at(derivatives, (samples, place[which]), slopes)
        gradients = self.collect(derivatives[:, :n_columns], inputs, weights)
        if self.amplitudes:
            gradients[0][:] += derivatives[:, n_columns:]
        return gradients

    def _jobs(
        self, inputs: Array, weights: Array, cotangents: Array, place: Any, shift: Any
    ) -> Iterator[tuple[Any, Any, Bound, Array]]:
        """Chunks of runs: the sample and the term of each, the runs, the squared norms of their states."""
        plain = self.bound(inputs, weights)
        # Samples that the loss does not depend on cost no run.
        rows = np.flatnonzero(cotangents.any(axis=1))
        total, columns = len(rows) * len(place), np.array(self.columns, int)
        seeds = self.seeds(1, total)
        for start in range(0, total, self.most):
            jobs = np.arange(start, min(start + self.most, total))
            samples, which = rows[jobs // len(place)], jobs % len(place)
            bound = plain[samples]
            here = (place[which] < len(columns)).nonzero()[0]
            bound.angles[here, columns[place[which[here]]]] += shift[which[here]]
            if bound.amplitudes is not None:
                there = (place[which] >= len(columns)).nonzero()[0]
                bound.amplitudes[there, place[which[there]] - len(columns)] += shift[which[there]]
            if seeds is not None:
                bound = replace(bound, seeds=seeds[jobs])
            size = np.ones(len(jobs)) if bound.amplitudes is None else _squares(bound.amplitudes)
            size[here] = 1.0
            kept = ~(size <= _NOTHING)
            if kept.any():
                yield samples[kept], which[kept], _normalised(bound[kept]), size[kept]


class Adjoint(Runs):
    """The sampler's own gradient: one vector-Jacobian product for each sample."""

    def forward(self, inputs: Array, weights: Array) -> Array:
        """Values; see `Method`."""
        bound = _normalised(self.bound(inputs, weights))
        self.products: list[tuple[Bound, Callable[[Array], Array]]] = []
        if not self.columns:
            return self.template.mixed(self.run(bound))

        def run(part: Bound) -> Array:
            values, product = self.sampler.vjp(part, self.execution, self.columns)  # type: ignore[attr-defined]
            self.products.append((part, product))
            return values  # type: ignore[no-any-return]

        return self.template.mixed(self.chunked(bound, run))

    def backward(self, inputs: Array, weights: Array, cotangents: Array) -> tuple[Array, Array]:
        """Gradients; see `Method`."""
        # What was not run, since it was not finite, has a gradient that is not a number.
        by_column = np.full((len(inputs), len(self.columns)), np.nan)
        # Devices take cotangents below 1e-8 for zero, which the gradient of a mean may well be.
        size = np.abs(cotangents).max(axis=1, keepdims=True)
        size[size == 0] = 1
        by_word = self.template.unmixed(cotangents / size)
        for part, product in self.products:
            rows = part.samples
            found = self.checked(part, partial(product, by_word[rows]), len(self.columns))
            by_column[rows] = size[rows] * found
        return self.collect(by_column, inputs, weights)


def row_seeds(seed: int | None, which: int, rows: int) -> Any:
    """Seeds of the rows of a pass, uint64 `(rows,)`, as `Runs.seeds` has them; fresh ones for `None`."""
    sequence = np.random.SeedSequence(None if seed is None else [seed, which])
    return sequence.generate_state(rows, np.uint64)


def label_of(sampler: Sampler) -> str:
    """What a sampler is called in messages."""
    return str(getattr(sampler, "label", f"backend {sampler.name!r}"))


def _squares(amplitudes: Array) -> Array:
    squares: Array = np.einsum("ij,ij->i", amplitudes, amplitudes)
    return squares


def _normalised(bound: Bound) -> Bound:
    if bound.amplitudes is not None:
        norm = np.sqrt(_squares(bound.amplitudes))[:, None]
        return replace(bound, amplitudes=bound.amplitudes / norm)
    return bound


def _named(samples: Any) -> str:
    """Samples in words."""
    some = sorted({int(sample) for sample in samples})
    if len(some) == 1:
        return f"sample {some[0]}"
    if some == list(range(some[0], some[-1] + 1)):
        return f"samples {some[0]} to {some[-1]}"
    return "samples " + ", ".join(map(str, some[:8])) + (", ..." if len(some) > 8 else "")
