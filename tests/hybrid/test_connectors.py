"""Fresh connectors: where they start, several tokens and positions, and how fast each part learns."""

import json
import math

import numpy as np
import pytest
import torch

from hybrid.model.connectors import build_connector, fresh_connector
from hybrid.model.connectors.connector import principal_directions

VISION, HIDDEN = 24, 16
KINDS = {
    "quantum": fresh_connector(n_qubits=4, n_layers=1, n_tokens=3),
    "classical": fresh_connector("classical", width=4, n_tokens=3),
}


def _features(n=600, seed=0):
    """Features that vary a thousand times as much along some directions as along others."""
    rng = np.random.default_rng(seed)
    mixed = rng.normal(size=(n, VISION)) * np.geomspace(1, 1e-3, VISION)
    turn, _ = np.linalg.qr(rng.normal(size=(VISION, VISION)))
    return torch.from_numpy((mixed @ turn + 3).astype(np.float32))


def _fresh(spec, features=None, seed=0):
    torch.manual_seed(seed)
    connector = build_connector(spec, VISION, HIDDEN)
    connector.reset_parameters()
    connector.standardise_to(_features() if features is None else features)
    return connector


def test_values_of_the_smooth_start_are_sines_of_the_angles():
    # RY(pi/2 + d)|0> has <Z> = -sin(d); CZ commutes with Z, and RY(0) is nothing.
    connector = _fresh(fresh_connector(n_qubits=3, n_layers=2, observables="zz"))
    torch.nn.init.zeros_(connector.projection.circuit.weights)
    angles = connector.angles(_features(seed=1)).detach()
    single = -np.sin(angles.numpy() - math.pi / 2)
    pairs = [single[:, i] * single[:, j] for i in range(3) for j in range(i + 1, 3)]
    values = connector.projection.circuit(angles).detach().numpy()
    np.testing.assert_allclose(values, np.column_stack([single, *pairs]), atol=2e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_normed_tokens_are_as_large_as_the_language_models_embeddings(kind):
    embeddings = torch.randn(50, HIDDEN) * 0.13
    connector = _fresh(KINDS[kind])
    connector.speak_to(embeddings)
    tokens = connector(_features(5)).detach().numpy()
    rms = np.sqrt((tokens**2).mean(-1))
    np.testing.assert_allclose(rms, np.sqrt((embeddings.numpy() ** 2).mean()), rtol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_every_position_of_a_grid_goes_through_one_map(kind):
    grid = _features(20).reshape(4, 5, VISION)
    connector = _fresh(KINDS[kind], grid)
    tokens = connector(grid)
    assert tokens.shape == (4, 5 * 3, HIDDEN)
    apart = torch.stack([connector(grid[:, i]) for i in range(5)], 1)
    torch.testing.assert_close(tokens, apart.flatten(1, 2))


@pytest.mark.parametrize("kind", KINDS)
def test_each_of_several_tokens_has_numbers_of_its_own(kind):
    connector = _fresh(KINDS[kind])
    down, up = (
        (connector.projection.reduce, connector.projection.expand)
        if kind == "quantum"
        else (connector.projector, connector.gate)
    )
    before = connector(_features(5)).detach()
    with torch.no_grad():
        down.weight[4:8] += 0.5  # the second token's
        up.weight[2 * HIDDEN :] += 0.5  # the third's
    after = connector(_features(5)).detach()
    changed = (before - after).abs().amax((0, 2)) > 1e-4
    assert changed.tolist() == [False, True, True]


def test_directions_of_noise_are_not_blown_up():
    x = torch.randn(4000, 3, generator=torch.Generator().manual_seed(0)) * torch.tensor([1.0, 0.5, 1e-4])
    found = principal_directions(x, 3)
    spread = (x @ found.T).std(0)
    np.testing.assert_allclose(spread[:2], 1, rtol=0.05)
    np.testing.assert_allclose(spread[2], 1e-3, rtol=0.1)  # of a tenth of the widest, and not 1


@pytest.mark.parametrize("kind", KINDS)
def test_angles_and_numbers_begin_uncorrelated(kind):
    connector = _fresh(KINDS[kind] | {"n_tokens": 1})
    x = _features()
    with torch.no_grad():
        seen = connector.angles(x) if kind == "quantum" else connector.projector(connector._standardised(x))
    spread = 0.3 if kind == "quantum" else 1.0
    np.testing.assert_allclose(torch.cov(seen.T), spread**2 * np.eye(4), atol=0.02 * spread**2)


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_of_adam_changes_no_part_by_more_than_its_share(kind):
    share = 0.01
    connector, x = _fresh(KINDS[kind]), _features(64)
    rates = connector.learning_rates(share)
    named = dict(connector.named_parameters())
    groups = [
        {"params": [p for n, p in named.items() if n.startswith(f"{part}.")], "lr": rate}
        for part, rate in rates.items()
    ]
    assert sum(len(group["params"]) for group in groups) == len(named)

    def parts():
        with torch.no_grad():
            raw = connector.tokens(connector._standardised(x))
            if kind == "classical":
                return [connector.projector(connector._standardised(x)), raw]
            angles = connector.angles(x)
            return [angles, connector.projection.circuit(angles), raw]

    before = parts()
    (connector(x) * torch.randn(HIDDEN)).sum().backward()
    torch.optim.Adam(groups).step()
    for old, new in zip(before, parts(), strict=True):
        moved = float((new - old).std() / old.std())
        # The parts behind move with those in front: three shares at most, for three parts.
        assert 0.02 * share < moved < 4 * share


def test_old_specifications_mean_what_they_meant():
    connector = _fresh({"type": "quantum", "n_qubits": 2, "n_layers": 1})
    assert set(connector.state_dict()) == {
        "mean", "scale", "values_mean", "values_map", "projection.circuit.weights",
        "projection.reduce.weight", "projection.expand.weight", "projection.expand.bias",
    }  # fmt: skip
    x = _features(6)
    p = connector.projection
    with torch.no_grad():
        angles = (x - connector.mean) * connector.scale @ p.reduce.weight.T
        white = (p.circuit(angles) - connector.values_mean) @ connector.values_map
        expected = white @ p.expand.weight.T + p.expand.bias
        torch.testing.assert_close(connector(x)[:, 0], expected)
    assert float(p.circuit.weights.detach().max()) > 1  # uniform in (0, 2 pi)


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ({"type": "quantum", "start": "flat"}, "start must be one of wide, smooth, but was 'flat'"),
        ({"type": "classical", "n_tokens": 0}, "n_tokens must be at least 1, but was 0"),
    ],
)
def test_options_that_mean_nothing_are_refused(spec, words):
    with pytest.raises(ValueError, match=words):
        build_connector(spec, VISION, HIDDEN)


