"""A connector's circuit run in other ways: with shots, and with noise against PennyLane's own channel."""

import numpy as np
import pennylane as qml
import pytest
import torch
from transformers import set_seed

from hybrid.inference.measuring import expectation_values
from hybrid.inference.noise import depolarised
from qproj import Circuit, QuantumLayer
from qproj.circuits.gates import Gate


@pytest.fixture
def features(tiny):
    return torch.randn(2, tiny[0].config.vision_hidden_size, generator=torch.Generator().manual_seed(2))


def test_every_backend_gives_what_the_connector_passes_on(tiny, features):
    connector = tiny[0].connector
    for backend in ("jax", "default.qubit", "lightning.qubit"):
        values = expectation_values(connector, features, backend=backend)
        wanted = connector(features)[:, 0]
        torch.testing.assert_close(connector.tokens_of(values), wanted, atol=1e-5, rtol=1e-4)
    assert connector.projection.circuit.backend == "jax"


def test_shots_scatter_around_the_exact_values(tiny, features):
    connector, n = tiny[0].connector, 20_000
    exact = expectation_values(connector, features)
    set_seed(4)
    values = expectation_values(connector, features, backend="default.qubit", shots=n)
    deviation = (1 - exact**2).sqrt() / n**0.5
    assert 0 < ((values - exact) / deviation).abs().max() < 4.5


def _exactly_depolarised(layer, angles, probability):
    """The same circuit as a density matrix, with PennyLane's channel behind every gate."""
    device = qml.device("default.mixed", wires=layer.n_qubits)
    slots = [*angles.tolist()], layer.weights.detach().flatten().tolist()

    @qml.qnode(device)
    def values():
        # RY to encode, Rot as RZ RY RZ, a ring of CNOTs a layer, as the layer's drawing shows.
        def then(operation):
            for wire in operation.wires:
                qml.DepolarizingChannel(probability, wires=wire)

        n, weights = layer.n_qubits, iter(slots[1])
        for wire, angle in enumerate(slots[0]):
            then(qml.RY(angle, wires=wire))
        for depth in range(layer.n_layers):
            for wire in range(n):
                for kind in (qml.RZ, qml.RY, qml.RZ):
                    then(kind(next(weights), wires=wire))
            for wire in range(n):
                then(qml.CNOT(wires=[wire, (wire + depth % (n - 1) + 1) % n]))
        return [qml.expval(qml.PauliZ(wire)) for wire in range(n)]

    return torch.tensor(np.array(values()))


def test_noise_is_pennylanes_channel_on_average(tiny):
    layer = tiny[0].connector.projection.circuit
    angles = torch.tensor([[0.3, -0.7, 1.1]])
    exact = _exactly_depolarised(layer, angles[0], 0.0)
    torch.testing.assert_close(layer(angles)[0].detach().double(), exact, atol=1e-5, rtol=0)
    wanted = _exactly_depolarised(layer, angles[0], 0.05)
    assert (wanted - exact).abs().max() > 0.1
    values = depolarised(layer, angles, 0.05, trajectories=600)[0].double()
    assert (values - wanted).abs().max() < 0.08  # about four standard errors: a value is within [-1, 1]


def test_an_error_may_hit_each_wire_of_a_gate():
    """Two of three Paulis turn the sign of Z: its expectation value shrinks by 4/3 of the probability."""
    layer = QuantumLayer(circuit=Circuit(2, gates=[Gate("CNOT", (0, 1))]))
    values = depolarised(layer, torch.zeros(1, 0), 0.3, trajectories=1500)
    torch.testing.assert_close(values, torch.full((1, 2), 1 - 4 / 3 * 0.3), atol=0.1, rtol=0)


def test_without_errors_noise_changes_nothing_and_a_seed_repeats_it(tiny, features):
    connector = tiny[0].connector
    layer, angles = connector.projection.circuit, connector.angles(features).detach()
    none = depolarised(layer, angles, 0.0, trajectories=1)
    torch.testing.assert_close(none, layer(angles).detach(), atol=1e-5, rtol=1e-4)
    once, again, other = (expectation_values(connector, features, error=0.1, seed=s) for s in (1, 1, 2))
    assert once.equal(again)
    assert not once.equal(other)
    with pytest.raises(ValueError, match="probability must be in"):
        depolarised(layer, angles, 1.5)
