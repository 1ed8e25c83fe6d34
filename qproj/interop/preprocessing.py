"""What PennyLane does to a tape before the device `qproj.statevector` is given it.

Loaded with the device alone, since it cannot be without PennyLane.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pennylane as qml
from pennylane.devices import ExecutionConfig
from pennylane.devices.default_qubit import accepted_analytic_measurement, accepted_sample_measurement
from pennylane.devices.preprocess import (
    decompose,
    device_resolve_dynamic_wires,
    no_sampling,
    validate_device_wires,
    validate_measurements,
)
from pennylane.exceptions import DeviceError
from pennylane.measurements import (
    ClassicalShadowMP,
    MutualInfoMP,
    PurityMP,
    ShadowExpvalMP,
    StateMP,
    VnEntropyMP,
)
from pennylane.operation import Operator, StatePrepBase
from pennylane.transforms import broadcast_expand, convert_to_numpy_parameters, defer_measurements
from pennylane.transforms.core import CompilePipeline, transform

from qproj.interop.preparations import gather_preparations
from qproj.interop.tapes import NATIVE, is_native, is_pauli_expectation

# Wires up to which a matrix is built to see what it is.
_FEW = 8
# Kinds of operations that need not be unitary.
_MAYBE_NOT_UNITARY = (
    qml.Projector, qml.Hermitian, qml.SparseHamiltonian, qml.ops.Sum, qml.ops.SProd, qml.ops.Exp,
    qml.QubitUnitary, qml.DiagonalQubitUnitary,
)  # fmt: skip
_NOT_LINEAR = (PurityMP, VnEntropyMP, MutualInfoMP)


def pipeline(name: str, wires: Any, config: ExecutionConfig) -> CompilePipeline:
    """What turns any tape into tapes of native gates and matrices, whose measurements the device has.

    Args:
        name: Of the device, for errors.
        wires: Of the device, or `None`.
        config: How the tapes will be run.

    Returns:
        The transforms.
    """
    made = CompilePipeline()
    exact_gradients = config.gradient_method == "backprop"
    if not exact_gradients and config.convert_to_numpy:
        # Nothing is differentiated through what follows.
        made.add_transform(convert_to_numpy_parameters)
    made.add_transform(device_resolve_dynamic_wires, wires=wires, allow_resets=False)
    # Before measurements are deferred, which takes wires that no device need have.
    made.add_transform(validate_device_wires, wires, name=name)
    made.add_transform(defer_measurements, allow_postselect=True)
    made.add_transform(gather_preparations)
    made.add_transform(
        decompose,
        stopping_condition=_stays,
        decomposer=_one_step,
        device_wires=wires,
        target_gates=set(NATIVE),
        name=name,
    )
    made.add_transform(device_resolve_dynamic_wires, wires=wires, allow_resets=False)
    made.add_transform(_split_complex)
    made.add_transform(
        validate_measurements,
        analytic_measurements=_is_right(accepted_analytic_measurement),
        sample_measurements=_is_right(accepted_sample_measurement),
        name=name,
    )
    if exact_gradients:
        made.add_transform(no_sampling, name=f"exact gradients + {name}")
    made.add_transform(_expand_batches)
    return made


def can_be_shifted(tape: Any) -> bool:
    """Whether shifted parameters give the gradients: of linear functions of the density matrix."""
    selects = any(
        isinstance(operation, qml.Projector) or getattr(operation, "postselect", None) is not None
        for operation in tape.operations
    )
    return not selects and not any(isinstance(m, _NOT_LINEAR) for m in tape.measurements)


def has_complex_results(tape: Any) -> bool:
    """Whether a tape measures states, or expectation values with complex coefficients."""
    return any(isinstance(m, StateMP) or _is_complex_sum(m) for m in tape.measurements)


@transform  # type: ignore[untyped-decorator]
def refuse_gradients(tape: Any, **_: Any) -> Any:
    """In place of a gradient transform that would give wrong numbers, or fail without a word."""
    if has_complex_results(tape):
        kind, reason = "complex results", "torch and PennyLane lose the imaginary parts on the way"
    else:
        kinds = [m for m in tape.measurements if isinstance(m, _NOT_LINEAR)]
        kind = str(kinds[0] if kinds else "a postselected circuit")
        reason = "it is no linear function of the density matrix"
    raise DeviceError(
        f"Gradients of {kind} cannot be computed from other parameters' values, since {reason}. Use "
        "diff_method='best' without shots."
    )


def _one_step(operation: Operator) -> list[Operator]:
    """One step of a decomposition; a matrix is taken apart where PennyLane knows no other way."""
    if not operation.has_decomposition and operation.has_matrix:
        return [qml.QubitUnitary(operation.matrix(), wires=operation.wires)]
    steps: list[Operator] = operation.decomposition()
    return steps


def _stays(operation: Operator) -> bool:
    """Whether an operation is a gate of the engine, or must be applied as the matrix it is."""
    if is_native(operation):
        return True
    if not operation.has_matrix:
        return False
    if type(operation) is qml.ops.Exp and operation.batch_size is not None:
        return True  # PennyLane asks whether the factor is real as if it were a single one
    matrix = isinstance(operation, qml.QubitUnitary) or not operation.has_decomposition
    # The parts of a matrix are no differentiable functions of it where they degenerate.
    if matrix and any(map(qml.math.requires_grad, operation.data)):
        return True
    if isinstance(operation, qml.QubitUnitary) and operation.batch_size is not None:
        return True
    return _may_not_be_unitary(operation) and not _is_unitary(operation)


def _may_not_be_unitary(operation: Operator) -> bool:
    if isinstance(operation, _MAYBE_NOT_UNITARY):
        return True
    if isinstance(operation, qml.ops.CompositeOp):
        return any(map(_may_not_be_unitary, operation.operands))
    return isinstance(operation, qml.ops.SymbolicOp) and _may_not_be_unitary(operation.base)


def _is_unitary(operation: Operator) -> bool:
    matrix = operation.matrix()
    if qml.math.is_abstract(matrix):
        return False
    product = qml.math.matmul(matrix, qml.math.conj(qml.math.moveaxis(matrix, -1, -2)))
    return bool(qml.math.allclose(product, np.eye(matrix.shape[-1]), atol=1e-6))


def _is_right(accepted: Callable[[Any], bool]) -> Callable[[Any], bool]:
    """As PennyLane decides, but for observables that are not Hermitian, of which it would measure others."""

    def condition(measurement: Any) -> bool:
        return accepted(measurement) and (measurement.obs is None or _is_hermitian(measurement.obs))

    return condition


def _is_hermitian(observable: Operator) -> bool:
    if observable.pauli_rep is not None:
        return not any(map(_is_complex, observable.pauli_rep.values()))
    if isinstance(observable, qml.ops.SProd):
        return not _is_complex(observable.scalar) and _is_hermitian(observable.base)
    if isinstance(observable, qml.ops.CompositeOp):
        parts = all(map(_is_hermitian, observable.operands))
        product = isinstance(observable, qml.ops.Prod) and observable.has_overlapping_wires
        if not product or len(observable.wires) > _FEW:
            return parts
    elif not isinstance(observable, qml.Hermitian):
        return True
    matrix = observable.matrix()
    if qml.math.is_abstract(matrix):
        return True
    matrix = qml.math.toarray(qml.math.unwrap([matrix])[0])
    return bool(np.allclose(matrix, matrix.conj().swapaxes(-1, -2), atol=1e-6))


def _is_complex(number: Any) -> bool:
    """Whether a number has, or as a tracer may have, an imaginary part."""
    if not qml.math.is_abstract(number):
        return bool(qml.math.imag(number) != 0)
    return "complex" in qml.math.get_dtype_name(number)


def _is_complex_sum(measurement: Any) -> bool:
    """Whether a measurement is the expectation value of Pauli words with complex coefficients."""
    return is_pauli_expectation(measurement) and any(map(_is_complex, measurement.obs.pauli_rep.values()))


@transform  # type: ignore[untyped-decorator]
def _split_complex(tape: Any) -> tuple[Any, Callable[[Any], Any]]:
    """Expectation values of Pauli sums with complex coefficients, as those of two sums with real ones."""
    measurements: list[Any] = []
    split: list[bool] = []
    for m in tape.measurements:
        split.append(_is_complex_sum(m))
        if not split[-1]:
            measurements.append(m)
            continue
        sentence = m.obs.pauli_rep
        for part in (qml.math.real, qml.math.imag):
            terms = qml.pauli.PauliSentence({word: part(c) for word, c in sentence.items()})
            measurements.append(qml.expval(terms.operation(wire_order=m.obs.wires)))
    if not any(split):
        return (tape,), lambda results: results[0]

    def joined(results: Any) -> Any:
        if tape.shots.has_partitioned_shots:
            return tuple(map(of_one_setting, results[0]))
        return of_one_setting(results[0])

    def of_one_setting(given: Any) -> Any:
        values = iter(given)
        whole = [next(values) + 1j * next(values) if two else next(values) for two in split]
        return whole[0] if len(whole) == 1 else tuple(whole)

    return (tape.copy(measurements=measurements),), joined


@transform  # type: ignore[untyped-decorator]
def _expand_batches(tape: Any) -> tuple[Any, Callable[[Any], Any]]:
    """One tape for each entry of a batch, where a batch cannot be run as such."""
    if tape.batch_size is None:
        return (tape,), lambda results: results[0]
    shadows = any(isinstance(m, (ShadowExpvalMP, ClassicalShadowMP)) for m in tape.measurements)
    prepared = isinstance(tape.operations[0], StatePrepBase)
    mixed = prepared and any(operation.batch_size is not None for operation in tape.operations[1:])
    postselected = any(isinstance(operation, qml.Projector) for operation in tape.operations)
    if shadows or mixed or postselected:
        expanded: tuple[Any, Callable[[Any], Any]] = broadcast_expand(tape)
        return expanded
    return (tape,), lambda results: results[0]
