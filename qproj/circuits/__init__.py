"""What is run: circuits as plain Python data, known to neither JAX nor torch."""

from qproj.circuits import kinds as _kinds  # noqa: F401  fills the table of gates
from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate
from qproj.circuits.measurements import Fidelity, Probs, Projector, State
from qproj.circuits.observables import Hamiltonian, PauliWord
from qproj.circuits.parameters import Constant, InputSlot, WeightSlot

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
    "State",
    "WeightSlot",
]
