"""The comparison of connectors before a language model: what its arms are, that it goes on, and its table."""

import csv
import json
import re
from dataclasses import replace

import numpy as np
import pytest
import torch

from benchmarks import caption_training, connector_sizes
from benchmarks.connector_tables import DOCUMENT, made_anew
from benchmarks.connectors import ARMS, KINDS, SIZED, main
from hybrid.data.caption_dataset import CaptionDataset
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.model.connectors import fresh_connector
from hybrid.training.caption_recipe import load_caption_recipe
from hybrid.training.words import Naming
from tests.hybrid.conftest import parts  # noqa: F401

SIZES = (60, 8)  # widths of features and of tokens


@pytest.fixture(scope="module")
def built():
    """Each arm's connector, ready to be trained."""
    torch.manual_seed(0)
    found = {}
    for name in KINDS:
        connector = ARMS[name](*SIZES)
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


def test_other_sizes_differ_in_what_their_names_say():
    for (varied, n), name in SIZED.items():
        connector = ARMS[name](*SIZES)
        found = {"width": connector.projection.circuit.n_qubits, "tokens": connector.n_tokens}
        assert found == {"width": 10, "tokens": 5} | {varied: n}


@pytest.fixture(scope="module")
def common(parts, tmp_path_factory):  # noqa: F811
    """Options of both commands: captions of ten drawings, a CLIP and a Llama."""
    folder, rng = tmp_path_factory.mktemp("drawings"), np.random.default_rng(5)
    with (folder / "captions.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["image", "caption", "split"])
        for i in range(10):
            scene = sample_scene(rng, 1)
            draw_scene(scene, rng).save(folder / f"{i}.png")
            rows.writerow([f"{i}.png", scene.caption, "val" if i < 3 else "train"])
    towers = ["--vision", parts / "clip", "--language", parts / "llama"]
    return [*map(str, ["--data", folder / "captions.csv", *towers])]


def test_a_comparison_trains_scores_and_goes_on_where_it_was(common, tmp_path):
    output = tmp_path / "found.json"
    call = [*common, "--output", str(output), "--steps", "1", "--words", "1", "--seeds"]
    assert main([*call, "0", "--arms", "linear", "no picture"]) == 0
    first = json.loads(output.read_text())
    assert main([*call, "0", "1", "--arms", "linear"]) == 0
    runs = json.loads(output.read_text())["runs"]
    assert runs[:2] == first["runs"]
    assert [(run["arm"], run["seed"]) for run in runs] == [("linear", 0), ("no picture", 0), ("linear", 1)]
    assert runs[1]["loss, picture"] == runs[1]["loss, shuffled"] != runs[0]["loss, picture"]
    with pytest.raises(SystemExit, match="holds runs of other settings"):
        main([*call, "0", "--pictures", "2"])


def test_sizes_are_learnt_alike_and_scored_on_the_part_kept_aside(common, tmp_path):
    output = tmp_path / "sizes.json"
    call = [*common, "--output", str(output), "--words", "1", "--qubits", "2", "--tokens", "--shots"]
    assert connector_sizes.main(call) == 0
    rows = json.loads(output.read_text())["sizes"]
    assert [(row["kind"], row["width"], row["tokens"]) for row in rows] == [
        ("quantum", 2, 5),
        ("linear", 2, 5),
    ]
    assert rows[0]["loss"] != rows[1]["loss"]


def test_training_is_timed_beside_the_bare_model(common, capsys, monkeypatch):
    def recipe(*given, **options):
        return replace(
            load_caption_recipe(*given, **options), connector=fresh_connector("classical", width=2)
        )

    monkeypatch.setattr(caption_training, "load_caption_recipe", recipe)  # which compiles nothing
    assert caption_training.main([*common, "--steps", "4"]) == 0
    assert re.fullmatch(r"(\d+\.\d+\D+){5}\n", capsys.readouterr().out)


def test_the_loss_of_naming_words_is_that_of_a_formula():
    likeness, shares = np.array([[3, 2, 1], [1, 3, 2]], np.float32), np.array([0.5, 0.5, 0.01])
    naming = Naming(torch.nn.Identity(), torch.eye(3), torch.from_numpy(shares).float())
    held = CaptionDataset([[0]] * 3, [[9, 8, 1], [9, 7, 1], [9, 1]], 0, likeness[:, None], [0, 0, 1])
    words = np.eye(3) - 1 / 3
    cosines = (likeness @ words) / np.linalg.norm(likeness, axis=1)[:, None] / np.linalg.norm(words[0])
    p = 1 / (1 + np.exp(-np.log(shares / (1 - shares)) - 8 * cosines))
    said = np.array([[1, 0.5, 0.5], [1, 0, 0]])
    wanted = -(said * np.log(p) + (1 - said) * np.log(1 - p)).sum(1).mean()
    assert connector_sizes.loss_of(naming, [9, 8, 7], held) == pytest.approx(wanted, rel=1e-5)


def test_the_tables_of_the_docs_are_those_of_the_committed_runs():
    assert DOCUMENT.read_text() == made_anew()
