"""The package's own engine: jitted JAX, batched, with four differentiation methods."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch

from qproj.backends import Backend
from qproj.backends.capabilities import Capabilities
from qproj.backends.checks import check
from qproj.circuits.circuit import Circuit
from qproj.planning.cost import DIFF_METHODS, STRATEGIES, check_memory, choose
from qproj.planning.execution import Execution
from qproj.registry import unknown_name

NAMES = {"": Capabilities(diff_methods=DIFF_METHODS, strategies=STRATEGIES)}


class JaxBackend(Backend):
    """Runs circuits on the engine in `qproj.execution`."""

    name = "jax"
    capabilities = NAMES[""]

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """See `qproj.backends.Backend`; does not load JAX."""
        check_memory(circuit.n_qubits)  # first: planning takes memory of its own
        choose(circuit, 1, 4, execution.strategy, execution.diff_method)
        check("backend 'jax'", self.capabilities, circuit, execution)

    def run(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`."""
        if not execution.is_plain:
            self.check(circuit, execution)
        how = execution.diff_method, execution.strategy
        values: torch.Tensor = _bridge().run(circuit, *how, inputs, weights)
        return values


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
