"""From a folder of drawings to a captioner: train, evaluate, distil and train on, as a user would."""

import json
import math

import numpy as np
import pytest
import torch

import hybrid
from hybrid.data.caption_dataset import PairDataset
from hybrid.data.drawing import draw_scene
from hybrid.data.pairs import read_pairs
from hybrid.data.scenes import sample_scene
from hybrid.evaluation.captions import perplexity
from hybrid.evaluation.scenes import vision_tokens
from hybrid.loading.load import load_adapter
from hybrid.model.connectors.quantum import QuantumConnector
from tests.hybrid.conftest import one_line

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """384 scenes of one object, the last 24 to test on."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(5)
    rows = []
    for i in range(384):
        scene = sample_scene(rng, 1)
        draw_scene(scene, rng).resize((64, 64)).save(folder / f"{i}.png")
        split = "test" if i >= 360 else "train"
        rows.append(json.dumps({"image": f"{i}.png", "caption": scene.caption, "split": split}))
    (folder / "scenes.jsonl").write_text("\n".join(rows))
    return folder / "scenes.jsonl"


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    return tmp_path_factory.mktemp("made")


@pytest.fixture
def teacher(run, drawn, made):
    """A classical connector that learnt from the drawings to speak to the miniature's language model."""
    folder = made / "teacher"
    if not folder.exists():
        options = ["--preset", "scenes-mini", "--connector", "classical", "--connector-epochs", 15]
        options += ["--epochs", 0]
        where = ["--data", drawn, "--cache", made, "--output", folder, "--device", "cpu", "--batch-size", 24]
        code, out, err = run("train", *options, *where)
        assert code == 0, err
        assert out.strip() == str(folder / "model")
        assert "131,712 of 1,648,512 parameters are trained, 0 of them quantum" in err
    return folder / "model"


def _evaluate(run, model, drawn, made, *more):
    code, out, err = run("eval", "--data", drawn, "--model", model, "--cache", made, "--device", "cpu", *more)
    assert code == 0, err
    return out


def test_what_was_learnt_shows_on_drawings_never_seen(run, teacher, drawn, made, tmp_path):
    file = tmp_path / "scores.json"
    out = _evaluate(run, teacher, drawn, made, "--output", file, "--captions")
    report = json.loads(file.read_text())
    scores = report["scores"]
    assert report["pictures"] == report["references"] == len(report["captions"]) == 24
    assert scores["picture"]["bleu_1"] > 0.9
    assert scores["picture"]["cider_d"] > 6
    assert scores["picture"]["perplexity"] < 1.5
    for other in ("shuffled", "zeroed"):  # the picture is used
        assert scores[other]["cider_d"] < 0.3 * scores["picture"]["cider_d"]
        assert scores[other]["perplexity"] > 4 * scores["picture"]["perplexity"]
    head, *rows = out.splitlines()
    assert head.split() == ["vision", "token", "picture", "shuffled", "zeroed"]
    assert [row.split()[0] for row in rows] == list(scores["picture"])
    image, said = next(iter(report["captions"].items()))
    assert hybrid.caption(image, model=str(teacher)) == said  # its end was learnt, too


def test_a_distilled_connector_says_nearly_the_same_and_learns_on(run, teacher, drawn, made, tmp_path):
    code, out, err = run(
        "distill", "--teacher", teacher, "--data", drawn.parent, "--n-qubits", 6, "--n-layers", 2,
        "--steps", 60, "--cache", made, "--output", tmp_path / "distilled",
    )  # fmt: skip
    assert code == 0, err
    model, _ = load_adapter(tmp_path / "distilled" / "model")
    assert isinstance(model.connector, QuantumConnector)
    start, matched = (float(line.split()[1]) for line in err.splitlines() if "variance" in line)
    assert start < matched
    assert matched > 0.5
    distilled = out.strip()
    options = ["--preset", "scenes-mini", "--model", distilled, "--connector-epochs", 3, "--epochs", 0]
    where = ["--data", drawn, "--cache", made, "--output", tmp_path / "on", "--device", "cpu"]
    code, out, err = run("train", *options, *where)
    assert code == 0, err
    scores = {}
    for name, model in (("before", distilled), ("after", out.strip())):
        _evaluate(run, model, drawn, made, "--no-picture-check", "--output", tmp_path / f"{name}.json")
        scores[name] = json.loads((tmp_path / f"{name}.json").read_text())["scores"]["picture"]
    before, after = scores["before"], scores["after"]

    assert after["perplexity"] < before["perplexity"] < 12
    assert after["bleu_1"] > 0.6


