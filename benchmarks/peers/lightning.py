"""PennyLane lightning.qubit: adjoint differentiation on the device, a circuit a sample.

https://docs.pennylane.ai/projects/lightning/en/stable/lightning_qubit/device.html, and `device_vjp` of QNode:
https://docs.pennylane.ai/en/stable/code/api/pennylane.QNode.html
"""

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


def operations(circuit: Circuit, x: Tensor, w: Tensor) -> None:
    """Queue the circuit's gates, for angles `(..., n_inputs)`."""
    import pennylane as qml

    for gate in circuit.gates:
        kind = getattr(qml, gate.name)
        match gate.parameter:
            case InputSlot(index):
                kind(x[..., index], wires=gate.wires)
            case WeightSlot(index):
                kind(w[index], wires=gate.wires)
            case _:
                kind(wires=gate.wires)


def build(circuit: Circuit, weights: nn.Parameter, *, device_vjp: bool) -> Step:
    """See `benchmarks.peers.build`."""
    import pennylane as qml

    c_dtype = np.complex128 if weights.dtype == torch.float64 else np.complex64
    device = qml.device("lightning.qubit", wires=circuit.n_qubits, c_dtype=c_dtype)

    @qml.qnode(device, interface="torch", diff_method="adjoint", device_vjp=device_vjp)
    def node(x: Tensor, w: Tensor) -> list[object]:
        operations(circuit, x, w)
        return [qml.expval(qml.Z(word.wires[0])) for word in circuit.words]

    def step(x: Tensor) -> Tensor:
        # Lightning loops over a broadcast batch as well; PennyLane then splits the circuit for it.
        return torch.stack(node(x, weights.reshape(-1)), dim=-1)

    return step
