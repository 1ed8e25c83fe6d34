"""Any PennyLane device as a backend.

Exact simulators only make sense here as a check; hardware and samplers is what this file is for. They loop
over the batch or build a graph of many small operations, where the package's own engine runs one compiled
program.
"""

from __future__ import annotations

import functools
import sys
from importlib import metadata
from typing import Any

import torch

from qproj.backends import OWN
from qproj.backends.capabilities import refuse_extras
from qproj.backends.pennylane_gradients import run_tapes
from qproj.backends.pennylane_tapes import (
    Adjoint,
    ParameterShift,
    Tapes,
    angle,
    device_says,
    measurements,
    mixing,
    operation,
    wire_labels,
)
from qproj.circuits.circuit import Circuit
from qproj.memory import physical_memory, written
from qproj.planning import cost
from qproj.planning.execution import Execution
from qproj.registry import unknown_name

DIFF_METHODS = ("best", *cost.DIFF_METHODS)

# These say that they support backpropagation, but squares of square roots of probabilities are what they
# differentiate, and where a basis state has probability 0 that gives NaN (PennyLane 0.45).
_BACKPROP_FAILS = {"default.mixed"}

# These hold 4^n numbers for n qubits, where a state vector has 2^n.
DENSITY_MATRIX = {"default.mixed"}


class PennyLaneBackend:
    """Runs circuits on a PennyLane device.

    Devices compute in double precision, unless they were made otherwise; results are cast to the dtype of the
    inputs.

    Args:
        device: Name of a device, which is then made for each number of qubits, or the device itself.

    Raises:
        ImportError: If PennyLane is not installed, or the device lacks a package.
        ValueError: If PennyLane has no such device.
    """

    def __init__(self, device: Any) -> None:
        self._given = None if isinstance(device, str) else device
        self.name = device if isinstance(device, str) else device.name
        self._made: dict[int, Any] = {}
        self._device(1)  # an unknown name shows here, not in the middle of training

    def check(self, circuit: Circuit, execution: Execution) -> None:
        """Raise ValueError where the device cannot run the circuit in this way; see `Backend`.

        Raises:
            TypeError: If `shots` is neither an int nor `None`.
        """
        self._plan(circuit, execution, amplitudes_need_gradient=circuit.amplitudes)

    def run(
        self, circuit: Circuit, execution: Execution, inputs: torch.Tensor, weights: torch.Tensor
    ) -> torch.Tensor:
        """Run a circuit; see `qproj.backends.Backend`.

        Amplitudes get the gradient of the quadratic form that the values are, not of their normalisation.

        Raises:
            RuntimeError: If the device cannot run the circuit, with what it said; or under a transformation
                of torch's, which no method but `"backprop"` has here.
            ValueError: As `check`, and for `"adjoint"` where amplitudes require a gradient.
        """
        needs = (
            torch.is_grad_enabled() and inputs.requires_grad,
            torch.is_grad_enabled() and weights.requires_grad,
        )
        prepare_gradient = circuit.amplitudes and needs[0]
        device, shots, method = self._plan(circuit, execution, amplitudes_need_gradient=prepare_gradient)
        if method == "backprop":
            return _backprop(circuit, device, inputs, weights)
        if method == "adjoint" and prepare_gradient:
            raise ValueError(
                "diff_method must be 'parameter-shift' where the inputs are amplitudes that require a "
                "gradient, but was 'adjoint', which has none for them. Or run the layer with backend='jax'."
            )
        tapes = Tapes(circuit, device, shots)
        runner = Adjoint(tapes, needs) if method == "adjoint" else ParameterShift(tapes, needs)
        return run_tapes(runner, inputs, weights)

    def _plan(
        self, circuit: Circuit, execution: Execution, *, amplitudes_need_gradient: bool
    ) -> tuple[Any, int | None, str]:
        """The device, the shots and the differentiation method of a run, or an error."""
        method = execution.diff_method
        refuse_extras(f"PennyLane device {self.name!r}", execution)
        if method not in DIFF_METHODS:
            raise unknown_name("diff_method", method, DIFF_METHODS)
        if execution.strategy != "auto":
            raise ValueError(
                f"strategy must be 'auto' on PennyLane device {self.name!r}, but was {execution.strategy!r}: "
                "strategy is for backend 'jax'."
            )
        if self.name in DENSITY_MATRIX:
            check_memory(self.name, circuit.n_qubits)
        device = self._device(circuit.n_qubits)
        if device.wires is not None and len(device.wires) < circuit.n_qubits:
            raise ValueError(
                f"backend must be a device of at least {circuit.n_qubits} wires, as many as the circuit has "
                f"qubits, but {self.name!r} has {len(device.wires)}. Make it with wires={circuit.n_qubits}."
            )
        shots = _shots(execution.shots, device)
        works = {"parameter-shift"} if shots else _supported(device)
        if method == "best":
            # Backpropagation takes the whole batch at once, where both are to be had on default.qubit.
            order = ["backprop", "adjoint", "parameter-shift"]
            if amplitudes_need_gradient:
                order.remove("adjoint")
            method = next(name for name in order if name in works)
        elif method not in works:
            listed = ", ".join(repr(name) for name in DIFF_METHODS if name in {"best", *works})
            where = f"on PennyLane device {self.name!r}" + (f" with shots={shots}" if shots else "")
            raise ValueError(f"diff_method must be one of {listed} {where}, but was {method!r}.")
        return device, shots, method

    def _device(self, n_qubits: int) -> Any:
        if self._given is not None:
            return self._given
        if n_qubits not in self._made:
            self._made[n_qubits] = _make(self.name, n_qubits)
        return self._made[n_qubits]


