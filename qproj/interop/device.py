"""The PennyLane device `qproj.statevector`: any QNode on this package's engine.

PennyLane loads this module by its entry point; nothing else does, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import DTypeLike
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.devices.qubit.simulate import measure_final_state
from pennylane.exceptions import DeviceError
from pennylane.transforms.core import CompilePipeline

from qproj import __version__
from qproj.circuits.gates import InputSlot, WeightSlot
from qproj.circuits.observables import PauliWord
from qproj.interop import execution
from qproj.interop.preprocessing import pipeline
from qproj.interop.tapes import Measured, Script, is_pauli_expectation, measured, script
from qproj.planning.cost import check_memory

NAME = "qproj.statevector"
_REALS: dict[Any, type[np.floating[Any]]] = {np.complex64: np.float32, np.complex128: np.float64}
_GRADIENTS = ("adjoint", "device", "best")


@simulator_tracking
@single_tape_support
class QprojStatevector(Device):  # type: ignore[misc]
    """An exact state-vector simulator on jitted JAX.

    Expectation values of Pauli words and their sums, and their gradients by `diff_method="adjoint"`, are one
    compiled program; for all other measurements PennyLane's own code takes over from the final state. A
    program is compiled once for a circuit's structure: new parameter values find it again.

    Args:
        wires: Number of wires, or their labels; `None` to take them from each circuit.
        shots: Default number of measurements, or a sequence of such; `None` for exact results.
        seed: Of the measurements' randomness: an int, or anything `numpy.random.default_rng` takes; `None`
            for another one each time.
        c_dtype: Precision: `np.complex128` or `np.complex64`.

    Raises:
        ValueError: If `c_dtype` is neither.
    """

    pennylane_requires = ">=0.45"
    version = __version__
    author = "The qproj developers"
    short_name = NAME

    def __init__(
        self, wires: Any = None, shots: Any = None, seed: Any = None, c_dtype: DTypeLike = np.complex128
    ) -> None:
        super().__init__(wires=wires, shots=shots)
        kind = np.dtype(c_dtype).type
        if kind not in _REALS:
            raise ValueError(f"c_dtype must be np.complex64 or np.complex128, but was {c_dtype!r}.")
        self.c_dtype = kind
        self._rng = np.random.default_rng(seed)
        # What the last execution kept for the gradients that may follow it, by circuit and parameters.
        self._kept: dict[Any, Any] = {}

    @property
    def name(self) -> str:
        """The name `qml.device` knows."""
        return NAME

    def supports_derivatives(
        self, execution_config: ExecutionConfig | None = None, circuit: Any = None
    ) -> bool:
        """Whether the device has gradients: of exact expectation values of Pauli words and their sums."""
        if execution_config is not None and execution_config.gradient_method not in _GRADIENTS:
            return False
        if circuit is None:
            return True
        pauli = all(map(is_pauli_expectation, circuit.measurements))
        # PennyLane's parameter shift has gradients for coefficients, too.
        values = [value for m in circuit.measurements if m.obs is not None for value in m.obs.data]
        return not circuit.shots and pauli and not any(map(qml.math.requires_grad, values))

    def supports_vjp(self, execution_config: ExecutionConfig | None = None, circuit: Any = None) -> bool:
        """Whether the device has vector-Jacobian products: wherever it has gradients."""
        return self.supports_derivatives(execution_config, circuit)

    def setup_execution_config(
        self, config: ExecutionConfig | None = None, circuit: Any = None
    ) -> ExecutionConfig:
        """Fill in what the caller left open."""
        config = config or ExecutionConfig()
        if config.device_options:
            raise DeviceError(f"device_options must be empty, but were {config.device_options}.")
        mcm = config.mcm_config
        if mcm.mcm_method not in (None, "device", "deferred"):
            raise DeviceError(
                f"mcm_method must be 'deferred', since no other is supported on {NAME}, but was "
                f"'{mcm.mcm_method}'."
            )
        changes: dict[str, Any] = {"mcm_config": replace(mcm, mcm_method="deferred")}
        if config.gradient_method in _GRADIENTS and self.supports_derivatives(config, circuit):
            # QNodes say False where their caller said nothing. Jacobians would take a product for each
            # measurement, and a tape for each entry of a batch.
            changes |= {
                "gradient_method": "adjoint",
                "use_device_gradient": True,
                "use_device_jacobian_product": True,
                "grad_on_execution": False,
            }
            # With numbers converted, PennyLane asks for Jacobians inside jax.jit.
            if config.interface == qml.math.Interface.JAX_JIT:
                changes["convert_to_numpy"] = False
        return replace(config, **changes)

    def preprocess_transforms(self, execution_config: ExecutionConfig | None = None) -> CompilePipeline:
        """What turns any tape into tapes of native gates."""
        return pipeline(NAME, self.wires, execution_config or ExecutionConfig())

    def execute(
        self, circuits: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, ...]:
        """Run tapes as `preprocess_transforms` makes them; see `pennylane.devices.Device.execute`."""
        keep = execution_config is not None and bool(execution_config.use_device_jacobian_product)
        self._kept = {}
        return tuple(self._run(circuit, keep) for circuit in circuits)

    def compute_derivatives(
        self,
        circuits: Sequence[Any],
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002 (the signature of all devices)
    ) -> tuple[Any, ...]:
        """Jacobians, by a vector-Jacobian product for each measurement."""
        return tuple(map(self._jacobian, circuits))

    def execute_and_compute_derivatives(
        self,
        circuits: Sequence[Any],
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        """Results and Jacobians, with the states of the one used for the other."""
        self._kept = {}
        results = tuple(self._run(circuit, keep=True) for circuit in circuits)
        return results, tuple(map(self._jacobian, circuits))

    def compute_vjp(
        self,
        circuits: Sequence[Any],
        cotangents: Sequence[Any],
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002
    ) -> tuple[Any, ...]:
        """One vector-Jacobian product for each tape, whatever the number of its measurements.

        Args:
            circuits: Tapes.
            cotangents: For each tape a number for its measurement, or a tuple of them; `(batch,)` in place of
                numbers for tapes with a batch. One more dimension in front holds several products to compute.
            execution_config: Not used.

        Returns:
            For each tape a gradient for each of its trainable parameters.
        """
        return tuple(map(self._vjp, circuits, cotangents))

    def execute_and_compute_vjp(
        self,
        circuits: Sequence[Any],
        cotangents: Sequence[Any],
        execution_config: ExecutionConfig | None = None,  # noqa: ARG002
    ) -> tuple[Any, Any]:
        """Results and vector-Jacobian products, with the states of the one used for the other."""
        self._kept = {}
        results = tuple(self._run(circuit, keep=True) for circuit in circuits)
        return results, tuple(map(self._vjp, circuits, cotangents))

    def _run(self, circuit: Any, keep: bool) -> Any:
        check_memory(circuit.num_wires)
        circuit = circuit.map_to_standard_wires()
        wanted = None if circuit.shots else measured(circuit.measurements)
        if wanted is None:
            return self._from_state(circuit)
        job = script(circuit, wanted.words, _REALS[self.c_dtype])
        if keep:
            of_words, self._kept[_key(job)] = execution.forward(job.circuit, job.inputs, job.weights)
        else:
            of_words = execution.expectations(job.circuit, job.inputs, job.weights)
        values = wanted.values(of_words.astype(np.float64))
        columns = tuple(values[0] if job.batch is None else values.T)
        return columns[0] if len(columns) == 1 else columns

    def _from_state(self, circuit: Any) -> Any:
        # A circuit measures something; here nothing is made of it.
        job = script(circuit, (PauliWord("Z", (0,)),), _REALS[self.c_dtype])
        amplitudes = execution.states(job.circuit, job.inputs, job.weights)
        amplitudes = (amplitudes.T * np.exp(1j * job.phase)).T.astype(self.c_dtype)
        batch = () if job.batch is None else (job.batch,)
        state = amplitudes.reshape(*batch, *(2,) * job.circuit.n_qubits)
        return measure_final_state(circuit, state, bool(batch), rng=self._rng)

    def _vjp(self, circuit: Any, cotangents: Any) -> tuple[Any, ...]:
        n_measurements, rows = len(circuit.measurements), circuit.batch_size
        bare = n_measurements == 1 and not isinstance(cotangents, (tuple, list))
        given = [np.asarray(qml.math.to_numpy(c), float) for c in ([cotangents] if bare else cotangents)]
        stacked = np.stack(given, axis=-1)
        several = stacked.ndim - 1 > (rows is not None)
        products = stacked.reshape(-1 if several else 1, rows or 1, n_measurements)
        by_parameter = self._products(circuit, products)
        return _Products(np.stack(g) if several else g[0] for g in by_parameter)

    def _jacobian(self, circuit: Any) -> Any:
        n_measurements = len(circuit.measurements)
        by_parameter = self._products(circuit, np.eye(n_measurements)[:, None])
        rows: list[Any] = [tuple(np.asarray(g[i]) for g in by_parameter) for i in range(n_measurements)]
        rows = [row[0] if len(row) == 1 else row for row in rows]
        return rows[0] if n_measurements == 1 else tuple(rows)

    def _products(self, circuit: Any, products: np.ndarray[Any, Any]) -> list[list[Any]]:
        """For each trainable parameter its gradients, for cotangents `(products, rows, measurements)`."""
        circuit = circuit.map_to_standard_wires()
        wanted: Measured | None = measured(circuit.measurements)
        if wanted is None:
            raise DeviceError(f"Gradients of {circuit.measurements} are not supported on {NAME}.")
        job = script(circuit, wanted.words, _REALS[self.c_dtype])
        residuals = self._kept.get(_key(job))
        if residuals is None:
            _, residuals = execution.forward(job.circuit, job.inputs, job.weights)
        gradients: list[list[Any]] = [[] for _ in circuit.trainable_params]
        for cotangents in products:
            found = execution.backward(
                job.circuit, residuals, job.inputs, job.weights, cotangents @ wanted.mixing.T
            )
            for place, index in zip(gradients, circuit.trainable_params, strict=True):
                place.append(_gradient(job, index, *found))
        return gradients


class _Products(tuple[Any, ...]):
    """Gradients of different shapes, where a tape has a batch.

    PennyLane's interface to torch asks `np.squeeze` for the shape of them all, which NumPy cannot tell of a
    plain tuple.
    """

    __slots__ = ()

    def squeeze(self) -> np.ndarray[Any, Any]:
        """An array of as many entries."""
        return np.empty(len(self))


def _gradient(job: Script, index: int, by_inputs: Any, by_weights: Any) -> Any:
    """Of one of the tape's parameters."""
    # Behind those of the operations come those of the observables, for which PennyLane has warned.
    match job.slots[index] if index < len(job.slots) else None:
        case InputSlot(column):
            return by_inputs[:, column].astype(np.float64)
        case WeightSlot(column):
            return np.float64(by_weights[column])
        case None:
            return np.float64(0.0)
    raise DeviceError(f"Gradients of a prepared state are not supported on {NAME}; preprocess the tape.")


def _key(job: Script) -> Any:
    return job.circuit, job.inputs.tobytes(), job.weights.tobytes()
