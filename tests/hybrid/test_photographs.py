"""The way to the captioner of photographs that ships: 32 pictures and 20 steps, then shipped and loaded.

With ``HYBRID_REAL_MODELS=DIR`` it runs on real models, ``DIR/efficientnet-lite0`` and ``DIR/smollm2``;
else on small ones of the same kinds.
"""

import json
import os
from pathlib import Path

import numpy as np
import pytest

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.loading.downloads import SMOLLM2, keep
from hybrid.loading.load import load
from hybrid.loading.names import ADAPTER, PHOTOS
from hybrid.training.photographs import MAX_BYTES, ship
from tests.hybrid.test_towers import TOWERS, save_tower

pytestmark = pytest.mark.usefixtures("undrawn")

REAL = os.environ.get("HYBRID_REAL_MODELS")


@pytest.fixture
def eyes_and_voice(parts, tmp_path):
    if REAL:
        return Path(REAL) / "efficientnet-lite0", Path(REAL) / "smollm2"
    save_tower(TOWERS["efficientnet"][0], tmp_path / "cnn")
    return tmp_path / "cnn", parts / "llama"


def test_pictures_are_learnt_scored_shipped_and_captioned(eyes_and_voice, run, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    vision, language = eyes_and_voice
    rng = np.random.default_rng(5)
    rows = ["image,caption,split"]
    for i in range(40):
        scene = sample_scene(rng, 1)
        draw_scene(scene, rng).resize((48, 48)).save(tmp_path / f"{i}.png")
        part = "train" if i < 32 else "val"
        said = (f"{scene.caption.upper()} .", f"There is {scene.caption}")
        rows += [f"{i}.png,{caption},{part}" for caption in said]
    data = tmp_path / "captions.csv"
    data.write_text("\n".join(rows))
    common = ("--cache", tmp_path, "--data", data)
    parts = ("--vision", vision, "--language", language, "--vision-feature", "pooled", "--lora-rank", 2)
    size = ("--n-qubits", 3, "--n-layers", 1, "--words-epochs", 1, "--epochs", 10, "--agreeing-captions", 1)
    size += ("--reward-epochs", 0.5)
    code, out, err = run("train", "--preset", "smollm2", *parts, *size, *common, "--output", tmp_path / "run")
    assert code == 0, err
    model, scores = out.strip(), tmp_path / "scores.json"
    wanted = ("--split", "val", "--captions", "--no-perplexity", "--output", scores)
    code, _, err = run("eval", "--model", model, *common, *wanted)
    assert code == 0, err

    shipped = ship(Path(model), scores, "By a test.", "Everything.", tmp_path / "photos")
    assert "| picture |" in (shipped / "README.md").read_text()
    keep(SMOLLM2.model, language, lambda _: None)
    captioner, processor = load(shipped)
    assert isinstance(hybrid.caption(tmp_path / "0.png", model=(captioner, processor)), str)
    before = json.loads((Path(model) / ADAPTER).read_text())
    assert processor.prompt == before["prompt"]


@pytest.mark.skipif(not (PHOTOS / ADAPTER).exists(), reason="no captioner of photographs ships")
def test_what_ships_is_small_has_a_card_and_holds_no_pictures():
    sizes = {
        path.relative_to(PHOTOS).as_posix(): path.stat().st_size
        for path in PHOTOS.rglob("*")
        if path.is_file()
    }
    assert sizes["adapter.safetensors"] <= MAX_BYTES
    assert sizes["vision/model.safetensors"] <= 9 * 2**20
    assert not [name for name in sizes if name.endswith((".jpg", ".png", ".csv"))]
    card = (PHOTOS / "README.md").read_text()
    for words in ("Flickr8k", "Apache-2.0", "cider_d", SMOLLM2.source, "What it gets wrong"):
        assert words in card
    found = json.loads((PHOTOS / ADAPTER).read_text())
    assert found["base"]["vision"] == "./vision"
    assert found["base"]["language"] == SMOLLM2.model
    assert set(found["fingerprints"]["language"]) == {SMOLLM2.source}
