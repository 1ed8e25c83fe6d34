"""The model that ships: its size, and a part of what its card says, measured again."""

import json

import numpy as np
import pytest
import torch

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.features import normalise
from hybrid.data.scenes import parse_caption, sample_scene
from hybrid.evaluation.metrics.scenes import score_scenes
from hybrid.evaluation.scenes import captions_of_features
from hybrid.loading.names import BUNDLED
from tests.scenes_elsewhere import sample_pictures


@pytest.fixture(scope="module")
def bundled():
    return hybrid.load()


@pytest.fixture(scope="module", params=[1, 2], ids=["one object", "two objects"])
def fresh(request, bundled):
    """Scenes nobody has seen: features, right captions, number of objects."""
    model, processor = bundled
    rng = np.random.default_rng(2_000_000 + request.param)
    scenes = [sample_scene(rng, request.param) for _ in range(150)]
    pictures = [draw_scene(scene, rng) for scene in scenes]
    with torch.inference_mode():
        features = model.vision_features(processor(images=pictures)["pixel_values"]).numpy()
    return features, [scene.caption for scene in scenes], request.param


def test_it_is_small_and_plain():
    size = sum(path.stat().st_size for path in BUNDLED.rglob("*") if path.is_file())
    assert size <= 12 * 2**20
    config = json.loads((BUNDLED / "config.json").read_text())
    assert config["connector"]["type"] == "quantum"
    assert config["connector"]["n_qubits"] <= 12
    assert config["vision_config"]["model_type"] == "clip_vision_model"
    assert config["text_config"]["model_type"] == "llama"
    assert "hybrid train --preset scenes-mini" in (BUNDLED / "README.md").read_text()


def test_captions_are_right(bundled, fresh):
    features, references, n = fresh
    result = score_scenes(captions_of_features(*bundled, features), references)
    # What the card says of 2,000 scenes, less three standard errors of 150.
    card = json.loads((BUNDLED / "metrics.json").read_text())["quantum"]["picture"]
    said = card["exact_one" if n == 1 else "exact_two"]
    assert result["exact_one" if n == 1 else "exact_two"] >= said - 3 * (said * (1 - said) / 150) ** 0.5


@pytest.mark.parametrize("token", ["shuffled", "zeroed"])
def test_without_its_own_vision_token_a_caption_is_a_guess(bundled, fresh, token):
    features, references, n = fresh
    result = score_scenes(captions_of_features(*bundled, features, token), references)
    assert result["exact_one" if n == 1 else "exact_two"] <= 0.03


def test_the_picture_passes_through_the_expectation_values_only(bundled):
    """Put constant expectation values in the circuit's place, and every picture gets the same caption."""
    model, _ = bundled
    rng = np.random.default_rng(0)
    pictures = [draw_scene(sample_scene(rng), rng) for _ in range(4)]
    assert len(set(hybrid.caption(pictures, model=bundled))) == 4
    circuit = model.connector.projection.circuit
    handle = circuit.register_forward_hook(lambda _m, _x, values: torch.zeros_like(values))
    try:
        assert len(set(hybrid.caption(pictures, model=bundled))) == 1
    finally:
        handle.remove()


@pytest.mark.parametrize("renderer", ["svg", "figure"])
@pytest.mark.parametrize("n_objects", [1, 2])
def test_pictures_from_other_programs(bundled, renderer, n_objects):
    pairs = sample_pictures(60, n_objects, seed=31, renderer=renderer)
    texts = hybrid.caption([picture for picture, _ in pairs], model=bundled, batch_size=60)
    right = 0
    for text, (_, scene) in zip(texts, pairs, strict=True):
        parsed = parse_caption(text)
        said = sorted((colour, shape) for _, colour, shape in parsed[0]) if parsed else []
        right += said == sorted((thing.colour, thing.shape) for thing in scene.things)
    assert right / len(pairs) >= (0.95 if n_objects == 1 else 0.88)  # 0.99 and 0.96 of 500: docs/miniature.md


def test_batch_equals_single(bundled):
    rng = np.random.default_rng(4)
    pictures = [draw_scene(sample_scene(rng), rng) for _ in range(4)]
    together = hybrid.caption(pictures, model=bundled)
    assert together == [hybrid.caption(picture, model=bundled) for picture in pictures]
    assert together == hybrid.caption(pictures, model=bundled, batch_size=3)


def test_beams_run_and_end(bundled):
    rng = np.random.default_rng(4)
    picture = draw_scene(sample_scene(rng, 1), rng)
    assert parse_caption(hybrid.caption(picture, model=bundled, num_beams=3)) is not None


def test_processor_sees_what_training_saw(bundled):
    _, processor = bundled
    rng = np.random.default_rng(4)
    picture = draw_scene(sample_scene(rng, 1), rng)
    small = np.asarray(picture.resize((64, 64), 3))
    torch.testing.assert_close(processor(images=picture)["pixel_values"], normalise(small[None]))
