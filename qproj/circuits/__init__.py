"""What is run: circuits as plain Python data, known to neither JAX nor torch."""

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, Gate, InputSlot, WeightSlot
from qproj.circuits.observables import Hamiltonian, PauliWord

__all__ = ["Circuit", "Constant", "Gate", "Hamiltonian", "InputSlot", "PauliWord", "WeightSlot"]
