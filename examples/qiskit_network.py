"""A network of Qiskit Machine Learning on this engine: a user's own script with two arguments changed.

Run it with ``python examples/qiskit_network.py`` where ``qproj[qiskit]`` and ``qiskit-machine-learning`` are
installed; it takes a few seconds.
"""

import torch
from qiskit import QuantumCircuit
from qiskit.circuit import ParameterVector
from qiskit.quantum_info import SparsePauliOp
from qiskit_machine_learning.connectors import TorchConnector
from qiskit_machine_learning.neural_networks import EstimatorQNN

import qproj
from qproj.qiskit import QprojEstimator, QprojEstimatorGradient


def main() -> float:
    """Train, and return the last loss."""
    inputs, weights = ParameterVector("x", 1), ParameterVector("w", 4)
    circuit = QuantumCircuit(2)
    for qubit in range(2):
        circuit.ry(weights[qubit], qubit)
        circuit.rx(inputs[0], qubit)
    circuit.cx(0, 1)
    for qubit in range(2):
        circuit.ry(weights[2 + qubit], qubit)
    network = EstimatorQNN(
        circuit=circuit,
        observables=SparsePauliOp("ZZ"),
        input_params=inputs,
        weight_params=weights,
        estimator=QprojEstimator(),
        gradient=QprojEstimatorGradient(),
    )
    torch.manual_seed(0)
    model = TorchConnector(network)
    x = torch.linspace(-3, 3, 32)[:, None]
    y = 0.8 * torch.cos(x)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    for step in range(75):
        optimizer.zero_grad()
        loss = torch.nn.functional.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        if step % 25 == 0:
            print(f"step {step:2d}  loss {loss.item():.4f}")
    layer = qproj.from_qnn(model)
    loss = torch.nn.functional.mse_loss(layer(x), y)
    print(f"as a layer of this package: loss {loss.item():.4f}")
    print(layer.circuit)
    return loss.item()


if __name__ == "__main__":
    main()
