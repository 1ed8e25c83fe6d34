"""A deliberately naive simulator: full matrices from Kronecker products, one sample at a time.

It shares the gate list with the package and nothing else: matrices are written out here once more.
"""

import functools
import itertools

import numpy as np

from qproj.circuits.gates import GATES, Gate

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
    "SX": np.array([[1 + 1j, 1 - 1j], [1 - 1j, 1 + 1j]]) / 2,
    "ISWAP": np.array([[1, 0, 0, 0], [0, 0, 1j, 0], [0, 1j, 0, 0], [0, 0, 0, 1]]),
    "SISWAP": np.array(
        [[1, 0, 0, 0], [0, 0.5**0.5, 0.5**0.5 * 1j, 0], [0, 0.5**0.5 * 1j, 0.5**0.5, 0], [0, 0, 0, 1]]
    ),
    "ECR": np.array([[0, 0, 1, 1j], [0, 0, 1j, 1], [1, -1j, 0, 0], [-1j, 1, 0, 0]]) / np.sqrt(2),
}


def kron(a, b):
    """Kronecker product of two matrices; `np.kron` takes thirty times as long for small ones."""
    return (a[:, None, :, None] * b[None, :, None, :]).reshape(len(a) * len(b), -1)


def on_wires(n_qubits, matrices):
    """Kronecker product with `matrices[wire]` on each wire given, wire 0 leftmost."""
    return functools.reduce(kron, [matrices.get(wire, I) for wire in range(n_qubits)])


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


def spread(n_qubits, wires, small):
    """A matrix on some wires, the first of them the most significant bit, as one on all of them."""
    n_small = len(wires)
    tensor = np.asarray(small).reshape((2,) * (2 * n_small))
    state = np.eye(2**n_qubits).reshape((2,) * (2 * n_qubits))
    state = np.tensordot(tensor, state, axes=(range(n_small, 2 * n_small), wires))
    return np.moveaxis(state, range(n_small), wires).reshape(2**n_qubits, 2**n_qubits)


def between(states, size, t, rest=0.0):
    """A turn by `t / 2` from basis state `states[0]` to `states[1]`; all others get the phase `rest`."""
    small = np.exp(1j * rest) * np.eye(size, dtype=complex)
    small[np.ix_(states, states)] = [[np.cos(t / 2), -np.sin(t / 2)], [np.sin(t / 2), np.cos(t / 2)]]
    return small


def rot(phi, theta, omega):
    return rotation(PAULI["Z"], omega) @ rotation(PAULI["Y"], theta) @ rotation(PAULI["Z"], phi)


def u3(theta, phi, delta):
    c, s = np.cos(theta / 2), np.sin(theta / 2)
    return np.array([[c, -s * np.exp(1j * delta)], [s * np.exp(1j * phi), c * np.exp(1j * (phi + delta))]])


def small_matrix(name, angles):
    """The matrix on the gate's own wires, of gates whose matrix depends on angles."""
    if name in ("Rot", "U3"):
        return (rot if name == "Rot" else u3)(*angles)
    if name == "U2":
        return u3(np.pi / 2, *angles)
    if name == "CRot":
        return kron(OFF, I) + kron(ON, rot(*angles))
    (t,) = angles
    sign = {"Plus": 0.5, "inus": -0.5}.get(name[-4:], 0.0)
    if name.startswith("SingleExcitation"):
        return between([1, 2], 4, t, sign * t)
    if name.startswith("DoubleExcitation"):
        return between([3, 12], 16, t, sign * t)
    assert name == "IsingXY", name
    # (XX + YY) / 2 squared is the projector on |01> and |10>.
    exchange = sum(kron(PAULI[p], PAULI[p]) for p in "XY") / 2
    return np.eye(4) + (np.cos(t / 2) - 1) * exchange @ exchange + 1j * np.sin(t / 2) * exchange


def matrix(n_qubits, gate, x, weights):
    """The matrix of a gate on all wires."""
    return matrix_at(n_qubits, gate, *(angle(parameter, x, weights) for parameter in gate.parameters))


@functools.lru_cache(maxsize=1024)  # finite differences ask for most of them again
def matrix_at(n_qubits, gate, *angles):
    name, wires = gate.name, gate.wires
    if name in FIXED or gate.matrix:
        return spread(n_qubits, wires, gate.matrix or FIXED[name])
    if name in ("CNOT", "Toffoli", "CY", "CZ", "CCZ"):
        return controlled(n_qubits, wires[:-1], wires[-1], PAULI.get(name[-1], PAULI["X"]))
    if name == "CH":
        return controlled(n_qubits, wires[:1], wires[1], FIXED["Hadamard"])
    if name == "SWAP":
        pairs = [on_wires(n_qubits, dict.fromkeys(wires, pauli)) for pauli in PAULI.values()]
        return (np.eye(2**n_qubits) + sum(pairs)) / 2
    if name == "CSWAP":
        return spread(n_qubits, wires, np.eye(8)[[0, 1, 2, 3, 4, 6, 5, 7]])
    t = angles[0]
    if name in ("RX", "RY", "RZ"):
        return on_wires(n_qubits, {wires[0]: rotation(PAULI[name[1]], t)})
    if name in ("CRX", "CRY", "CRZ"):
        return controlled(n_qubits, wires[:1], wires[1], rotation(PAULI[name[2]], t))
    if name in ("IsingXX", "IsingYY", "IsingZZ", "MultiRZ"):
        return rotation(on_wires(n_qubits, dict.fromkeys(wires, PAULI[name[-1]])), t)
    phase = np.diag([1, np.exp(1j * t)])
    if name in ("PhaseShift", "U1"):
        return on_wires(n_qubits, {wires[0]: phase})
    if name == "ControlledPhaseShift":
        return controlled(n_qubits, wires[:1], wires[1], phase)
    return spread(n_qubits, wires, small_matrix(name, angles))


def unitary(n_wires, seed=0):
    """A unitary without any structure."""
    rng = np.random.default_rng(seed)
    size = (2**n_wires,) * 2
    return np.linalg.qr(rng.normal(size=size) + 1j * rng.normal(size=size))[0]


def example(name, wires, parameters):
    """A gate of any kind, with the next of an endless supply of parameters for each of its angles."""
    kind = GATES[name]
    angles = tuple(itertools.islice(parameters, kind.n_angles))
    own = unitary(len(wires)) if kind.own_matrix else None
    return Gate(name, wires, angles if kind.several else next(iter(angles), None), own)


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
        paulis = {wire: (PAULI | {"I": I})[p] for p, wire in zip(word.letters, word.wires, strict=True)}
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
