"""Any PennyLane device as a sampler.

Exact simulators only make sense here as a check; hardware and samplers is what this file is for. They loop
over the batch or build a graph of many small operations, where the package's own engine runs one compiled
program.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from importlib import metadata
from typing import Any

import torch

from qproj.backends import families
from qproj.backends.capabilities import Capabilities, Holds
from qproj.backends.pennylane_tapes import Scripts, measurements, operation, wire_labels
from qproj.backends.sampler import Array, Bound, Template
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import CHANNELS, GATES, Constant
from qproj.planning.execution import Execution
from qproj.registry import unknown_name

# These hold 4^n numbers for n qubits, where a state vector has 2^n.
DENSITY_MATRIX = {"default.mixed"}
_STATES = {"default.qubit", "lightning.qubit"}

# These say that they support backpropagation, but squares of square roots of probabilities are what they
# differentiate, and where a basis state has probability 0 that gives NaN (PennyLane 0.45).
_BACKPROP_FAILS = {"default.mixed"}

# The devices that come with PennyLane, as their `capabilities` say where it is installed.
_SHOTS: dict[str, Any] = {"shots": True, "shots_per": "group", "seed": True}
PACKAGE = "pennylane"
NAMES = {
    "default.qubit": Capabilities(
        **_SHOTS, diff_methods=("parameter-shift", "adjoint", "backprop"), holds="states"
    ),
    "lightning.qubit": Capabilities(**_SHOTS, diff_methods=("parameter-shift", "adjoint"), holds="states"),
    "default.mixed": Capabilities(**_SHOTS, noise=True, holds="density matrices"),
}


class PennyLaneSampler:
    """Runs circuits on a PennyLane device.

    Args:
        device: Name of a device, which is then made for each number of qubits, or the device itself. Of a
            name, `Execution.extra` are further arguments to `qml.device`.

    Raises:
        ImportError: If PennyLane is not installed, or the device lacks a package.
        ValueError: If PennyLane has no such device.
    """

    def __init__(self, device: Any) -> None:
        self._given = None if isinstance(device, str) else device
        self.name: str = device if isinstance(device, str) else device.name
        self.label = f"PennyLane device {self.name!r}"
        self._made: dict[tuple[int, Mapping[str, Any] | None], Any] = {}
        self._device(1)  # an unknown name shows here, not in the middle of training

    @cached_property
    def capabilities(self) -> Capabilities:
        """What the device says that it can do."""
        device = self._device(1)
        arguments = inspect.signature(type(device).__init__).parameters.values()
        named = {a.name for a in arguments if a.kind in (a.KEYWORD_ONLY, a.POSITIONAL_OR_KEYWORD)}
        holds: Holds = "density matrices" if self.name in DENSITY_MATRIX else ""
        by_name, own = self._given is None, None if device.shots is None else device.shots.total_shots
        return Capabilities(
            shots=True,
            shots_per="group",
            default_shots=own,
            seed=by_name and "seed" in named,
            noise=self.name in DENSITY_MATRIX,
            diff_methods=_supported(device),
            options=frozenset(named - {"self", "wires", "shots", "seed"}) if by_name else frozenset(),
            gates=_known_gates(),
            max_qubits=None if by_name or device.wires is None else len(device.wires),
            holds="states" if self.name in _STATES else holds,
        )

    def check(self, circuit: Circuit, execution: Execution) -> None:  # noqa: ARG002
        """Raise ValueError for shots of the device that are not one number."""
        device = self._device(1)
        if execution.shots is None and device.shots.has_partitioned_shots:
            raise ValueError(
                f"backend must be a device with one number of shots, but {device.name!r} has {device.shots}. "
                "Give the layer shots=... instead."
            )

    def run(self, bound: Bound, execution: Execution) -> Array:
        """Run circuits; see `qproj.backends.sampler.Sampler`."""
        device = self._device(bound.template.circuit.n_qubits, execution, bound)
        return Scripts(bound, device).run(execution.shots)

    def vjp(
        self, bound: Bound, execution: Execution, columns: Sequence[int]
    ) -> tuple[Array, Callable[[Array], Array]]:
        """The device's own adjoint method; see `qproj.backends.sampler.WithVjp`."""
        device = self._device(bound.template.circuit.n_qubits, execution, bound)
        return Scripts(bound, device).vjp(columns)

    def trace(
        self,
        template: Template,
        angles: Sequence[torch.Tensor],
        amplitudes: torch.Tensor | None,
        execution: Execution,
    ) -> torch.Tensor:
        """A device whose operations torch can differentiate; see `qproj.backends.sampler.WithTrace`."""
        import pennylane as qml

        circuit = template.circuit
        device = self._device(circuit.n_qubits, execution)
        labels = wire_labels(circuit, device)

        def measure() -> Any:
            if amplitudes is not None:
                # Unchecked: PennyLane objects to the rounding of single precision.
                qml.StatePrep(amplitudes, wires=labels, validate_norm=False)
            for gate, column in zip(template.gates, template.columns, strict=True):
                constant = gate.angle.value if isinstance(gate.angle, Constant) else None
                operation(gate, labels, constant if column is None else angles[column])
            return measurements(circuit, labels)

        values = qml.QNode(measure, device, interface="torch", diff_method="backprop")()
        rows = max(value.numel() for value in values)
        return torch.stack([value.reshape(-1).expand(rows) for value in values], dim=-1)

    def _device(self, n_qubits: int, execution: Execution | None = None, bound: Bound | None = None) -> Any:
        if self._given is not None:
            return self._given
        extra: Mapping[str, Any] = {} if execution is None else execution.extra
        if bound is not None and bound.seeds is not None:
            return _make(self.name, n_qubits, {**extra, "seed": int(bound.seeds[0])})
        key = n_qubits, extra or None
        if key not in self._made:
            self._made[key] = _make(self.name, n_qubits, extra)
        return self._made[key]


