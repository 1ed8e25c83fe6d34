"""Circuits that TensorFlow Quantum is compared on, as text for its environment."""

import json
import sys

import numpy as np

from qproj.circuits import Circuit, Constant, Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot

X, W = InputSlot, WeightSlot
GATES = Circuit(
    gates=[
        Gate("Hadamard", (0,)),
        Gate("RX", (1,), X(0, 0.7)),
        Gate("CNOT", (0, 2)),
        Gate("PhaseShift", (0,), W(0)),
        Gate("IsingXX", (1, 2), W(1, -1.5)),
        Gate("SX", (2,)),
        Gate("IsingYY", (0, 1), X(1)),
        Gate("ControlledPhaseShift", (2, 0), X(0, 2.0)),
        Gate("RY", (2,), Constant(0.3)),
        Gate("IsingXY", (0, 2), W(2)),
        Gate("SWAP", (1, 2)),
        Gate("CZ", (0, 1)),
        Gate("T", (1,)),
        Gate("MultiRZ", (2, 0, 1), W(3)),
        Gate("CRX", (0, 2), W(4)),
        Gate("RY", (0,), W(0, 0.5)),
    ],
    observables=[
        PauliWord("XYZ"),
        PauliWord("Z", (1,), -2.0),
        Hamiltonian((PauliWord("ZZ", (0, 2)), PauliWord("X", (1,), 0.5))),
    ],
)
CIRCUITS = {"strongly entangling": Circuit(4, 3), "gates": GATES}


def numbers(circuit, batch):
    """Inputs, weights and cotangents."""
    rng = np.random.default_rng(7)
    shapes = (batch, circuit.n_inputs), circuit.weight_shape, (batch, circuit.n_outputs)
    return tuple(rng.normal(size=shape).round(3) for shape in shapes)


def case(circuit, batch):
    """A circuit and its numbers, as JSON has them."""
    import cirq

    x, w, cotangents = numbers(circuit, batch)
    observables = [
        [[word.letters, word.wires, word.coefficient] for word in getattr(o, "words", (o,))]
        for o in circuit.observables
    ]
    return {
        "circuit": cirq.to_json(circuit.to_cirq(), indent=None),
        "n_qubits": circuit.n_qubits,
        "observables": observables,
        "inputs": x.tolist(),
        "weights": w.ravel().tolist(),
        "cotangents": cotangents.tolist(),
    }


if __name__ == "__main__":
    json.dump({name: case(circuit, 3) for name, circuit in CIRCUITS.items()}, sys.stdout)
