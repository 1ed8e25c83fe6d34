"""Any PennyLane device as a backend.

Exact simulators only make sense here as a check or for hardware access: they loop over the batch or build
a graph of many small operations, where the package's own engine runs one compiled program.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from importlib import metadata
from typing import Any

import numpy as np
import torch

from qproj.autograd import first_order
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
        self,
        circuit: Circuit,
        diff_method: str,  # noqa: ARG002 (one method so far)
        inputs: torch.Tensor,
        weights: torch.Tensor,
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`."""
        if self.name.startswith("lightning."):
            # The qnode's torch interface would round double precision results to single.
            values: torch.Tensor = _DeviceRun.apply(  # type: ignore[no-untyped-call]
                inputs, weights, circuit, self._device(circuit.n_qubits)
            )
            return values
        qnode = self._qnode(circuit)
        values = qnode(inputs.double(), weights.double().flatten())
        rows = [value.reshape(-1).expand(len(inputs)) for value in values]
        return torch.stack(rows, dim=-1).to(inputs)

    # Few and small: a device is made once for each number of qubits.
    @functools.lru_cache(maxsize=32)  # noqa: B019 (backends live as long as the process)
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

    # One QNode a circuit; bounded, since circuits come and go.
    @functools.lru_cache(maxsize=32)  # noqa: B019 (backends live as long as the process)
    def _qnode(self, circuit: Circuit) -> Callable[..., Any]:
        import pennylane as qml

        def measure(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
            for gate in circuit.gates:
                _operation(gate, inputs, weights)
            return [qml.expval(_operator(word)) for word in circuit.words]

        # The adjoint method of default.qubit does not take batches; backpropagation gives the same gradients.
        method = "backprop" if self.name == "default.qubit" else "best"
        device = self._device(circuit.n_qubits)
        qnode: Callable[..., Any] = qml.QNode(measure, device, interface="torch", diff_method=method)
        return qnode


class _DeviceRun(torch.autograd.Function):
    """A circuit by a device's own adjoint method: one vector-Jacobian product, in double precision."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, circuit: Circuit, device: Any
    ) -> torch.Tensor:
        from pennylane.devices import ExecutionConfig

        ctx.save_for_backward(inputs, weights)
        ctx.circuit, ctx.device = circuit, device
        ctx.config = device.setup_execution_config(
            ExecutionConfig(
                gradient_method="adjoint", use_device_gradient=True, use_device_jacobian_product=True
            )
        )
        values = device.execute(_tapes(ctx, inputs, weights), ctx.config)
        return torch.tensor(values, dtype=torch.float64).reshape(len(inputs), -1).to(inputs)

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        rows = cotangents.tolist()
        # A device expects a bare number, not a tuple of one, for a circuit with one observable.
        rows = [tuple(row) if len(row) > 1 else row[0] for row in rows]
        products = ctx.device.compute_vjp(_tapes(ctx, inputs, weights), rows, ctx.config)
        trainable = [p for gate in ctx.circuit.gates if (p := gate.parameter) and not isinstance(p, Constant)]
        grad_inputs, grad_weights = torch.zeros_like(inputs), torch.zeros_like(weights).flatten()
        by_angle = torch.tensor(np.array(products)).reshape(len(inputs), len(trainable)).to(inputs)
        for column, parameter in enumerate(trainable):
            gradient = parameter.scale * by_angle[:, column]
            if isinstance(parameter, InputSlot):
                grad_inputs[:, parameter.index] += gradient
            else:
                grad_weights[parameter.index] += gradient.sum()
        sources = (cotangents, inputs, weights)
        grad_weights = grad_weights.reshape(weights.shape)
        return first_order(grad_inputs, *sources), first_order(grad_weights, *sources), None, None


def _tapes(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor) -> Any:
    """One PennyLane script a sample, with plain numbers as parameters, made ready for the device."""
    import pennylane as qml
    from pennylane.tape import QuantumScript

    angles, flat = inputs.detach().double().cpu().numpy(), weights.detach().double().cpu().numpy().ravel()
    measurements = [qml.expval(_operator(word)) for word in ctx.circuit.words]
    parameters = [gate.parameter for gate in ctx.circuit.gates if gate.parameter is not None]
    trainable = [i for i, p in enumerate(parameters) if not isinstance(p, Constant)]
    scripts = [
        QuantumScript(
            [_operation(gate, row, flat) for gate in ctx.circuit.gates],
            measurements,
            trainable_params=trainable,
        )
        for row in angles
    ]
    return ctx.device.preprocess_transforms(ctx.config)(scripts)[0]


@functools.cache
def load(name: str) -> PennyLaneBackend:
    """Return the backend for a device, the same one each time."""
    return PennyLaneBackend(name)


def _operation(gate: Gate, inputs: Any, weights: Any) -> Any:
    """A gate as a PennyLane operation; `inputs` `(..., n_inputs)` and `weights` flattened."""
    import pennylane as qml

    operation = getattr(qml, gate.name)
    match gate.parameter:
        case Constant(value):
            return operation(value, wires=gate.wires)
        case InputSlot(index, scale):
            return operation(scale * inputs[..., index], wires=gate.wires)
        case WeightSlot(index, scale):
            return operation(scale * weights[index], wires=gate.wires)
        case _:
            return operation(wires=gate.wires)


def _operator(word: PauliWord) -> Any:
    import pennylane as qml

    factors = [getattr(qml, f"Pauli{p}")(w) for p, w in zip(word.letters, word.wires, strict=True)]
    product = factors[0] if len(factors) == 1 else qml.prod(*factors)
    return product if word.coefficient == 1.0 else word.coefficient * product
