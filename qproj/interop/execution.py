"""Circuits on NumPy arrays: expectation values, vector-Jacobian products, final states. JAX, without torch.

Programs are compiled once for a circuit, a precision and a size of batch, to few of which batches are padded.
Precision is that of the weights, set for the calling thread and for the call alone.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from qproj.circuits.circuit import Circuit
from qproj.execution import programs
from qproj.execution.cache import cached_by_circuit
from qproj.execution.microbatches import Runner, in_microbatches, program_for
from qproj.execution.padding import bucket, padded
from qproj.execution.settings import running
from qproj.execution.states import FromStates, block_of, final_states
from qproj.planning.cost import choose

Floats = NDArray[np.floating[Any]]
Residuals = Any


def states(circuit: Circuit, inputs: Floats, weights: Floats) -> NDArray[np.complexfloating[Any, Any]]:
    """Final states; see `qproj.execution.states.final_states`."""
    with precision(weights):
        return np.asarray(final_states(circuit, _padded(inputs), weights))[: len(inputs)]


def expectations(circuit: Circuit, inputs: Floats, weights: Floats) -> Floats:
    """Expectation values.

    Args:
        circuit: The circuit.
        inputs: `(batch, n_features)`, or states to start from as `FromStates` has them.
        weights: `circuit.weight_shape`, same dtype.

    Returns:
        `(batch, n_outputs)`.
    """
    with precision(weights):
        return np.asarray(_program(circuit, inputs).run(_padded(inputs), weights))[: len(inputs)]


def forward(circuit: Circuit, inputs: Floats, weights: Floats) -> tuple[Floats, Residuals]:
    """Expectation values, as from `expectations`, and what `backward` takes."""
    with precision(weights):
        values, residuals = _program(circuit, inputs).forward(_padded(inputs), weights)
        return np.asarray(values)[: len(inputs)], residuals


def backward(
    circuit: Circuit, residuals: Residuals, inputs: Floats, weights: Floats, cotangents: Floats
) -> tuple[Floats, Floats]:
    """One vector-Jacobian product.

    Args:
        circuit: As given to `forward`.
        residuals: What `forward` returned.
        inputs: As given to `forward`.
        weights: As given to `forward`.
        cotangents: `(batch, n_outputs)`.

    Returns:
        Gradients for the inputs, `(batch, n_features)`, and for the weights, summed over the batch.
    """
    with precision(weights):
        by_inputs, by_weights = _program(circuit, inputs).backward(
            residuals, _padded(inputs), weights, _padded(cotangents.astype(weights.dtype))
        )
        return np.asarray(by_inputs)[: len(inputs)], np.asarray(by_weights)


def _program(circuit: Circuit, inputs: Floats) -> Runner:
    rows, itemsize = bucket(len(inputs)), inputs.dtype.itemsize
    if circuit.amplitudes:
        strategy, _ = choose(circuit, rows, itemsize, "auto", "best")
        return in_microbatches(_from_states(circuit, block_of(strategy)), circuit, rows, itemsize)
    return program_for(circuit, rows, itemsize)[0]


@cached_by_circuit
def _from_states(circuit: Circuit, block: int) -> programs.Program:
    return programs.Program(FromStates(circuit, block))


@contextlib.contextmanager
def precision(like: Floats) -> Iterator[None]:
    """Compute with an array's precision, and at once, even where the caller is being traced by `jax.jit`."""
    with jax.ensure_compile_time_eval(), running(double=like.dtype == np.float64):
        yield


def _padded(rows: Floats) -> Floats:
    filled: Floats = padded(rows, np)
    return filled
