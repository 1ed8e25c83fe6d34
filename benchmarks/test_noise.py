"""Noise by density matrices, against PennyLane's `default.mixed` with backpropagation, side by side."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

from benchmarks.grid import STRONG, Cell
from benchmarks.recording import beside
from benchmarks.workloads import circuit
from qproj import Circuit, QuantumLayer
from qproj.noise import Channel, NoiseModel

P = 0.01


class Ours:
    """The layer, forward and backward through torch."""

    def __init__(self, cell):
        noise, generator = NoiseModel(Channel("DepolarizingChannel", P)), torch.Generator().manual_seed(0)
        self.layer = QuantumLayer(circuit=circuit(cell), noise=noise, generator=generator)
        self.x = torch.rand(cell.batch, cell.n_qubits, generator=generator).requires_grad_()

    def forward(self):
        with torch.no_grad():
            return self.layer(self.x)

    def both(self):
        self.x.grad = self.layer.weights.grad = None
        self.layer(self.x).sum().backward()


class Mixed:
    """The same circuit on `default.mixed`, broadcast over the batch, jitted by JAX."""

    def __init__(self, ours):
        qml = pytest.importorskip("pennylane", reason="PennyLane is not installed")
        layer = ours.layer
        n = layer.n_qubits
        circuit: Circuit = layer.circuit

        def then(operation):
            for wire in operation.wires:
                qml.DepolarizingChannel(P, wires=wire)

        def run(x, w):
            flat = w.reshape(-1)
            for gate in circuit.plain_gates:
                slot = gate.angle
                if slot is None:
                    then(getattr(qml, gate.name)(wires=gate.wires))
                else:
                    value = x[:, slot.index] if type(slot).__name__ == "InputSlot" else flat[slot.index]
                    then(getattr(qml, gate.name)(slot.scale * value, wires=gate.wires))
            return [qml.expval(qml.PauliZ(wire)) for wire in range(n)]

        node = qml.QNode(run, qml.device("default.mixed", wires=n), interface="jax", diff_method="backprop")
        self._run = jax.jit(lambda x, w: jnp.stack(node(x, w), axis=1))
        self._both = jax.jit(jax.grad(lambda x, w: jnp.stack(node(x, w)).sum(), (0, 1)))
        self._arrays = jnp.asarray(ours.x.detach().numpy()), jnp.asarray(layer.weights.detach().numpy())

    def forward(self):
        return jax.block_until_ready(self._run(*self._arrays))

    def both(self):
        return jax.block_until_ready(self._both(*self._arrays))


@pytest.mark.parametrize("cell", [Cell(STRONG, 4, 32), Cell(STRONG, 6, 32)], ids=str)
def test_density_matrix(benchmark, cell, direction, pace):
    """Against `default.mixed`, with a channel on each wire of every gate."""
    ours = Ours(cell)
    theirs = Mixed(ours)
    np.testing.assert_allclose(ours.forward(), theirs.forward(), atol=1e-5)
    own, other = getattr(ours, direction), getattr(theirs, direction)
    for run in (own, other):
        run()
    beside(benchmark, "noise", "default.mixed, JAX jit", cell, own, other, pace, direction)
