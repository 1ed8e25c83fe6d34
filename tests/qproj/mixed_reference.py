"""A deliberately naive density-matrix simulator: full matrices, one sample at a time."""

import numpy as np

from qproj.circuits.gates import write_out
from tests.qproj import reference
from tests.qproj.reference import PAULI, I


def kraus(name, strengths, matrix):
    """Kraus operators by the textbook's formulas, as PennyLane names them."""
    x, y, z = PAULI["X"], PAULI["Y"], PAULI["Z"]
    if name == "QubitChannel":
        return [np.array(m) for m in matrix]
    s = strengths[0]
    match name:
        case "DepolarizingChannel":
            return [np.sqrt(1 - s) * I, *(np.sqrt(s / 3) * p for p in (x, y, z))]
        case "BitFlip":
            return [np.sqrt(1 - s) * I, np.sqrt(s) * x]
        case "PhaseFlip":
            return [np.sqrt(1 - s) * I, np.sqrt(s) * z]
        case "AmplitudeDamping":
            return [np.diag([1, np.sqrt(1 - s)]), np.sqrt(s) * np.array([[0, 1], [0, 0]])]
        case "PhaseDamping":
            return [np.diag([1, np.sqrt(1 - s)]), np.diag([0, np.sqrt(s)])]
    raise NotImplementedError(name)


def density(circuit, x, weights):
    """The density matrix `(2**n, 2**n)` that a circuit with channels leaves."""
    n = circuit.n_qubits
    psi = np.zeros(2**n, complex)
    psi[: len(x) if circuit.amplitudes else 1] = x if circuit.amplitudes else 1
    rho = np.outer(psi, psi.conj())
    for gate in write_out(circuit.gates):
        if gate.is_channel:
            strengths = [reference.angle(parameter, x, weights) for parameter in gate.parameters]
            small = kraus(gate.name, strengths, gate.matrix)
            whole = [reference.spread(n, gate.wires, k) for k in small]
        else:
            whole = [reference.matrix(n, gate, x, weights)]
        rho = sum(k @ rho @ k.conj().T for k in whole)
    return rho


def values(circuit, inputs, weights):
    """Expectation values `(batch, n_outputs)`."""
    operators = [reference.operator(circuit.n_qubits, observable) for observable in circuit.observables]
    states = [density(circuit, x, weights) for x in inputs]
    return np.array([[np.trace(rho @ operator).real for operator in operators] for rho in states])
