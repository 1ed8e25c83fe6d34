"""The whole recipe at a toy size: what it makes, that it goes on where it stopped, what it leaves alone."""

import dataclasses
import json
import shutil

import numpy as np
import pytest
import torch

import hybrid
from hybrid.data.batches import IGNORED
from hybrid.data.scene_arrays import ATTRIBUTES, NOTHING
from hybrid.data.scenes import RELATIONS
from hybrid.data.shapes import SHAPES
from hybrid.inference.captioning import caption_pictures
from hybrid.inference.out_of_distribution import Detector
from hybrid.inference.things import Frame
from hybrid.loading.checkpoints import CheckpointError, checkpoints_in, verify
from hybrid.loading.compose import compose
from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.quantum import QuantumConnector
from hybrid.model.lora import merge_lora
from hybrid.training import fitting, vision
from hybrid.training.connector import add_lora, match_tokens, train_connector
from hybrid.training.language import captions, prompted, train_tokenizer
from hybrid.training.miniature import MiniatureRun
from hybrid.training.noisy import add_shot_noise
from hybrid.training.recipe import (
    ConnectorPhase,
    DevicePhase,
    VisionPhase,
    load_recipe,
    parse_recipe,
    presets,
)


def _toy():
    recipe = load_recipe("scenes-mini")
    return dataclasses.replace(
        recipe,
        scenes=dataclasses.replace(recipe.scenes, train=48, held_out=12, crowds=24, image_size=32),
        vision=dataclasses.replace(
            recipe.vision, hidden_size=32, layers=2, heads=2,
            phases=(VisionPhase("crowds", 24, 2, 16, 1e-3, False),
                    VisionPhase("scenes", 40, 3, 16, 1e-3, True)),
        ),
        language=dataclasses.replace(
            recipe.language, hidden_size=32, layers=1, heads=2, captions=300, steps=3, batch_size=16
        ),
        connector=dataclasses.replace(
            recipe.connector, n_qubits=3, n_layers=1, lora_rank=4, batch_size=8,
            teacher=ConnectorPhase(2, 1e-3, 1), bottleneck=ConnectorPhase(2, 1e-3, 1),
            match_steps=2, match_batch_size=16,
            phases=(ConnectorPhase(2, 1e-3, 1), ConnectorPhase(1, 1e-3, 2)),
        ),
        device=dataclasses.replace(
            recipe.device, n_layers=1, match_pictures=48, match_steps=2, phases=(DevicePhase(2, 1e-3, 2, 64),)
        ),
    )  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    said = []
    model = MiniatureRun(_toy(), folder, seed=0, workers=1, log=said.append).run()
    return folder, model, said


@pytest.fixture
def data(tiny):
    model, processor = tiny
    rng = np.random.default_rng(0)
    texts = captions(64, 1)
    features = rng.normal(size=(64, model.config.vision_hidden_size)).astype(np.float32) * 3 + 1
    prefix = [processor.image_token_id]
    return prompted(texts, [processor.prompt], processor.tokenizer, 0, prefix, features)


def test_a_run_ends_in_a_model_that_captions(finished, pictures):
    _, folder, _ = finished
    model, processor = hybrid.load(folder)
    assert model.config.connector["type"] == "quantum"
    assert model.config.connector["start"] == "smooth"
    assert list(caption_pictures(model, processor, [pictures[0]]))
    metrics = json.loads((folder / "metrics.json").read_text())
    for connector in ("quantum", "quantum forerunner", "classical", "narrow classical"):
        for token in ("picture", "shuffled", "zeroed"):
            assert metrics[connector][token]["n_one"] + metrics[connector][token]["n_two"] == 12
    assert len(Detector.load(folder).unfamiliar([Frame.of(pictures[0])])) == 1
    card = (folder / "README.md").read_text()
    assert "hybrid train --preset scenes-mini" in card
    assert "shuffled" in card


def test_finished_stages_are_passed_over_and_a_lost_one_is_made_again(finished):
    folder, model, _ = finished
    weights = (model / "model.safetensors").read_bytes()
    said = []
    MiniatureRun(_toy(), folder, seed=0, workers=1, log=said.append).run()
    assert all(line.endswith("done already") for line in said)
    (folder / "device" / "done.json").unlink()
    for path in sorted((folder / "device").rglob("*"), reverse=True):
        path.rmdir() if path.is_dir() else path.unlink()
    MiniatureRun(_toy(), folder, seed=0, workers=1, log=said.append).run()
    assert (model / "model.safetensors").read_bytes() == weights  # the same stage, to the bit


def test_another_recipe_or_seed_in_the_same_folder_is_refused(finished):
    folder, _, _ = finished
    with pytest.raises(ValueError, match="another recipe or seed"):
        MiniatureRun(_toy(), folder, seed=1)


