"""The package's own engine: jitted JAX, batched, with three differentiation methods."""

from __future__ import annotations

import functools
import importlib
from types import ModuleType

import torch

from qproj.backends.capabilities import refuse_extras
from qproj.circuits.circuit import Circuit
from qproj.planning.cost import check_memory, choose
from qproj.planning.execution import Execution


class JaxBackend:
    """Runs circuits on the engine in `qproj.simulation`."""

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """See `qproj.backends.Backend`; does not load JAX."""
        check_memory(circuit.n_qubits)  # first: planning takes memory of its own
        choose(circuit, 1, 4, execution.strategy, execution.diff_method)
        refuse_extras("backend 'jax'", execution)
        if execution.shots is not None:
            raise ValueError(
                f"shots must be None with backend 'jax', which is exact, but was {execution.shots!r}. "
                "Choose a PennyLane device, for example backend='default.qubit'."
            )

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


def load(name: str) -> JaxBackend:  # noqa: ARG001 (the signature all backend modules share)
    """Return the backend."""
    return _BACKEND
