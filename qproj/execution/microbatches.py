"""Large batches in slices, whose states fit the cache.

Samples do not meet, so a batch may as well be run a slice at a time, by one compiled program for all sizes.
States of a larger batch would leave the cache between a block and the next one; and memory for more than some
32 MB is new at every call, where the kernel's page faults take longer than the arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from qproj.circuits.circuit import Circuit
from qproj.execution import programs
from qproj.execution.programs import Program
from qproj.planning.cost import choose, one_kernel, slice_rows


class Slices:
    """A program that runs a batch in slices; see `Program` for its functions.

    Args:
        program: What runs a slice.
        rows: Samples of a slice; those of a batch are a multiple of it.
    """

    def __init__(self, program: Program, rows: int) -> None:
        self._program, self._rows = program, rows

    def run(self, inputs: Any, weights: Any) -> Any:
        """See `Program.run`."""
        return np.concatenate([np.asarray(self._program.run(x, weights)) for (x,) in self._cut(inputs)])

    def forward(self, inputs: Any, weights: Any) -> tuple[Any, list[Any]]:
        """See `Program.forward`; the residuals are those of each slice."""
        values, kept = [], []
        for (x,) in self._cut(inputs):
            of_slice, residuals = self._program.forward(x, weights)
            values.append(np.asarray(of_slice))
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
        slices = [self._program.backward(r, x, weights, c, needs, last=last) for r, (x, c) in cut]
        by_inputs, by_weights = zip(*slices, strict=True)
        return (
            np.concatenate([np.asarray(g) for g in by_inputs]) if needs[0] else None,
            sum(np.asarray(g) for g in by_weights) if needs[1] else None,
        )

    def _cut(self, *arrays: Any) -> Iterator[tuple[Any, ...]]:
        for begin in range(0, len(arrays[0]), self._rows):
            yield tuple(array[begin : begin + self._rows] for array in arrays)


Runner = Program | Slices


def sliced(program: Program, circuit: Circuit, batch: int, itemsize: int) -> Runner:
    """A program of a circuit, for a batch of NumPy's arrays that may be a large one."""
    rows = slice_rows(circuit, batch, itemsize)
    return program if rows == batch else Slices(program, rows)


def program_for(
    circuit: Circuit,
    batch: int,
    itemsize: int,
    strategy: str = "auto",
    diff_method: str = "best",
    *,
    on_host: bool = True,
) -> tuple[Runner, tuple[str, str]]:
    """What runs a batch; cheap to ask again, since all it is made of is remembered.

    Args:
        circuit: The circuit.
        batch: Samples, a size of `bucket`.
        itemsize: Bytes of a real number: 4 or 8.
        strategy: As for `qproj.QuantumLayer`.
        diff_method: As for `qproj.QuantumLayer`.
        on_host: Whether it is given arrays of NumPy.

    Returns:
        The program, and the names of its strategy and differentiation method.
    """
    names = choose(circuit, batch, itemsize, strategy, diff_method)
    program = programs.program(circuit, *names, one_kernel=one_kernel(circuit, batch, names[1]))
    return sliced(program, circuit, batch, itemsize) if on_host else program, names
