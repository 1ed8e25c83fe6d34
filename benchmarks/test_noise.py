"""Noise by density matrices, against PennyLane's `default.mixed` with backpropagation, and Aer, in turn."""

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
NOISE = NoiseModel(Channel("DepolarizingChannel", P))


class Ours:
    """The layer, forward and backward through torch."""

    def __init__(self, cell):
        generator = torch.Generator().manual_seed(0)
        self.layer = QuantumLayer(circuit=circuit(cell), noise=NOISE, generator=generator)
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


@pytest.mark.parametrize("shots", [None, 1000])
def test_aer(benchmark, shots, pace):
    """Against Aer's density matrix, given the whole batch at once, and its shots."""
    pytest.importorskip("qiskit_aer", reason="Aer is not installed")
    cell = Cell(STRONG, 4, 32)
    x = torch.rand(cell.batch, cell.n_qubits, generator=torch.Generator().manual_seed(0))
    ours, theirs = (
        QuantumLayer(
            circuit=circuit(cell),
            noise=NOISE,
            shots=shots,
            backend=backend,
            generator=torch.Generator().manual_seed(1),
        )
        for backend in ("jax", "qiskit:aer")
    )

    def run(layer):
        with torch.no_grad():
            return layer(x)

    scatter = 1e-5 if shots is None else 6 * 2**0.5 / shots**0.5
    torch.testing.assert_close(run(ours), run(theirs), atol=scatter, rtol=0)
    what = "noise" if shots is None else f"noise, {shots} shots"
    beside(benchmark, what, "qiskit:aer", cell, lambda: run(ours), lambda: run(theirs), pace)
