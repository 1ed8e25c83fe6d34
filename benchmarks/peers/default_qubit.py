"""PennyLane default.qubit: batched by parameter broadcasting, backpropagation through torch.

https://docs.pennylane.ai/en/stable/introduction/interfaces/torch.html, and "Parameter broadcasting" of QNode.
"""

from torch import nn

from benchmarks.peers import Step
from benchmarks.peers.lightning import operations
from qproj import Circuit


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    import pennylane as qml
    import torch

    @qml.qnode(qml.device("default.qubit", wires=circuit.n_qubits), interface="torch", diff_method="backprop")
    def node(x: torch.Tensor, w: torch.Tensor) -> list[object]:
        operations(circuit, x, w)
        return [qml.expval(qml.Z(word.wires[0])) for word in circuit.words]

    return lambda x: torch.stack(node(x, weights.reshape(-1)), dim=-1)
