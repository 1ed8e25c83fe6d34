"""Circuits measured a finite number of times, on NumPy arrays in double precision. JAX, without torch."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from numpy.typing import NDArray

from qproj.circuits.circuit import Circuit
from qproj.circuits.grouping import groups
from qproj.circuits.measurements import Probs
from qproj.execution import sampling
from qproj.execution.padding import bucket, padded
from qproj.execution.settings import running
from qproj.execution.transforms import Expectation, compiled
from qproj.noise.readout import Readout, read_probabilities

# Outcomes that are in memory at a time.
_CHUNK = 1 << 23


@dataclass(frozen=True)
class Measured:
    """`(inputs, weights, keys) -> (values,)`: states once, their probabilities in each basis, and draws.

    A function of arrays, as `qproj.execution.transforms.Function` describes it.

    Attributes:
        circuit: The circuit.
        shots: Measurements of each row.
        samples: Whether the bits are wanted, and not estimates of the circuit's terms.
        strategy: As for `qproj.QuantumLayer`.
        apart: Whether each row has weights of its own.
        readout: The readout error of each wire, or none.
    """

    circuit: Circuit
    shots: int
    samples: bool = False
    strategy: str = "auto"
    apart: bool = False
    readout: tuple[Readout, ...] = ()

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """See `qproj.execution.transforms.Function`."""
        inputs, weights, keys = arrays
        wires, terms = tuple(range(self.circuit.n_qubits)), self.circuit.terms
        found = () if self.samples else groups(self.circuit)
        whole = [Probs(wires, one.basis) if one.basis else terms[one.members[0]] for one in found]
        of_all = self.circuit.measuring(whole or "probs")
        run = Expectation(of_all, self.strategy, "best")
        if self.apart:
            (values,) = jax.vmap(run)(inputs, weights)
        else:
            rows = inputs.shape[0] * inputs.shape[1]  # not -1: there may be no inputs
            (values,) = run(inputs.reshape(rows, inputs.shape[-1]), weights)
        means = values.reshape(*inputs.shape[:2], -1).mean(axis=1)
        means = jnp.maximum(means, 0)  # those of density matrices may be below by rounding
        ends = np.cumsum([one.width for one in of_all.observables])
        # With readout errors there are no fidelities.
        each = [read_probabilities(part, self.readout, jnp) for part in jnp.split(means, ends[:-1], axis=1)]
        if self.samples:
            return (sampling.bits(sampling.outcomes(each[0], keys, self.shots), len(wires)),)
        return (sampling.estimates(self.circuit, each, keys, self.shots),)

    def plain(self) -> Measured:
        """See `qproj.execution.transforms.Function`."""
        return self


def measure(function: Measured, inputs: Any, weights: Any, seeds: NDArray[np.uint64]) -> NDArray[Any]:
    """Measure a batch.

    Args:
        function: What is measured.
        inputs: `(rows, n, n_features)`, float64, as `qproj.backends.Backend.run` has them; `n` is 1, or the
            number of trajectories, and then the branches they take are behind the features.
        weights: `circuit.weight_shape`; where the function has `apart`, `(rows, *circuit.weight_shape)`.
        seeds: `(rows,)`, of each row's generator.

    Returns:
        Estimates `(rows, n_columns)` as `qproj.execution.sampling.estimates` has them, or bits
        `(rows, shots, n_qubits)`.
    """
    keys, found = sampling.keys_of(seeds), []
    size, n = 1, inputs.shape[1]
    if function.circuit.channels:  # of trajectories, or of a density matrix
        size = n * 2**function.circuit.n_qubits if n > 1 else 4**function.circuit.n_qubits
    most = max(1, _CHUNK // max(function.shots, size))
    most = most if bucket(most) == most else bucket(most) // 2
    with running(double=True):
        for start in range(0, len(inputs), most):
            rows = slice(start, start + most)
            x, each = inputs[rows], padded(weights[rows], np) if function.apart else weights
            (values,) = compiled(function)(padded(x, np), each, padded(keys[rows], np))
            found.append(np.asarray(values)[: len(x)])
    return np.concatenate(found)