def _make(name: str, n_qubits: int, extra: Mapping[str, Any]) -> Any:
    try:
        import pennylane as qml
    except ImportError as error:
        own = ", ".join(repr(family) for family in families.names() if family != families.SHORT)
        raise ImportError(
            f"backend {name!r} is not of another family ({own}), so it must be a PennyLane device, but "
            "PennyLane is not installed. Install it with pip install 'qproj[pennylane]', or choose another."
        ) from error
    try:
        return qml.device(name, wires=n_qubits, **extra)
    except qml.exceptions.DeviceError as error:
        devices = {entry.name for entry in metadata.entry_points(group="pennylane.plugins")}
        known = {*families.advertised(), *devices}
        raise unknown_name("backend", name, known, f" PennyLane says: {error}") from error


def _known_gates() -> frozenset[str]:
    """Names of the gates and channels that PennyLane has too."""
    import pennylane as qml

    return frozenset(name for name in (*GATES, *CHANNELS) if hasattr(qml, name))


def _supported(device: Any) -> tuple[str, ...]:
    """The differentiation methods of exact values that a device has."""
    from pennylane.devices import ExecutionConfig

    adjoint, backprop = (ExecutionConfig(gradient_method=name) for name in ("adjoint", "backprop"))
    works = ["parameter-shift"]
    if device.supports_derivatives(adjoint) and device.supports_vjp(adjoint):
        works.append("adjoint")
    if device.supports_derivatives(backprop) and device.name not in _BACKPROP_FAILS:
        works.append("backprop")
    return tuple(works)


def load(backend: Any) -> PennyLaneSampler:
    """Return the sampler of a device.

    Args:
        backend: Name of a device, or a device itself.

    Returns:
        The sampler.

    Raises:
        ImportError: If PennyLane is not installed.
        TypeError: If it is neither.
        ValueError: If PennyLane has no device of that name.
    """
    if not isinstance(backend, str):
        # Who has a device has imported PennyLane; for the error it need not be loaded.
        qml = sys.modules.get("pennylane")
        if qml is None or not isinstance(backend, qml.devices.Device):
            raise families.unknown_object(backend)
    return PennyLaneSampler(backend)