def test_models_side_by_side(run, teacher, drawn, made, tmp_path):
    file, options = (
        tmp_path / "both.json",
        ["--data", drawn, "--cache", made, "--device", "cpu", "--limit", 20],
    )
    code, out, err = run("compare", teacher, "scenes-mini", *options, "--output", file)
    assert code == 0, err
    head, *rows = out.splitlines()
    assert head.split() == ["model", "model", "scenes-mini"]
    cells = {" ".join(row.split()[:-2]): row.split()[-2:] for row in rows}
    assert cells["connector"] == ["classical", "quantum"]
    assert cells["quantum"] == ["0", "56"]
    found = json.loads(file.read_text())["models"]
    for name in (str(teacher), "scenes-mini"):
        assert found[name]["cider_d, shuffled"] < 0.3 * found[name]["cider_d"]
    alone = tmp_path / "alone.json"
    _evaluate(run, "scenes-mini", drawn, made, "--limit", 20, "--no-picture-check", "--output", alone)
    scores = json.loads(alone.read_text())["scores"]["picture"]
    assert {name: found["scenes-mini"][name] for name in scores} == scores
    for models, words in ((["scenes-mini"], "name at least 2"), (["scenes-mini"] * 2, "named twice")):
        code, _, err = run("compare", *models, *options)
        assert code == 2
        one_line(err, words)


def test_perplexity_is_that_of_a_loop(teacher, drawn, made, run):
    model, processor = hybrid.load(teacher)
    pairs = [pair for pair in read_pairs(drawn) if pair.split == "test"][:5]
    features = np.random.default_rng(0).normal(size=(5, 128)).astype(np.float32)
    data = PairDataset(pairs, features, processor, 256)
    total, count = 0.0, 0
    for i in range(5):
        batch = data.__getitems__([i])
        with torch.no_grad():
            logits = model(**batch).logits[0].log_softmax(-1)
        for at in range(1, batch["labels"].shape[1]):
            if batch["labels"][0, at] >= 0:
                total -= float(logits[at - 1, batch["labels"][0, at]])
                count += 1
    assert perplexity(model, data, batch_size=2) == pytest.approx(math.exp(total / count), rel=1e-5)


def test_shuffled_tokens_are_all_others(tiny):
    model, _ = tiny
    features = np.random.default_rng(0).normal(size=(7, 24)).astype(np.float32)
    own, other = vision_tokens(model, features), vision_tokens(model, features, "shuffled")
    assert not (own == other).all(-1).any()
    assert torch.equal(own.flatten().sort().values, other.flatten().sort().values)
    assert not vision_tokens(model, features, "zeroed").any()


def test_errors(run, drawn, made, tmp_path):
    code, _, err = run("distill", "--teacher", "scenes-mini", "--data", drawn.parent, "--cache", made)
    assert code == 2
    one_line(err, "classical connector", "scenes-mini", "quantum")
    code, _, err = run("eval", "--data", drawn, "--limit", 1)
    assert code == 2
    one_line(err, "--limit")
    code, _, err = run("eval", "--data", tmp_path)
    assert code == 1
    one_line(err, "holds no picture")
    code, _, err = run("eval", "--data", drawn, "--split", "val")
    assert code == 2
    one_line(err, "--split val", "at least 2", "0")
    code, _, err = run("evl", "--data", drawn)
    assert code == 2
    one_line(err, "Did you mean 'eval'")
