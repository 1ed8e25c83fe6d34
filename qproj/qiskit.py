"""The engine for users of Qiskit: its primitives, and gradients for Qiskit Machine Learning.

`EstimatorQNN(circuit=..., estimator=QprojEstimator(), gradient=QprojEstimatorGradient())`, and whatever is
built on it, runs on the engine.
"""

import importlib
from typing import TYPE_CHECKING, Any

from qproj.extras import needed

if TYPE_CHECKING:
    from qproj.interop.qiskit_gradients import QprojEstimatorGradient, QprojSamplerGradient
    from qproj.interop.qiskit_primitives import QprojEstimator, QprojSampler

__all__ = ["QprojEstimator", "QprojEstimatorGradient", "QprojSampler", "QprojSamplerGradient"]


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for, since they derive from classes of Qiskit's.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    needed("qiskit", "qiskit", f"qproj.qiskit.{name}")
    if name.endswith("Gradient"):
        needed("qiskit_machine_learning", "qiskit", f"qproj.qiskit.{name}")
        return getattr(importlib.import_module("qproj.interop.qiskit_gradients"), name)
    return getattr(importlib.import_module("qproj.interop.qiskit_primitives"), name)
