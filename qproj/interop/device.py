"""The PennyLane device `qproj.statevector`: any QNode on this package's engine.

PennyLane loads this module by its entry point; nothing else imports it, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pennylane as qml
from numpy.typing import DTypeLike
from pennylane.devices import Device, ExecutionConfig
from pennylane.devices.default_qubit import accepted_analytic_measurement, accepted_sample_measurement
from pennylane.devices.modifiers import simulator_tracking, single_tape_support
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    no_sampling,
    validate_adjoint_trainable_params,
    validate_device_wires,
    validate_measurements,
)
from pennylane.devices.qubit.simulate import measure_final_state
from pennylane.exceptions import DecompositionUndefinedError, DeviceError
from pennylane.measurements import ClassicalShadowMP, ShadowExpvalMP
from pennylane.operation import Operator, StatePrepBase
from pennylane.transforms import broadcast_expand, defer_measurements
from pennylane.transforms.core import CompilePipeline, transform

from qproj import __version__
from qproj.circuits.gates import InputSlot, WeightSlot
from qproj.interop import execution
from qproj.interop.tapes import NATIVE, Measured, Script, is_native, is_pauli_expectation, measured, script
from qproj.simulation.planning import check_memory

NAME = "qproj.statevector"
_REALS: dict[Any, type[np.floating[Any]]] = {np.complex64: np.float32, np.complex128: np.float64}


@simulator_tracking
@single_tape_support
class QprojStatevector(Device):  # type: ignore[misc]
    """An exact state-vector simulator on jitted JAX.

    Expectation values of Pauli words and their sums, and their gradients by `diff_method="adjoint"`, are one
    compiled program; for all other measurements PennyLane's own code takes over from the final state. A program
    is compiled once for a circuit's structure: new parameter values find it again.

    Args:
        wires: Number of wires, or their labels; `None` to take them from each circuit.
        shots: Default number of measurements, or a sequence of such; `None` for exact results.
        seed: Of the measurements' randomness: an int, or anything `numpy.random.default_rng` takes; `None` for
            another one each time.
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
        if execution_config is not None and execution_config.gradient_method not in ("adjoint", "device", "best"):
            return False
        if circuit is None:
            return True
        return not circuit.shots and all(map(is_pauli_expectation, circuit.measurements)) and not any(
            qml.math.requires_grad(value) for m in circuit.measurements for value in m.obs.data
        )

    def supports_vjp(self, execution_config: ExecutionConfig | None = None, circuit: Any = None) -> bool:
        """Whether the device has vector-Jacobian products: wherever it has gradients."""
        return self.supports_derivatives(execution_config, circuit)

    def setup_execution_config(
        self, config: ExecutionConfig | None = None, circuit: Any = None
    ) -> ExecutionConfig:
        """Fill in what the caller left open."""
        config = config or ExecutionConfig()
        if config.device_options:
            raise DeviceError(f"Device options {sorted(config.device_options)} are not known to {NAME}.")
        mcm = config.mcm_config
        if mcm.mcm_method not in (None, "device", "deferred"):
            raise DeviceError(
                f"mcm_method must be 'deferred' on {NAME}, but was '{mcm.mcm_method}', which is not supported."
            )
        changes: dict[str, Any] = {"mcm_config": replace(mcm, mcm_method="deferred")}
        if config.gradient_method in ("best", "device", "adjoint") and self.supports_derivatives(config, circuit):
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
        config = execution_config or ExecutionConfig()
        pipeline = CompilePipeline()
        pipeline.add_transform(defer_measurements, allow_postselect=False)
        pipeline.add_transform(
            decompose,
            stopping_condition=is_native,
            device_wires=self.wires,
            decomposer=_decomposed,
            target_gates=set(NATIVE),
            name=self.name,
        )
        pipeline.add_transform(device_resolve_dynamic_wires, wires=self.wires, allow_resets=False)
        pipeline.add_transform(validate_device_wires, self.wires, name=self.name)
        pipeline.add_transform(
            validate_measurements,
            analytic_measurements=accepted_analytic_measurement,
            sample_measurements=accepted_sample_measurement,
            name=self.name,
        )
        if config.gradient_method == "adjoint":
            pipeline.add_transform(no_sampling, name=f"adjoint + {self.name}")
            pipeline.add_transform(
                decompose,
                stopping_condition=_adjoint_can,
                skip_initial_state_prep=False,
                decomposer=_decomposed,
                device_wires=self.wires,
                target_gates=set(NATIVE),
                name=self.name,
            )
            pipeline.add_transform(
                validate_measurements, analytic_measurements=is_pauli_expectation, name=f"adjoint + {self.name}"
            )
            pipeline.add_transform(validate_adjoint_trainable_params)
        # Jacobians of batches are put together from those of their entries; products need no such thing.
        jacobians = config.gradient_method == "adjoint" and not config.use_device_jacobian_product
        pipeline.add_transform(_expand_batches, always=jacobians)
        return pipeline

    def execute(self, circuits: Sequence[Any], execution_config: ExecutionConfig | None = None) -> tuple[Any, ...]:
        """Run tapes as `preprocess_transforms` makes them; see `pennylane.devices.Device.execute`."""
        keep = execution_config is not None and bool(execution_config.use_device_jacobian_product)
        self._kept = {}
        return tuple(self._run(circuit, keep) for circuit in circuits)

    def compute_derivatives(
        self, circuits: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, ...]:
        """Jacobians, a vector-Jacobian product for each measurement."""
        return tuple(map(self._jacobian, circuits))

    def execute_and_compute_derivatives(
        self, circuits: Sequence[Any], execution_config: ExecutionConfig | None = None
    ) -> tuple[Any, Any]:
        """Results and Jacobians, with the states of the one used for the other."""
        self._kept = {}
        results = tuple(self._run(circuit, keep=True) for circuit in circuits)
        return results, tuple(map(self._jacobian, circuits))

    def compute_vjp(
        self, circuits: Sequence[Any], cotangents: Sequence[Any], execution_config: ExecutionConfig | None = None
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
        self, circuits: Sequence[Any], cotangents: Sequence[Any], execution_config: ExecutionConfig | None = None
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
        job = self._script(circuit, wanted)
        if keep:
            of_words, self._kept[_key(job)] = execution.forward(job.circuit, job.inputs, job.weights)
        else:
            of_words = execution.expectations(job.circuit, job.inputs, job.weights)
        values = wanted.values(of_words.astype(np.float64))
        columns = tuple(values.T if job.batch is not None else values[0])
        return columns[0] if len(columns) == 1 else columns

    def _from_state(self, circuit: Any) -> Any:
        # The words measured do not matter; any does, as long as it is always the same.
        job = self._script(circuit, measured(()).words)  # type: ignore[union-attr]
        amplitudes = execution.states(job.circuit, job.inputs, job.weights)
        amplitudes = (amplitudes.T * np.exp(1j * job.phase)).T.astype(self.c_dtype)
        shape = (2,) * max(circuit.num_wires, 1)
        batched = job.batch is not None
        state = amplitudes.reshape(len(amplitudes), *shape) if batched else amplitudes.reshape(shape)
        return measure_final_state(circuit, state, batched, rng=self._rng)

    def _script(self, circuit: Any, wanted: Any) -> Script:
        words = wanted.words if isinstance(wanted, Measured) else wanted
        return script(circuit, words, _REALS[self.c_dtype])

    def _vjp(self, circuit: Any, cotangents: Any) -> tuple[Any, ...]:
        if not circuit.trainable_params:
            return ()
        n_measurements, rows = len(circuit.measurements), circuit.batch_size
        given = [cotangents] if n_measurements == 1 and not _is_tuple_of_one(cotangents) else cotangents
        stacked = np.stack([np.asarray(qml.math.to_numpy(c), np.float64) for c in given], axis=-1)
        # (products, rows, measurements), whichever of the first two were given.
        several = stacked.ndim - 1 > (rows is not None)
        products = stacked.reshape(-1 if several else 1, rows or 1, n_measurements)
        gradients = self._products(circuit, products)
        return tuple(np.stack(g) if several else g[0] for g in gradients)

    def _jacobian(self, circuit: Any) -> Any:
        n_measurements = len(circuit.measurements)
        by_parameter = self._products(circuit, np.eye(n_measurements)[:, None])
        rows = [tuple(np.asarray(g[i]) for g in by_parameter) for i in range(n_measurements)]
        rows = [row[0] if len(row) == 1 else row for row in rows]  # type: ignore[misc]
        return rows[0] if n_measurements == 1 else tuple(rows)

    def _products(self, circuit: Any, products: np.ndarray[Any, Any]) -> list[list[Any]]:
        """Gradients for each trainable parameter, for each of the cotangents `(products, rows, measurements)`."""
        circuit = circuit.map_to_standard_wires()
        wanted = measured(circuit.measurements)
        if wanted is None:
            raise DeviceError(f"Gradients on {NAME} are supported for expectation values of Pauli words only.")
        job = self._script(circuit, wanted)
        residuals = self._kept.get(_key(job))
        if residuals is None:
            _, residuals = execution.forward(job.circuit, job.inputs, job.weights)
        gradients: list[list[Any]] = [[] for _ in circuit.trainable_params]
        for cotangents in products:
            by_inputs, by_weights = execution.backward(
                job.circuit, residuals, job.inputs, job.weights, cotangents @ wanted.mixing.T
            )
            for place, index in zip(gradients, circuit.trainable_params, strict=True):
                place.append(_gradient(job, index, by_inputs, by_weights))
        return gradients


def _gradient(job: Script, index: int, by_inputs: Any, by_weights: Any) -> Any:
    """Of one of the tape's parameters."""
    # Behind the parameters of the operations come those of the observables, of which a warning was given.
    slot = job.slots[index] if index < len(job.slots) else None
    match slot:
        case InputSlot(column):
            return by_inputs[:, column].astype(np.float64)
        case WeightSlot(column):
            return np.float64(by_weights[column])
        case None:
            return np.float64(0.0)
    raise DeviceError(f"Gradients of prepared states are not supported on {NAME} without preprocessing.")


def _key(job: Script) -> Any:
    return job.circuit, job.inputs.tobytes(), job.weights.tobytes()


def _is_tuple_of_one(cotangents: Any) -> bool:
    return isinstance(cotangents, (tuple, list)) and len(cotangents) == 1


def _decomposed(operation: Operator) -> list[Operator]:
    """One step of a decomposition; a fixed matrix is taken apart where PennyLane knows no other way."""
    if not operation.has_decomposition and operation.has_matrix:
        if any(qml.math.requires_grad(value) for value in operation.data):
            raise DecompositionUndefinedError
        return [qml.QubitUnitary(operation.matrix(), wires=operation.wires)]
    steps: list[Operator] = operation.decomposition()
    return steps


def _adjoint_can(operation: Operator) -> bool:
    """A prepared state stays as it is only where nothing is to be differentiated through it."""
    if isinstance(operation, StatePrepBase):
        return not any(qml.math.requires_grad(value) for value in operation.data)
    return is_native(operation)


@transform  # type: ignore[untyped-decorator]
def _expand_batches(tape: Any, always: bool = False) -> tuple[Any, Callable[[Any], Any]]:
    """One tape for each entry of a batch, where a batch cannot be run as such."""
    shadows = any(isinstance(m, (ShadowExpvalMP, ClassicalShadowMP)) for m in tape.measurements)
    prepared = tape.operations and isinstance(tape.operations[0], StatePrepBase)
    mixed = prepared and any(operation.batch_size is not None for operation in tape.operations[1:])
    if always or shadows or mixed:
        expanded: tuple[Any, Callable[[Any], Any]] = broadcast_expand(tape)
        return expanded
    return (tape,), lambda results: results[0]
