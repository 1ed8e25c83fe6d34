"""Micro-batches: large batches run in parts whose states fit the cache.

Samples are independent, so one compiled program runs every micro-batch, whatever the size of the batch. The
states of a larger batch would leave the cache between two blocks. Allocations above some 32 MB are also new
memory at every call, and its page faults take longer than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.execution import programs
from qproj.execution.programs import Program
from qproj.planning.cost import choose, microbatch_size, one_kernel
from qproj.planning.noisy import noisy_kernel, noisy_microbatch
from qproj.planning.strategies import NOISY_STRATEGIES


class MicroBatches:
    """A program that runs a batch in micro-batches; see `Program` for its functions.

    Args:
        program: Runs one micro-batch.
        rows: Samples of a micro-batch; batch sizes are a multiple of it.
    """

    def __init__(self, program: Program, rows: int) -> None:
        self._program, self._rows = program, rows

    def run(self, inputs: Any, weights: Any) -> Any:
        """See `Program.run`."""
        return np.concatenate([np.asarray(self._program.run(x, weights)) for (x,) in self._cut(inputs)])

    def forward(self, inputs: Any, weights: Any) -> tuple[Any, list[Any]]:
        """See `Program.forward`; the residuals are a list, one entry per micro-batch."""
        values, kept = [], []
        for (x,) in self._cut(inputs):
            part, residuals = self._program.forward(x, weights)
            values.append(np.asarray(part))
            kept.append(residuals)
        return np.concatenate(values), kept

    def backward(
        self,
        residuals: list[Any],
        inputs: Any,
        weights: Any,
        cotangents: Any,
        needs: tuple[bool, bool] = (True, True),
        *,
        last: bool = False,
    ) -> tuple[Any, Any]:
        """See `Program.backward`."""
        cut = zip(residuals, self._cut(inputs, cotangents), strict=True)
        results = [self._program.backward(r, x, weights, c, needs, last=last) for r, (x, c) in cut]
        by_inputs, by_weights = zip(*results, strict=True)
        return (
            np.concatenate([np.asarray(g) for g in by_inputs]) if needs[0] else None,
            sum(np.asarray(g) for g in by_weights) if needs[1] else None,
        )

    def _cut(self, *arrays: Any) -> Iterator[tuple[Any, ...]]:
        for begin in range(0, len(arrays[0]), self._rows):
            yield tuple(array[begin : begin + self._rows] for array in arrays)


Runner = Program | MicroBatches


def in_microbatches(
    program: Program, circuit: Circuit, batch: int, itemsize: int, strategy: str = "auto"
) -> Runner:
    """The program itself, or in micro-batches if the batch is large."""
    if strategy in NOISY_STRATEGIES:
        rows = noisy_microbatch(circuit, batch, itemsize, strategy)
    else:
        rows = microbatch_size(circuit, batch, itemsize)
    return program if rows == batch else MicroBatches(program, rows)


def program_for(
    circuit: Circuit,
    batch: int,
    itemsize: int,
    strategy: str = "auto",
    diff_method: str = "best",
    *,
    on_cpu: bool = True,
) -> tuple[Runner, tuple[str, str]]:
    """Choose the program for a batch; what it is made of is cached.

    Args:
        circuit: The circuit.
        batch: Samples, a size of `bucket`.
        itemsize: Bytes of a real number: 4 or 8.
        strategy: As for `qproj.QuantumLayer`.
        diff_method: As for `qproj.QuantumLayer`.
        on_cpu: Whether inputs are NumPy arrays.

    Returns:
        The program, and the names of its strategy and differentiation method.
    """
    names = choose(circuit, batch, itemsize, strategy, diff_method)
    if names[0] in NOISY_STRATEGIES:
        small = names == ("density-matrix", "backprop") and noisy_kernel(circuit, batch)
    else:
        small = one_kernel(circuit, batch, names[1])
    program = programs.program(circuit, *names, one_kernel=small)
    return in_microbatches(program, circuit, batch, itemsize, names[0]) if on_cpu else program, names
