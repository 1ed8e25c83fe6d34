"""A connector's circuit run in other ways: with shots, and with noise against PennyLane's own channel."""

import pytest
import torch
from transformers import set_seed

from hybrid.inference.measuring import expectation_values
from qproj.noise import Channel, NoiseModel


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


def test_noise_reaches_the_circuit(tiny, features):
    """The values are those of PennyLane's device for density matrices."""
    connector = tiny[0].connector
    noise = NoiseModel(Channel("DepolarizingChannel", 0.05), readout=0.02)
    exact = expectation_values(connector, features)
    values = expectation_values(connector, features, noise=noise)
    wanted = expectation_values(connector, features, noise=noise, backend="default.mixed")
    torch.testing.assert_close(values, wanted, atol=1e-5, rtol=0)
    assert (values - exact).abs().max() > 0.05