def test_only_connector_and_lora_change(tiny, data, tmp_path):
    model, _ = tiny
    add_lora(model, rank=2)
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    trainable = {name for name, p in model.named_parameters() if p.requires_grad}
    assert all("lora_" in name or name.startswith("connector.") for name in trainable)
    train_connector(
        model, data, tmp_path, steps=3, batch_size=8, learning_rate=1e-2, connector_learning_rate=1e-2, seed=0
    )
    changed = {name for name, p in model.named_parameters() if not torch.equal(p, before[name])}
    lora = {name for name in before if "lora_" in name}
    assert changed == lora | {name for name in before if name.startswith("connector.")}
    assert "connector.projection.circuit.weights" in changed


def test_training_lowers_the_loss(tiny, data, tmp_path):
    model, _ = tiny
    add_lora(model, rank=4)
    batch = data.__getitems__(range(64))
    with torch.no_grad():
        before = model(**batch).loss
    train_connector(
        model,
        data,
        tmp_path,
        steps=30,
        batch_size=16,
        learning_rate=1e-2,
        connector_learning_rate=1e-2,
        seed=0,
    )
    with torch.no_grad():
        assert model.eval()(**batch).loss < 0.8 * before
    steps = [json.loads(line)["step"] for line in (tmp_path / "log.jsonl").read_text().splitlines()]
    assert steps[-1] == 30


def test_stopped_and_resumed_equals_uninterrupted(parts, data, tmp_path, monkeypatch):
    """To the bit: weights after 8 steps, and after 4 steps, a fresh model and 4 more."""

    def run(folder):
        torch.manual_seed(3)
        model, _ = compose(parts / "clip", parts / "llama", {"type": "quantum", "n_qubits": 3, "n_layers": 2})
        add_lora(model, rank=2)
        train_connector(
            model,
            data,
            folder,
            steps=8,
            batch_size=8,
            learning_rate=1e-2,
            connector_learning_rate=1e-2,
            seed=0,
        )
        return model.state_dict()

    def stop_at_four(self, args, state, control, **kwargs):
        if state.global_step == 4:
            control.should_save = control.should_training_stop = True

    whole = run(tmp_path / "whole")
    with monkeypatch.context() as patch:
        patch.setattr(fitting.LogFile, "on_step_end", stop_at_four)
        halfway = run(tmp_path / "parts")
    assert any(not torch.equal(whole[name], value) for name, value in halfway.items())
    resumed = run(tmp_path / "parts")
    finished = run(tmp_path / "parts")  # there is nothing left to do
    for name, value in whole.items():
        assert torch.equal(resumed[name], value), name
        assert torch.equal(finished[name], value), name


def test_checkpoints_are_whole_and_a_flipped_bit_is_refused(tiny, data, tmp_path):
    model, _ = tiny
    add_lora(model, rank=2)
    options = {"batch_size": 8, "learning_rate": 1e-2, "connector_learning_rate": 1e-2, "seed": 0}
    train_connector(model, data, tmp_path, steps=4, **options)
    (last,) = checkpoints_in(tmp_path)
    assert last.name == "checkpoint-4"
    verify(last)
    half = tmp_path / "checkpoint-9"  # what a kill would leave of one that is written in place
    shutil.copytree(last, half)
    (half / "digests.json").unlink()
    data_of_file = bytearray((last / "optimizer.pt").read_bytes())
    data_of_file[-9] ^= 1
    (last / "optimizer.pt").write_bytes(data_of_file)
    for steps in (4, 8):
        with pytest.raises(CheckpointError, match=r"checkpoint-4: optimizer\.pt is not what was saved"):
            train_connector(model, data, tmp_path, steps=steps, **options)


def test_merging_lora_leaves_a_plain_model_that_says_the_same(tiny, data, tmp_path):
    model, _ = tiny
    names = set(model.state_dict())
    add_lora(model, rank=2)
    train_connector(
        model, data, tmp_path, steps=3, batch_size=8, learning_rate=1e-2, connector_learning_rate=1e-2, seed=0
    )
    batch = data.__getitems__([0, 1, 2])
    with torch.no_grad():
        wanted = model.eval()(**batch).logits
        merge_lora(model)
        torch.testing.assert_close(model(**batch).logits, wanted, atol=1e-4, rtol=1e-4)
    assert set(model.state_dict()) == names


@pytest.fixture
def connectors():
    """A trained-looking wide classical connector, its narrow follower, and features with structure."""
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(512, 6, generator=generator) @ torch.randn(6, 24, generator=generator) + 0.5
    torch.manual_seed(0)
    wide = ClassicalConnector(24, 20, width=32)
    wide.standardise_to(features)
    return features, wide, wide.narrowed(4, features)


