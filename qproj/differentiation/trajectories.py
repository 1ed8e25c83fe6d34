"""Reverse mode through quantum trajectories: each row is a state vector with branches of its own.

Branches are drawn beforehand and come as numbers beside the inputs, so a trajectory is a circuit like any
other, and its derivative is exact. See `qproj.planning.branches` for why the mean has no bias.
"""

from __future__ import annotations

import jax.numpy as jnp
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.differentiation.chain import Gradients
from qproj.differentiation.density import Chained, Walked
from qproj.planning.branches import trajectory_plan
from qproj.simulation import blocks as walks
from qproj.simulation.outcomes import readout


class Trajectories(Walked):
    """Forward and backward of trajectories of a noisy circuit.

    Inputs are `(batch, n_features + n_channels)`: after the features, which branch each of `circuit.channels`
    takes.

    Args:
        circuit: The circuit, with channels.
    """

    def __init__(self, circuit: Circuit) -> None:
        self._plan = trajectory_plan(circuit)
        self._measurement = readout(circuit)
        # States of all blocks and rows would be many times those that fit.
        super().__init__(circuit, self._plan.blocks, keeps_states=False)

    def _start(self, x: Array, w: Array) -> tuple[Array, Chained]:
        size = 2**self._circuit.n_qubits
        zero = jnp.zeros((size, x.shape[1]), w.dtype).at[0].set(1)
        real = x[:size] if self._circuit.amplitudes else zero

        def chained(gradients: Gradients, bra: Array) -> Gradients:
            by_x, by_w = gradients
            return (by_x.at[:size].add(bra[:size]) if self._circuit.amplitudes else by_x), by_w

        return jnp.concatenate([real, jnp.zeros_like(real)]), chained

    def _measure(self, state: Array) -> Array:
        return self._measurement.expectations(self._ordered(state))

    def _bra(self, state: Array, cotangents: Array) -> Array:
        bra = 2 * self._measurement.bra(self._ordered(state), cotangents)
        back = self._plan.back
        return walks.gathered(bra.reshape(state.shape), jnp.asarray(back.high), jnp.asarray(back.low))

    def _ordered(self, state: Array) -> Array:
        """The state with its wires in order, `(2, 2**n_qubits, batch)`."""
        forth = self._plan.forth
        ordered = walks.gathered(state, jnp.asarray(forth.high), jnp.asarray(forth.low))
        return ordered.reshape(2, -1, state.shape[1])
