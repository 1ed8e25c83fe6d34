"""Gradients for Qiskit Machine Learning, by the engine's own methods; only `qproj.qiskit` imports this."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from qiskit.providers import Options
from qiskit_machine_learning.gradients import (
    BaseEstimatorGradient,
    BaseSamplerGradient,
    EstimatorGradientResult,
    SamplerGradientResult,
)

from qproj.circuits.qiskit_observables import observables_of
from qproj.interop.qiskit_primitives import QprojEstimator, QprojSampler, outcomes
from qproj.interop.qiskit_runs import by_circuit, distinct, read


class QprojEstimatorGradient(BaseEstimatorGradient):  # type: ignore[misc]
    """Gradients of expectation values: one backward pass for all samples and observables of a circuit.

    Args:
        estimator: Whose backend runs the circuits, and how.
    """

    def __init__(self, estimator: QprojEstimator | None = None) -> None:
        self._own = QprojEstimator() if estimator is None else estimator
        super().__init__(self._own)

    def _run(
        self,
        circuits: Sequence[Any],
        observables: Sequence[Any],
        parameter_values: Any,
        parameters: Sequence[Sequence[Any]],
        **options: Any,
    ) -> EstimatorGradientResult:
        found: list[Any] = [None] * len(circuits)
        for circuit, rows in by_circuit(circuits):
            measured, which = distinct([observables[row] for row in rows], _one)
            table = np.array([parameter_values[row] for row in rows], np.float64)
            gradients = self._own.runner.gradients(read(circuit).circuit(tuple(measured)), table, which)
            chosen, which = distinct([parameters[row] for row in rows], list)
            orders = [_order(circuit, parameter) for parameter in chosen]
            for row, order, gradient in zip(rows, which, gradients, strict=True):
                found[row] = gradient[orders[order]]
        metadata = [{"parameters": parameter} for parameter in parameters]
        return EstimatorGradientResult(found, metadata, Options(**options))


class QprojSamplerGradient(BaseSamplerGradient):  # type: ignore[misc]
    """Gradients of probabilities: one backward pass for all samples and outcomes of a circuit. Exact.

    Args:
        sampler: Whose backend runs the circuits, and how.
    """

    def __init__(self, sampler: QprojSampler | None = None) -> None:
        self._own = QprojSampler() if sampler is None else sampler
        super().__init__(self._own)

    def _run(
        self,
        circuits: Sequence[Any],
        parameter_values: Sequence[Sequence[float]],
        parameters: Sequence[Sequence[Any]],
        **options: Any,
    ) -> SamplerGradientResult:
        found: list[Any] = [None] * len(circuits)
        for circuit, rows in by_circuit(circuits):
            measuring = outcomes(read(circuit))
            keys, n = _keys(read(circuit).measured), measuring.n_outputs
            table = np.array([parameter_values[row] for row in rows], np.float64)
            each = np.tile(np.arange(n), len(rows))
            gradients = self._own.runner.gradients(measuring, np.repeat(table, n, axis=0), each)
            for row, gradient in zip(rows, gradients.reshape(len(rows), n, -1), strict=True):
                chosen = gradient[:, _order(circuit, parameters[row])].T
                found[row] = [dict(zip(keys, column.tolist(), strict=True)) for column in chosen]
        metadata = [[{"parameters": parameter}] for parameter in parameters]
        return SamplerGradientResult(found, metadata, Options(**options))


def _one(observable: Any) -> Any:
    return observables_of(observable)[0]


def _order(circuit: Any, parameters: Sequence[Any]) -> list[int]:
    """The places of some parameters among a circuit's."""
    places = {parameter: place for place, parameter in enumerate(circuit.parameters)}
    return [places[parameter] for parameter in parameters]


def _keys(measured: Any) -> list[int]:
    """The integer that Qiskit makes of each outcome: classical bits that are not measured are 0 in it."""
    bits = sorted(measured)
    return [
        sum((outcome >> place & 1) << bit for place, bit in enumerate(bits))
        for outcome in range(1 << len(bits))
    ]
