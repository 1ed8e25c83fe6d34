"""Qiskit's own ways beside ours: a network's gradient steps, and Aer's expectation values."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from benchmarks.grid import STRONG, Cell
from benchmarks.recording import beside
from benchmarks.workloads import circuit
from qproj import QuantumLayer

_CELL = Cell(STRONG, 4, 32)
_SHOTS = 1000


@functools.cache
def _inputs():
    generator = torch.Generator().manual_seed(1)
    return torch.randn(_CELL.batch, _CELL.n_qubits, generator=generator)


def _network(**primitives):
    """The cell's circuit as a network behind torch, and the function that takes a step with it."""
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN

    qiskit = circuit(_CELL).to_qiskit()._asdict()
    network = EstimatorQNN(**qiskit, default_precision=0.0, input_gradients=True, **primitives)
    weights = np.random.default_rng(2).uniform(0, 2 * np.pi, len(qiskit["weight_params"]))
    module = TorchConnector(network, weights)

    def step():
        x = _inputs().clone().requires_grad_()
        module.zero_grad()
        values = module(x)
        values.sum().backward()
        return values.detach(), x.grad, module.weight.grad.clone()

    return step


def test_a_network_with_two_arguments_changed(benchmark, pace):
    """`EstimatorQNN` behind `TorchConnector`, forward and backward: its own way, and ours."""
    pytest.importorskip("qiskit_machine_learning")
    from qiskit.primitives import StatevectorEstimator

    from qproj.qiskit import QprojEstimator, QprojEstimatorGradient

    own = _network(estimator=QprojEstimator(), gradient=QprojEstimatorGradient())
    other = _network(estimator=StatevectorEstimator())
    for found, wanted in zip(own(), other(), strict=True):
        # Single precision is the connector's.
        assert (found - wanted).abs().max() < 1e-5
    beside(benchmark, "EstimatorQNN", "qiskit-machine-learning", _CELL, own, other, pace, "both")


def test_aer_by_arrays_of_parameters(benchmark, pace):
    """Expectation values of each qubit's Z by measurements, forward: one job of ours, PennyLane's device."""
    pytest.importorskip("pennylane_qiskit")
    pytest.importorskip("qiskit_aer")
    import pennylane as qml

    # The device has no exact values.
    device = qml.device("qiskit.aer", wires=_CELL.n_qubits)
    layer, theirs = (
        QuantumLayer(circuit=circuit(_CELL), backend=backend, shots=_SHOTS)
        for backend in ("qiskit:aer", device)
    )
    theirs.load_state_dict(layer.state_dict())

    def run(module):
        with torch.no_grad():
            return module(_inputs())

    assert (run(layer) - run(theirs)).abs().max() < 8 * np.sqrt(2 / _SHOTS)
    own, other = functools.partial(run, layer), functools.partial(run, theirs)
    beside(benchmark, f"{_SHOTS} shots on Aer", "pennylane-qiskit", _CELL, own, other, pace)