def test_a_network_of_qiskits_stands_as_the_circuit():
    """And comes back from a configuration, which holds its text."""
    pytest.importorskip("qiskit_machine_learning")
    from qiskit.circuit.library import real_amplitudes, zz_feature_map
    from qiskit_machine_learning.connectors import TorchConnector
    from qiskit_machine_learning.neural_networks import EstimatorQNN, SamplerQNN

    from qproj.qiskit import QprojEstimator, QprojEstimatorGradient, QprojSampler

    inputs, weights = zz_feature_map(2, reps=1), real_amplitudes(2, reps=1)
    parts = {"circuit": inputs.compose(weights), "input_params": inputs.parameters}
    parts["weight_params"] = weights.parameters
    network = EstimatorQNN(estimator=QprojEstimator(), gradient=QprojEstimatorGradient(), **parts)
    module = TorchConnector(network, np.arange(4) / 3)
    spec = json.loads(json.dumps(fresh_connector(circuit=module, n_tokens=2)))
    connector = _fresh(spec)
    own = connector.projection.circuit
    own.weights.data.copy_(module.weight.data)
    angles = connector.angles(_features(5, seed=2)).detach()
    np.testing.assert_allclose(own(angles).detach(), module(angles).detach(), atol=1e-5)
    assert connector(_features(5)).shape == (5, 2, HIDDEN)
    assert all(rate > 0 for rate in connector.learning_rates(0.1).values())
    again = build_connector(json.loads(json.dumps(spec)), VISION, HIDDEN)
    again.load_state_dict(connector.state_dict())
    assert torch.equal(again(_features(5)), connector(_features(5)))

    parity = {"interpret": lambda outcome: outcome.bit_count() % 2, "output_shape": 2}
    summed = SamplerQNN(sampler=QprojSampler(), **parts, **parity)
    with pytest.raises(ValueError, match="makes 2 outputs of 4 outcomes"):
        fresh_connector(circuit=summed)
    with pytest.raises(TypeError, match="must be an EstimatorQNN"):
        fresh_connector(circuit=3)