def check_memory(device: str, n_qubits: int, limit: int | None = None) -> None:
    """Raise ValueError where a density matrix does not fit into memory.

    Args:
        device: The name of the device, for the message.
        n_qubits: Number of qubits.
        limit: Bytes there are; this machine's memory if `None`.
    """
    limit = physical_memory() if limit is None else limit
    # Before a gate and after it, in double precision: as measured on default.mixed, PennyLane 0.45.
    needed = 2 * 16 * 4**n_qubits
    if limit is not None and needed > limit:
        most = ((limit // 32).bit_length() - 1) // 2
        raise ValueError(
            f"n_qubits must be at most {most} with device {device!r} on this machine, but was {n_qubits}: "
            f"its density matrices take {written(needed)}, and there are {written(limit)} of memory. Choose "
            "a device that holds a state vector, such as 'lightning.qubit'."
        )


def _make(name: str, n_qubits: int) -> Any:
    try:
        import pennylane as qml
    except ImportError as error:
        raise ImportError(
            f"backend {name!r} is not one of qproj's own ({', '.join(map(repr, OWN))}), so it must "
            "be a PennyLane device, but PennyLane is not installed. Install it with "
            "pip install 'qproj[pennylane]', or choose an own backend."
        ) from error
    try:
        return qml.device(name, wires=n_qubits)
    except qml.exceptions.DeviceError as error:
        devices = {entry.name for entry in metadata.entry_points(group="pennylane.plugins")}
        raise unknown_name("backend", name, {*OWN, *devices}, f" PennyLane says: {error}") from error


def _shots(asked: int | None, device: Any) -> int | None:
    """Shots per expectation value: those asked for, else the device's own; `None` for exact values."""
    if asked is None:
        if device.shots.has_partitioned_shots:
            raise ValueError(
                f"backend must be a device with one number of shots, but {device.name!r} has {device.shots}. "
                "Give the layer shots=... instead."
            )
        own: int | None = device.shots.total_shots
        return own
    if not isinstance(asked, int) or isinstance(asked, bool):
        raise TypeError(f"shots must be an int or None, but was {asked!r} ({type(asked).__name__}).")
    if asked < 1:
        raise ValueError(f"shots must be at least 1, or None for exact values, but was {asked}.")
    return asked


def _supported(device: Any) -> set[str]:
    """The differentiation methods of exact values that a device has."""
    from pennylane.devices import ExecutionConfig

    adjoint, backprop = (ExecutionConfig(gradient_method=name) for name in ("adjoint", "backprop"))
    works = {"parameter-shift"}
    if device.supports_derivatives(adjoint) and device.supports_vjp(adjoint):
        works.add("adjoint")
    if device.supports_derivatives(backprop) and device.name not in _BACKPROP_FAILS:
        works.add("backprop")
    return works


def _backprop(circuit: Circuit, device: Any, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """The whole batch at once, through a device whose operations torch can differentiate."""
    import pennylane as qml

    labels = wire_labels(circuit, device)

    def measure(inputs: torch.Tensor, weights: torch.Tensor) -> Any:
        if circuit.amplitudes:
            # Unchecked: PennyLane objects to the rounding of single precision.
            qml.StatePrep(inputs, wires=labels, validate_norm=False)
        for gate in circuit.plain_gates:
            operation(gate, labels, angle(gate.parameter, inputs, weights))
        return measurements(circuit, labels)

    with device_says(device):
        qnode = qml.QNode(measure, device, interface="torch", diff_method="backprop")
        values = qnode(inputs.cpu().double(), weights.cpu().double().flatten())
    # Where no angle is an input, values do not know of the batch.
    rows = torch.stack([value.reshape(-1).expand(len(inputs)) for value in values], dim=-1)
    outputs = (rows @ torch.from_numpy(mixing(circuit))).to(inputs)
    # So that what the circuit does not use has a gradient of zeros, as with the other methods.
    return outputs + 0 * (inputs.sum() + weights.sum())


@functools.cache
def _named(name: str) -> PennyLaneBackend:
    return PennyLaneBackend(name)


def load(backend: Any) -> PennyLaneBackend:
    """Return the backend for a device.

    Args:
        backend: Name of a device, which gives the same backend each time, or a device itself, of which
            nothing is kept.

    Returns:
        The backend.

    Raises:
        ImportError: If PennyLane is not installed.
        TypeError: If it is neither.
        ValueError: If PennyLane has no device of that name.
    """
    if isinstance(backend, str):
        return _named(backend)
    # Who has a device has imported PennyLane; for the error it need not be loaded.
    qml = sys.modules.get("pennylane")
    if qml is None or not isinstance(backend, qml.devices.Device):
        raise TypeError(
            f"backend must be a str or a PennyLane device, but was {backend!r} ({type(backend).__name__}). "
            "Give the name of a backend, such as 'jax', or what qml.device(...) returns."
        )
    return PennyLaneBackend(backend)
