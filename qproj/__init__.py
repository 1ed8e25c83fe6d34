"""Quantum circuits as fast torch layers.

`QuantumLayer` is a circuit, `QuantumProjection` a circuit between two linear maps. Both run on a compiled JAX
program that torch's autograd sees as one function.
"""

import importlib
from typing import TYPE_CHECKING, Any

from qproj.circuits import (
    Circuit,
    Constant,
    Fidelity,
    Gate,
    Hamiltonian,
    InputSlot,
    PauliWord,
    Probs,
    Projector,
    State,
    WeightSlot,
)
from qproj.execution import forks as _forks  # noqa: F401 (sees forks from now on, whoever runs JAX)
from qproj.execution.cache import clear_caches
from qproj.interop.qiskit_qnn import from_qnn
from qproj.interop.qnode import from_qnode
from qproj.layers import QuantumLayer
from qproj.projection import QuantumProjection

if TYPE_CHECKING:
    from qproj import functional, kernels, qiskit

__version__ = "0.1.0"

__all__ = [
    "Circuit",
    "Constant",
    "Fidelity",
    "Gate",
    "Hamiltonian",
    "InputSlot",
    "PauliWord",
    "Probs",
    "Projector",
    "QuantumLayer",
    "QuantumProjection",
    "State",
    "WeightSlot",
    "__version__",
    "clear_caches",
    "from_qnn",
    "from_qnode",
    "functional",
    "kernels",
    "qiskit",
]


def __getattr__(name: str) -> Any:
    # Loaded when they are asked for: the first needs JAX at once.
    if name in ("functional", "kernels", "qiskit"):
        return importlib.import_module(f"qproj.{name}")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