def test_a_narrowed_connector_keeps_the_leading_components(connectors):
    features, wide, narrow = connectors
    with torch.no_grad():
        wanted, got = wide(features)[:, 0], narrow(features)[:, 0]
        inner = narrow.projector((features - narrow.mean) * narrow.scale)
        torch.testing.assert_close(wide.narrowed(6, features)(features)[:, 0], wanted, atol=1e-4, rtol=1e-4)
    # What is lost is what the components left out had: no linear map of four numbers loses less.
    variance = torch.linalg.eigvalsh(torch.cov(wanted.T))
    lost = (wanted - got).pow(2).sum(1).mean() * 512 / 511
    torch.testing.assert_close(lost, variance[:-4].sum(), atol=1e-4, rtol=1e-3)
    torch.testing.assert_close(torch.cov(inner.T), torch.eye(4), atol=1e-3, rtol=1e-3)


def test_a_normed_connector_is_narrowed_to_one_that_is_normed(connectors):
    features, _, _ = connectors
    wide = ClassicalConnector(24, 20, width=32, normed=True)
    wide.standardise_to(features)
    wide.speak_to(torch.full((1, 20), 0.3))
    with torch.no_grad():
        wanted, got = wide(features), wide.narrowed(6, features)(features)  # the features have six directions
        torch.testing.assert_close(got, wanted, atol=1e-4, rtol=1e-4)
        torch.testing.assert_close(got.square().mean(-1).sqrt(), torch.full((512, 1), 0.3))


def test_a_quantum_connector_starts_from_a_narrow_one(connectors):
    features, _, narrow = connectors
    torch.manual_seed(1)
    quantum = QuantumConnector(24, 20, n_qubits=4, n_layers=2)
    quantum.start_from(narrow, features)
    p = quantum.projection
    with torch.no_grad():
        x = (features - quantum.mean) * quantum.scale
        torch.testing.assert_close(p.reduce(x).std(0), torch.ones(4), atol=1e-3, rtol=1e-3)
        values = (p.circuit(p.reduce(x)) - quantum.values_mean) @ quantum.values_map
        torch.testing.assert_close(torch.cov(values.T), torch.eye(4), atol=1e-2, rtol=1e-2)
        wanted = narrow(features)[:, 0]
        off = (quantum(features)[:, 0] - wanted).pow(2).sum()
        # Least squares: no change of the last map comes nearer.
        design = torch.cat([values, torch.ones(512, 1)], 1)
        best = wanted - design @ torch.linalg.lstsq(design, wanted).solution
    torch.testing.assert_close(off, best.pow(2).sum(), rtol=1e-2, atol=1e-4)
    with pytest.raises(ValueError, match=r"narrow must pass through 3 numbers.*width was 4"):
        QuantumConnector(24, 20, n_qubits=3).start_from(narrow, features)


def test_the_linear_map_nearest_to_a_connector_is_found(connectors):
    """Of one that is linear itself, and a circuit's spread is as asked for."""
    features, wide, _ = connectors
    with torch.no_grad():
        found = ClassicalConnector.fitted(wide, features, 6)  # the features have six directions
        torch.testing.assert_close(found(features), wide(features), atol=1e-3, rtol=1e-3)
        quantum = QuantumConnector(24, 20, 6, 2, ansatz="simplified_two_design", start="smooth")
        quantum.reset_parameters()
        quantum.start_from(found, features, 0.8)
        angles = quantum.angles(features)
        torch.testing.assert_close(angles.std(0), torch.full((6,), 0.8), atol=1e-3, rtol=0)
        values = quantum.projection.circuit(angles)
    assert values.std(0).min() > 0.4  # a normal angle of spread 0.8 gives a sine of 0.6


def test_values_scatter_as_means_of_measurements(connectors):
    features, _, _ = connectors
    quantum = QuantumConnector(24, 20, n_qubits=3, n_layers=2)
    quantum.standardise_to(features)
    angles, circuit = quantum.angles(features[:1]), quantum.projection.circuit
    exact, n, shots = circuit(angles).detach(), 2000, 50
    handle = add_shot_noise(quantum, shots)
    torch.manual_seed(0)
    found = circuit(angles.expand(n, -1))
    variance = (1 - exact**2) / shots
    assert ((found.mean(0) - exact).abs() < 5 * (variance / n).sqrt()).all()
    assert ((found.var(0) / variance - 1).abs() < 5 * (2 / n) ** 0.5).all()
    (slope,) = torch.autograd.grad(found.sum(), circuit.weights)
    handle.remove()
    wanted = torch.autograd.grad(circuit(angles.expand(n, -1)).sum(), circuit.weights)[0]
    torch.testing.assert_close(slope, wanted, rtol=1e-4, atol=1e-2)
    with pytest.raises(ValueError, match="shots must be left out in training where probs"):
        add_shot_noise(QuantumConnector(24, 20, n_qubits=3, n_layers=1, observables="probs"), 5)


