"""DeepQuantum: circuits in torch itself, a batch as data that is encoded.

https://deepquantum.turingq.com/, tutorial "Quantum circuits" (`encode=True` for inputs).
"""

from torch import Tensor, nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


class DeepQuantum(nn.Module):
    """Its circuit as a step; the weights are parameters of its gates, since building anew is slower."""

    def __init__(self, circuit: Circuit, weights: nn.Parameter) -> None:
        import deepquantum as dq

        super().__init__()
        flat = weights.detach().reshape(-1)
        made = dq.QubitCircuit(circuit.n_qubits)
        for gate in circuit.gates:
            add = getattr(made, gate.name.lower())
            match gate.parameter:
                case InputSlot():
                    add(gate.wires[0], encode=True)
                case WeightSlot(index):
                    add(gate.wires[0])
                    made.operators[-1].theta.data.copy_(flat[index])
                case _:
                    add(*gate.wires)
        for word in circuit.words:
            made.observable(word.wires[0], "z")
        self.made = made.to(weights.device, weights.dtype)

    def forward(self, x: Tensor) -> Tensor:
        """See `benchmarks.peers`."""
        self.made(data=x)
        values: Tensor = self.made.expectation()
        return values.reshape(len(x), -1)


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    return DeepQuantum(circuit, weights)
