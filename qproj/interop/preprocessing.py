"""What PennyLane does to a tape before the device `qproj.statevector` is given it.

Loaded with the device alone, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pennylane as qml
from pennylane.devices import ExecutionConfig
from pennylane.devices.default_qubit import accepted_analytic_measurement, accepted_sample_measurement
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    no_sampling,
    validate_adjoint_trainable_params,
    validate_device_wires,
    validate_measurements,
)
from pennylane.exceptions import DecompositionUndefinedError
from pennylane.measurements import ClassicalShadowMP, ShadowExpvalMP
from pennylane.operation import Operator, StatePrepBase
from pennylane.transforms import broadcast_expand, convert_to_numpy_parameters, defer_measurements
from pennylane.transforms.core import CompilePipeline, transform

from qproj.interop.tapes import NATIVE, is_native, is_pauli_expectation


def pipeline(name: str, wires: Any, config: ExecutionConfig) -> CompilePipeline:
    """What turns any tape into tapes of native gates, whose measurements the device has.

    Args:
        name: Of the device, for errors.
        wires: Of the device, or `None`.
        config: How the tapes will be run.

    Returns:
        The transforms.
    """
    made = CompilePipeline()
    adjoint = config.gradient_method == "adjoint"
    if not adjoint:
        # Nothing is differentiated through what follows.
        made.add_transform(convert_to_numpy_parameters)
    one_step = _one_step_to_differentiate if adjoint else _one_step
    native = {"decomposer": one_step, "device_wires": wires, "target_gates": set(NATIVE), "name": name}
    made.add_transform(defer_measurements, allow_postselect=False)
    made.add_transform(decompose, stopping_condition=is_native, **native)
    made.add_transform(device_resolve_dynamic_wires, wires=wires, allow_resets=False)
    made.add_transform(validate_device_wires, wires, name=name)
    made.add_transform(
        validate_measurements,
        analytic_measurements=accepted_analytic_measurement,
        sample_measurements=accepted_sample_measurement,
        name=name,
    )
    if adjoint:
        made.add_transform(no_sampling, name=f"adjoint + {name}")
        made.add_transform(
            decompose, stopping_condition=_adjoint_can, skip_initial_state_prep=False, **native
        )
        made.add_transform(
            validate_measurements, analytic_measurements=is_pauli_expectation, name=f"adjoint + {name}"
        )
        made.add_transform(validate_adjoint_trainable_params)
    # Jacobians of batches are put together from those of their entries; products need no such thing.
    made.add_transform(_expand_batches, always=adjoint and not config.use_device_jacobian_product)
    return made


def _one_step(operation: Operator) -> list[Operator]:
    """One step of a decomposition; a matrix is taken apart where PennyLane knows no other way."""
    if not operation.has_decomposition and operation.has_matrix:
        return [qml.QubitUnitary(operation.matrix(), wires=operation.wires)]
    steps: list[Operator] = operation.decomposition()
    return steps


def _one_step_to_differentiate(operation: Operator) -> list[Operator]:
    """Likewise, but for matrices with gradients, which would not be exact where their parts degenerate."""
    if not operation.has_decomposition and any(map(qml.math.requires_grad, operation.data)):
        raise DecompositionUndefinedError
    return _one_step(operation)


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
