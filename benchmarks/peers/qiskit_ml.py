"""Qiskit Machine Learning: EstimatorQNN behind TorchConnector, exact expectation values.

https://qiskit-community.github.io/qiskit-machine-learning/tutorials/05_torch_connector.html, with
`input_gradients=True` as it asks for inside a torch model. Its gradient is parameter shift, the default; the
exact estimator is its own `QMLEstimator`.
"""

from torch import nn

from benchmarks.peers import Step
from qproj import Circuit, InputSlot, WeightSlot


def build(circuit: Circuit, weights: nn.Parameter) -> Step:
    """See `benchmarks.peers.build`."""
    from qiskit import QuantumCircuit
    from qiskit.circuit import ParameterVector
    from qiskit.quantum_info import SparsePauliOp
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN
    from qiskit_machine_learning.primitives import QMLEstimator

    n = circuit.n_qubits
    made = QuantumCircuit(n)
    inputs = ParameterVector("x", circuit.n_inputs)
    trained = ParameterVector("w", weights.numel())
    for gate in circuit.gates:
        add = getattr(made, {"CNOT": "cx"}.get(gate.name, gate.name.lower()))
        match gate.parameter:
            case InputSlot(index):
                add(inputs[index], *gate.wires)
            case WeightSlot(index):
                add(trained[index], *gate.wires)
            case _:
                add(*gate.wires)
    network = EstimatorQNN(
        circuit=made,
        estimator=QMLEstimator(),
        observables=[
            SparsePauliOp.from_sparse_list([("Z", [word.wires[0]], 1)], num_qubits=n)
            for word in circuit.words
        ],
        input_params=inputs,
        weight_params=trained,
        input_gradients=True,
    )
    connector = TorchConnector(network)
    # The same memory: a step of an optimiser on one is a step of the other.
    connector.weight.data = weights.detach().reshape(-1)
    step: Step = connector
    return step
