"""The comparison of connectors before a language model: what its arms are, that it goes on, and its table."""

import csv
import json

import numpy as np
import pytest
import torch

from benchmarks.connectors import ARMS, DOCUMENT, FILE, main, written
from benchmarks.documents import filled
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from tests.hybrid.conftest import parts  # noqa: F401

SIZES = (60, 8)  # widths of features and of tokens


@pytest.fixture(scope="module")
def built():
    """Each arm's connector, ready to be trained."""
    torch.manual_seed(0)
    found = {}
    for name, arm in ARMS.items():
        connector = arm(*SIZES)
        connector.reset_parameters()
        connector.speak_to(torch.randn(5, SIZES[1]))
        connector.standardise_to(torch.randn(80, SIZES[0]))
        connector.requires_grad_(True)
        found[name] = connector
    return found


def test_all_give_five_tokens_and_only_the_blind_one_the_same_for_all_pictures(built):
    features = torch.randn(2, SIZES[0])
    for name, connector in built.items():
        tokens = connector(features)
        assert tokens.shape == (2, 5, SIZES[1])
        assert torch.equal(tokens[0], tokens[1]) == (name == "no picture")


def test_arms_have_the_weights_that_their_names_say(built):
    trained = {
        name: sum(p.numel() for p in connector.parameters() if p.requires_grad)
        for name, connector in built.items()
    }
    circuit = built["quantum"].projection.circuit.weights.numel()
    assert trained["quantum"] - trained["quantum, circuit random and frozen"] == circuit
    own = trained["network with the circuit's number of weights"] - trained["linear"]
    assert abs(own - circuit) <= 1
    assert trained["no picture"] == trained["linear"] < trained["wide network"]


def test_every_trained_weight_has_a_rate_and_a_gradient(built):
    for name, connector in built.items():
        tokens = connector(torch.randn(4, SIZES[0]))
        (tokens * torch.randn(5, SIZES[1])).sum().backward()
        for weight, p in connector.named_parameters():
            if p.requires_grad:
                assert any(weight.startswith(f"{part}.") for part in connector.learning_rates(0.1)), weight
                # The blind one begins with tokens of zeros: its biases learn first.
                assert bool(p.grad.any()) or name == "no picture", (name, weight)


def test_a_comparison_trains_scores_and_goes_on_where_it_was(parts, tmp_path):  # noqa: F811
    rng = np.random.default_rng(5)
    with (tmp_path / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption", "split"])
        for i in range(10):
            scene = sample_scene(rng, 1)
            draw_scene(scene, rng).save(tmp_path / f"{i}.png")
            rows.writerow([f"{i}.png", scene.caption, "val" if i < 3 else "train"])
    output = tmp_path / "found.json"
    common = ["--data", tmp_path / "captions.csv", "--vision", parts / "clip", "--language", parts / "llama"]
    call = [*map(str, [*common, "--output", output, "--steps", 1, "--words", 1, "--seeds"])]
    assert main([*call, "0", "--arms", "linear", "no picture"]) == 0
    first = json.loads(output.read_text())
    assert main([*call, "0", "1", "--arms", "linear"]) == 0
    runs = json.loads(output.read_text())["runs"]
    assert runs[:2] == first["runs"]
    assert [(run["arm"], run["seed"]) for run in runs] == [("linear", 0), ("no picture", 0), ("linear", 1)]
    assert runs[1]["loss, picture"] == runs[1]["loss, shuffled"] != runs[0]["loss, picture"]
    with pytest.raises(SystemExit, match="holds runs of other settings"):
        main([*call, "0", "--pictures", "2"])


def test_the_table_of_the_docs_is_that_of_the_committed_runs():
    text = DOCUMENT.read_text()
    assert filled(text, {"connectors": written(json.loads(FILE.read_text()))}, "") == text
