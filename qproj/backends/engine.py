"""The package's own engine as a sampler: measurements of its states, and gradients by shifts."""

from __future__ import annotations

import functools
import importlib
from dataclasses import replace
from typing import Any

import numpy as np

from qproj.backends.capabilities import Capabilities
from qproj.backends.sampler import Bound, Template
from qproj.backends.shifts import row_seeds
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate, InputSlot, WeightSlot
from qproj.circuits.parameters import count
from qproj.memory import check_memory
from qproj.planning.branches import draw
from qproj.planning.cost import choose
from qproj.planning.execution import Execution
from qproj.planning.noisy import TRAJECTORIES


class EngineSampler:
    """Runs all rows of a call in one compiled program; see `qproj.backends.sampler.Sampler`.

    Args:
        capabilities: What the engine can do.
    """

    name = "jax"
    reads = True

    def __init__(self, capabilities: Capabilities) -> None:
        self.capabilities = capabilities

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise where the engine has no plan for a circuit, its noise in it; does not load JAX."""
        check_memory(circuit.n_qubits)  # first: planning takes memory of its own
        strategy, _ = choose(circuit, 1, 4, execution.strategy, execution.diff_method)
        if "trajectories" in execution.extra:
            count("trajectories of backend_options", execution.extra["trajectories"])
            if strategy != "trajectories":
                raise ValueError(
                    "backend_options must not hold 'trajectories' unless strategy='trajectories' or noise on "
                    "many qubits is asked for, but did."
                )

    def run(self, bound: Bound, execution: Execution) -> Any:
        """See `qproj.backends.sampler.Sampler`."""
        shots = importlib.import_module("qproj.execution.shots")  # loads JAX
        circuit, by_inputs, by_weights = _with_columns(bound.template)
        inputs = (bound.angles[:, by_inputs] if bound.amplitudes is None else bound.amplitudes)[:, None]
        weights = bound.angles[:, by_weights]
        # In a forward pass all rows have the same ones, and share the matrices that are made of them.
        apart = bool((weights != weights[0]).any())
        seeds = row_seeds(None, 0, len(bound)) if bound.seeds is None else bound.seeds
        if each := trajectories(circuit, execution):
            drawn = draw(circuit, map(int, seeds), each)
            inputs = np.concatenate([np.repeat(inputs, each, axis=1), drawn], axis=2)
        noise, n = execution.noise, circuit.n_qubits
        readout = () if noise is None or not noise.readout else tuple(noise.confusions(n))
        samples = bound.measure == "samples"
        measured = shots.Measured(circuit, execution.shots, samples, execution.strategy, apart, readout)
        return shots.measure(measured, inputs, weights if apart else weights[0], seeds)


def trajectories(circuit: Circuit, execution: Execution) -> int:
    """Random circuits for each row of a circuit with noise, or 0 where it is run in another way."""
    if choose(circuit, 1, 4, execution.strategy, execution.diff_method)[0] != "trajectories":
        return 0
    return int(execution.extra.get("trajectories", TRAJECTORIES))


@functools.lru_cache(maxsize=256)
def _with_columns(template: Template) -> tuple[Circuit, list[int], list[int]]:
    """A circuit whose inputs, and whose weights, are columns of the table of angles; and which they are."""
    gates: list[Gate] = []
    by_inputs: list[int] = []
    by_weights: list[int] = []
    for gate, column in zip(template.gates, template.columns, strict=True):
        if column is None:
            gates.append(gate)
        elif isinstance(template.slots[column], InputSlot):
            gates.append(replace(gate, parameter=InputSlot(len(by_inputs))))
            by_inputs.append(column)
        else:
            gates.append(replace(gate, parameter=WeightSlot(len(by_weights))))
            by_weights.append(column)
    return template.circuit.with_gates(gates), by_inputs, by_weights
