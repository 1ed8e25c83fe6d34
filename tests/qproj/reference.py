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


def on_wires(n_qubits, matrices):
    """Kronecker product with `matrices[wire]` on each wire given, wire 0 leftmost."""
    return functools.reduce(np.kron, [matrices.get(wire, I) for wire in range(n_qubits)])


def angle(parameter, x, weights):
    kind = type(parameter).__name__
    if kind == "Constant":
        return parameter.value
    source = x if kind == "InputSlot" else np.ravel(weights)
    return parameter.scale * source[parameter.index]


def matrix(n_qubits, gate, x, weights):
    if gate.name == "CNOT":
        control, target = gate.wires
        return on_wires(n_qubits, {control: OFF}) + on_wires(n_qubits, {control: ON, target: PAULI["X"]})
    if gate.name == "Hadamard":
        return on_wires(n_qubits, {gate.wires[0]: (PAULI["X"] + PAULI["Z"]) / np.sqrt(2)})
    half = angle(gate.parameter, x, weights) / 2
    rotation = np.cos(half) * I - 1j * np.sin(half) * PAULI[gate.name[1]]
    return on_wires(n_qubits, {gate.wires[0]: rotation})


def state(circuit, x, weights):
    """Final state `(2**n,)` for one sample."""
    psi = np.zeros(2**circuit.n_qubits, complex)
    psi[0] = 1
    for gate in circuit.gates:
        psi = matrix(circuit.n_qubits, gate, x, weights) @ psi
    return psi


def values(circuit, inputs, weights):
    """Expectation values `(batch, n_outputs)`."""
    rows = []
    for x in inputs:
        psi = state(circuit, x, weights)
        row = []
        for word in circuit.words:
            paulis = {wire: PAULI[p] for p, wire in zip(word.letters, word.wires, strict=True)}
            operator = word.coefficient * on_wires(circuit.n_qubits, paulis)
            row.append((psi.conj() @ operator @ psi).real)
        rows.append(row)
    return np.array(rows)


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
