"""A deliberately naive simulator: full matrices from Kronecker products, one sample at a time.

It shares the gate list with the package and nothing else: matrices are written out here once more.
"""

import functools

import numpy as np

I = np.eye(2)  # noqa: E741
PAULI = {
    "X": np.array([[0, 1], [1, 0]], complex),
    "Y": np.array([[0, -1j], [1j, 0]], complex),
    "Z": np.array([[1, 0], [0, -1]], complex),
}
ON = np.diag([0.0, 1.0])
OFF = np.diag([1.0, 0.0])
FIXED = {
    "Hadamard": (PAULI["X"] + PAULI["Z"]) / np.sqrt(2),
    "PauliX": PAULI["X"],
    "PauliY": PAULI["Y"],
    "PauliZ": PAULI["Z"],
    "S": np.diag([1, 1j]),
    "T": np.diag([1, np.sqrt(0.5) * (1 + 1j)]),
}


def on_wires(n_qubits, matrices):
    """Kronecker product with `matrices[wire]` on each wire given, wire 0 leftmost."""
    return functools.reduce(np.kron, [matrices.get(wire, I) for wire in range(n_qubits)])


def controlled(n_qubits, controls, target, matrix):
    """`matrix` on the target where all controls are 1, else nothing."""
    passive = np.eye(2**n_qubits) - on_wires(n_qubits, dict.fromkeys(controls, ON))
    return passive + on_wires(n_qubits, dict.fromkeys(controls, ON) | {target: matrix})


def rotation(generator, t):
    """`exp(-i t G / 2)` where `G @ G = 1`."""
    return np.cos(t / 2) * np.eye(len(generator)) - 1j * np.sin(t / 2) * generator


def angle(parameter, x, weights):
    kind = type(parameter).__name__
    if kind == "Constant":
        return parameter.value
    if kind == "WeightSlot":
        return parameter.scale * np.ravel(weights)[parameter.index]
    return parameter.scale * x[parameter.index] * (1 if parameter.times is None else x[parameter.times])


def matrix(n_qubits, gate, x, weights):
    name, wires = gate.name, gate.wires
    if name in FIXED:
        return on_wires(n_qubits, {wires[0]: FIXED[name]})
    if name in ("CNOT", "Toffoli"):
        return controlled(n_qubits, wires[:-1], wires[-1], PAULI["X"])
    if name == "CZ":
        return controlled(n_qubits, wires[:1], wires[1], PAULI["Z"])
    if name == "SWAP":
        pairs = [on_wires(n_qubits, dict.fromkeys(wires, pauli)) for pauli in PAULI.values()]
        return (np.eye(2**n_qubits) + sum(pairs)) / 2
    t = angle(gate.parameter, x, weights)
    if name in ("RX", "RY", "RZ"):
        return on_wires(n_qubits, {wires[0]: rotation(PAULI[name[1]], t)})
    if name in ("CRX", "CRY", "CRZ"):
        return controlled(n_qubits, wires[:1], wires[1], rotation(PAULI[name[2]], t))
    if name in ("IsingXX", "IsingYY", "IsingZZ"):
        return rotation(on_wires(n_qubits, dict.fromkeys(wires, PAULI[name[-1]])), t)
    phase = np.diag([1, np.exp(1j * t)])
    if name == "PhaseShift":
        return on_wires(n_qubits, {wires[0]: phase})
    assert name == "ControlledPhaseShift", name
    return controlled(n_qubits, wires[:1], wires[1], phase)


def state(circuit, x, weights):
    """Final state `(2**n,)` for one sample."""
    psi = np.zeros(2**circuit.n_qubits, complex)
    if circuit.amplitudes:
        psi[: len(x)] = x / np.sqrt(np.sum(np.square(x)))
    else:
        psi[0] = 1
    for gate in circuit.gates:
        psi = matrix(circuit.n_qubits, gate, x, weights) @ psi
    return psi


def operator(n_qubits, observable):
    """The matrix of a Pauli word or of a sum of them."""
    total = np.zeros((2**n_qubits, 2**n_qubits), complex)
    for word in getattr(observable, "words", (observable,)):
        paulis = {wire: PAULI[p] for p, wire in zip(word.letters, word.wires, strict=True)}
        total += word.coefficient * on_wires(n_qubits, paulis)
    return total


def values(circuit, inputs, weights):
    """Expectation values `(batch, n_outputs)`."""
    operators = [operator(circuit.n_qubits, observable) for observable in circuit.observables]
    states = [state(circuit, x, weights) for x in inputs]
    return np.array([[(psi.conj() @ matrix @ psi).real for matrix in operators] for psi in states])


def gradients(circuit, inputs, weights, cotangents, step=1e-5):
    """Vector-Jacobian product by central differences: gradients for inputs and weights."""

    def loss(x, w):
        return (values(circuit, x, w) * cotangents).sum()

    result = []
    for which in (0, 1):
        point = [np.array(inputs, float), np.array(weights, float)]
        gradient = np.zeros_like(point[which])
        for at in np.ndindex(gradient.shape):
            shifted = [array.copy() for array in point]
            shifted[which][at] += step
            up = loss(*shifted)
            shifted[which][at] -= 2 * step
            gradient[at] = (up - loss(*shifted)) / (2 * step)
        result.append(gradient)
    return tuple(result)
