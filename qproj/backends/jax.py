"""The package's own engine: jitted JAX, batched, exact or with shots, with four differentiation methods."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

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
    """Each sample as several rows, with branches drawn by generators of the sample's own."""
    n, each = len(inputs), trajectories(circuit, execution)
    drawn = torch.from_numpy(draw(circuit, row_seeds(execution.seed, 0, n), each)).to(inputs)
    rows = torch.cat([inputs.repeat_interleave(each, dim=0), drawn.reshape(n * each, -1)], dim=1)
    values: torch.Tensor = _bridge().run(circuit, "backprop", "trajectories", rows, weights)
    return values.reshape(n, each, -1).mean(dim=1)


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
