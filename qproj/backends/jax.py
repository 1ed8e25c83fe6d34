"""The package's own engine: jitted JAX, batched, exact or with shots, with four differentiation methods."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import numpy as np
import torch

from qproj.backends import Backend
from qproj.backends.capabilities import MEASURES, Capabilities
from qproj.backends.checks import check
from qproj.backends.engine import EngineSampler, trajectories
from qproj.backends.sampled import SampledBackend
from qproj.backends.shifts import row_seeds
from qproj.circuits.circuit import Circuit
from qproj.planning.branches import draw
from qproj.planning.execution import Execution, with_noise
from qproj.planning.strategies import DIFF_METHODS, NOISY_STRATEGIES, STRATEGIES
from qproj.registry import unknown_name

NAMES = {
    "": Capabilities(
        shots=True,
        shots_per="group",
        noise=True,
        seed=True,
        diff_methods=DIFF_METHODS,
        strategies=(*STRATEGIES, *NOISY_STRATEGIES),
        options=frozenset({"trajectories"}),
        measures=frozenset(MEASURES),
        holds="states",
    )
}
_ENGINE = EngineSampler(NAMES[""])
_MEASURED = SampledBackend(_ENGINE)


class JaxBackend(Backend):
    """Runs circuits on the engine in `qproj.execution`."""

    name = "jax"
    capabilities = NAMES[""]

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """See `qproj.backends.Backend`; does not load JAX."""
        check("backend 'jax'", self.capabilities, circuit, execution)
        _ENGINE.check(with_noise(circuit, execution), execution)

    def run(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`."""
        if not execution.is_plain or circuit.channels:
            if execution.shots is not None:  # checks for itself, and puts the noise into the circuit
                return _MEASURED.run(circuit, execution, inputs, weights)
            self.check(circuit, execution)
            circuit = with_noise(circuit, execution)
            if trajectories(circuit, execution):
                return _mean_of_trajectories(circuit, execution, inputs, weights)
        how = execution.diff_method, execution.strategy
        values: torch.Tensor = _bridge().run(circuit, *how, inputs, weights)
        return values

    def sample(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Measure every wire; see `qproj.backends.Backend`."""
        return _MEASURED.sample(circuit, execution, inputs, weights)


def _mean_of_trajectories(
    circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Each sample as several rows, with branches drawn by generators of the sample's own.

    Rows of a sample that drew the same, as most do where noise is weak, are run once and counted.
    """
    n, each = len(inputs), trajectories(circuit, execution)
    drawn = draw(circuit, row_seeds(execution.seed, 0, n), each)
    numbered = np.concatenate([np.repeat(np.arange(n), each)[:, None], drawn.reshape(n * each, -1)], axis=1)
    found, counts = np.unique(numbered, axis=0, return_counts=True)
    sample = torch.from_numpy(found[:, 0].astype(np.int64)).to(inputs.device)
    rows = torch.cat([inputs[sample], torch.from_numpy(found[:, 1:]).to(inputs)], dim=1)
    values: torch.Tensor = _bridge().run(circuit, "backprop", "trajectories", rows, weights)
    shares = torch.from_numpy(counts / each).to(values)[:, None]
    return values.new_zeros(n, values.shape[1]).index_add(0, sample, shares * values)


@functools.cache
def _bridge() -> ModuleType:
    """Loads JAX, when a circuit is run for the first time."""
    return importlib.import_module("qproj.bridge")


_BACKEND = JaxBackend()


def load(name: str) -> JaxBackend:
    """Return the backend; its family has one, without a name of its own."""
    if name:
        raise unknown_name("backend", f"jax:{name}", ["jax"])
    return _BACKEND
