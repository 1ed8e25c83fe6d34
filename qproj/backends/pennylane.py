"""Any PennyLane device as a backend.

Exact simulators only make sense here as a check or for hardware access: they loop over the batch or build
a graph of many small operations, where the package's own engine runs one compiled program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import metadata
from typing import Any

import torch

from qproj.backends import OWN
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot, WeightSlot
from qproj.circuits.observables import PauliWord
from qproj.registry import unknown_name


class PennyLaneBackend:
    """Runs circuits on a PennyLane device.

    Devices compute in double precision; results are cast to the dtype of the inputs.

    Args:
        name: Name of the device.

    Raises:
        ImportError: If PennyLane is not installed.
        ValueError: If PennyLane has no such device.
    """

    diff_methods = ("adjoint",)

    def __init__(self, name: str) -> None:
        self.name = name
        self._device(1)  # an unknown name shows here, not in the middle of training

    def run(
        self, circuit: Circuit, diff_method: str, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`."""
        qnode = self._qnode(circuit, diff_method)
        values = qnode(inputs.double(), weights.double().flatten())
        rows = [value.reshape(-1).expand(len(inputs)) for value in values]
        return torch.stack(rows, dim=-1).to(inputs)

    def _device(self, n_qubits: int) -> Any:
        try:
            import pennylane as qml
        except ImportError as error:
            raise ImportError(
                f"backend {self.name!r} is not one of qproj's own ({', '.join(map(repr, OWN))}), so it must "
                "be a PennyLane device, but PennyLane is not installed. Install it with "
                "pip install 'qproj[pennylane]', or choose an own backend."
            ) from error
        try:
            return qml.device(self.name, wires=n_qubits)
        except qml.exceptions.DeviceError as error:
            devices = {entry.name for entry in metadata.entry_points(group="pennylane.plugins")}
            raise unknown_name("backend", self.name, {*OWN, *devices}, f" PennyLane says: {error}") from error

    # One QNode a circuit; bounded, since each holds a device.
    @functools.lru_cache(maxsize=32)  # noqa: B019 (backends live as long as the process)
    def _qnode(self, circuit: Circuit, diff_method: str) -> Callable[..., Any]:
        import pennylane as qml

        def measure(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
            for gate in circuit.gates:
                _apply(qml, gate, inputs, weights)
            return [qml.expval(_operator(qml, word)) for word in circuit.words]

        qnode: Callable[..., Any] = qml.QNode(
            measure, self._device(circuit.n_qubits), interface="torch", **self._options(diff_method)
        )
        return qnode

    def _options(self, diff_method: str) -> dict[str, Any]:
        """PennyLane's words for a differentiation method, on this device."""
        if self.name.startswith("lightning."):
            # One vector-Jacobian product instead of a Jacobian row for each output.
            return {"diff_method": diff_method, "device_vjp": True}
        if self.name == "default.qubit":
            # Its own adjoint does not take batches; backpropagation gives the same exact gradients.
            return {"diff_method": "backprop"}
        return {"diff_method": "best"}


@functools.cache
def load(name: str) -> PennyLaneBackend:
    """Return the backend for a device, the same one each time."""
    return PennyLaneBackend(name)


def _apply(qml: Any, gate: Gate, inputs: torch.Tensor, weights: torch.Tensor) -> None:
    operation = getattr(qml, gate.name)
    match gate.parameter:
        case None:
            operation(wires=gate.wires)
        case Constant(value):
            operation(value, wires=gate.wires)
        case InputSlot(index, scale):
            operation(scale * inputs[:, index], wires=gate.wires)
        case WeightSlot(index, scale):
            operation(scale * weights[index], wires=gate.wires)


def _operator(qml: Any, word: PauliWord) -> Any:
    factors = [getattr(qml, f"Pauli{p}")(w) for p, w in zip(word.letters, word.wires, strict=True)]
    product = factors[0] if len(factors) == 1 else qml.prod(*factors)
    return product if word.coefficient == 1.0 else word.coefficient * product
