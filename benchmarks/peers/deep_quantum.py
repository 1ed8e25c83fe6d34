"""DeepQuantum: circuits in torch itself, a batch as data that is encoded.

https://deepquantum.turingq.com/, tutorial "Quantum circuits" (`encode=True` for inputs).
"""

from torch import Tensor, nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    import deepquantum as dq

    flat = weights.detach().reshape(-1)
    made = dq.QubitCircuit(circuit.n_qubits)
    for gate in circuit.gates:
        add = getattr(made, gate.name.lower())
        match gate.parameter:
            case InputSlot():
                add(gate.wires[0], encode=True)
            case WeightSlot(index):
                # A parameter of the gate itself, as its documentation has it: building anew is slower.
                add(gate.wires[0])
                made.operators[-1].theta.data.copy_(flat[index])
            case _:
                add(*gate.wires)
    for word in circuit.words:
        made.observable(word.wires[0], "z")

    def step(x: Tensor) -> Tensor:
        made(data=x)
        values: Tensor = made.expectation()
        return values.reshape(len(x), -1)

    return step