def test_standardising_whitens_the_expectation_values(connectors):
    features, _, _ = connectors
    torch.manual_seed(1)
    quantum = QuantumConnector(24, 20, n_qubits=3, n_layers=2)
    quantum.standardise_to(features)
    with torch.no_grad():
        quantum.projection.expand = torch.nn.Identity()
        values = quantum.tokens((features - quantum.mean) * quantum.scale)
    torch.testing.assert_close(torch.cov(values.T), torch.eye(3), atol=1e-2, rtol=1e-2)
    torch.testing.assert_close(values.mean(0), torch.zeros(3), atol=1e-4, rtol=0)
    quantum.projection.expand = torch.nn.Linear(3, 20)
    quantum.reset_parameters()
    assert torch.equal(quantum.values_map, torch.eye(3))


def test_matching_brings_tokens_near_the_teachers(connectors, tmp_path):
    features, _, narrow = connectors
    torch.manual_seed(1)
    quantum = QuantumConnector(24, 20, n_qubits=4, n_layers=2)
    quantum.start_from(narrow, features)

    def off():
        with torch.no_grad():
            wanted = narrow(features)
            return (quantum(features) - wanted).pow(2).mean() / wanted.var(0).mean()

    before = off()
    match_tokens(
        quantum, narrow, features.numpy(), tmp_path, steps=60, batch_size=32, learning_rate=3e-2, seed=0
    )
    assert off() < 0.5 * before


def test_captions_can_come_more_than_once_in_a_pass():
    texts = ["a small red circle", "a large blue ring"]
    tokenizer = train_tokenizer(captions(200, 0), [""], 400)
    data = prompted(texts, [""], tokenizer, 0)
    assert len(data) == 2
    data.repeat(np.array([1, 2]))
    assert len(data) == 3
    rows = data.__getitems__([0, 1, 2])["input_ids"]
    assert torch.equal(rows[1], rows[2])
    assert not torch.equal(rows[0], rows[1])


def test_labels_score_the_caption_and_its_end_only():
    tokenizer = train_tokenizer(captions(200, 0), ["Describe: ", ""], 400)
    data = prompted(
        ["a small red circle", "a large blue ring above a small red heart"], ["Describe: "], tokenizer, 0
    )
    batch = data.__getitems__([0, 1])
    for row in range(2):
        scored = batch["labels"][row] != IGNORED
        assert torch.equal(batch["labels"][row][scored], batch["input_ids"][row][scored])
        text = tokenizer.decode(batch["input_ids"][row][scored])
        assert text in ("a small red circle</s>", "a large blue ring above a small red heart</s>")
        assert batch["attention_mask"][row].sum() >= scored.sum()
    assert batch["attention_mask"][0].sum() < batch["attention_mask"][1].sum()


def test_roles_are_told_only_where_they_are_clear():
    def label(*words):
        return [v.index(w) for w, v in zip(words, ATTRIBUTES.values(), strict=True)]

    star, ring, nothing = [SHAPES.index("star"), 0], [SHAPES.index("ring"), 0], [NOTHING, NOTHING]
    labels = torch.tensor(
        [
            label("small", "red", "star", "large", "red", "ring", "below"),
            label("small", "red", "star", "large", "red", "star", "below"),
            label("small", "red", "star", "", "", "", ""),
        ]
    )
    cells = torch.tensor([[star, ring, nothing], [star, star, nothing], [star, star, nothing]])
    below = RELATIONS.index("below")
    told = vision._roles(cells, labels)
    assert told[0].tolist() == [[0, below], [1, below], nothing]
    assert (told[1:] == NOTHING).all()


def test_every_preset_is_a_recipe():
    assert "scenes-mini" in presets()
    for name in presets():
        assert load_recipe(name).name == name


def test_all_faults_of_a_recipe_are_told_at_once():
    with pytest.raises(ValueError, match="unknown") as error:
        parse_recipe("mine", {"scenes": {"train": "many", "held_out": 3, "colour": 1}})
    for fault in (
        "scenes.colour is unknown",
        "scenes.image_size is missing",
        "scenes.train must be int",
        "vision.phases is missing",
    ):
        assert fault in str(error.value)
    with pytest.raises(ValueError, match="scenes-mini"):
        load_recipe("senes-mini")
