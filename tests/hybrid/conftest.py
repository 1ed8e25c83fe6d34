"""A tiny captioner in the hub's formats, made here: what real checkpoints look like, at a size for tests."""

import copy
import json
import os
import shutil
import signal
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    LlamaConfig,
    LlamaForCausalLM,
)

from hybrid import cli
from hybrid.data.drawing import draw_scene
from hybrid.data.pairs import read_pairs
from hybrid.data.scenes import sample_scene
from hybrid.loading.compose import compose
from hybrid.training import caption_stage
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.captions import CaptionRun, Setting, hold_out
from hybrid.training.language import captions, train_tokenizer

HYBRID = Path(sys.executable).parent / "hybrid"


@pytest.fixture(autouse=True)
def no_downloads(tmp_path, monkeypatch):
    """What somebody downloaded on this machine changes no test."""
    monkeypatch.setattr("hybrid.loading.downloads.models_folder", lambda: tmp_path / "downloads")


@pytest.fixture
def undrawn():
    """For files that train: losses are drawn in one test only, for each picture takes a second."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("hybrid.training.captions.plot_losses", lambda *_: True)
        yield


@pytest.fixture(scope="session")
def parts(tmp_path_factory):
    """A folder with a whole CLIP and one with a Llama and its tokenizer, as they lie on the hub."""
    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("parts")
    tokenizer = train_tokenizer(captions(500, 0), ["Describe the image: "], 400)
    text = CLIPTextConfig(
        vocab_size=60,
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        projection_dim=16,
    )
    vision = CLIPVisionConfig(
        hidden_size=24,
        intermediate_size=48,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=32,
        patch_size=8,
        projection_dim=16,
    )
    clip = CLIPModel(
        CLIPConfig(text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=16)
    )
    clip.save_pretrained(folder / "clip")
    CLIPImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32}).save_pretrained(
        folder / "clip"
    )
    llama = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer), hidden_size=20, intermediate_size=40, num_hidden_layers=2,
            num_attention_heads=2, num_key_value_heads=1, max_position_embeddings=128, bos_token_id=1,
            eos_token_id=3,
            pad_token_id=0,
            initializer_range=0.3,
        )
    )  # fmt: skip
    llama.save_pretrained(folder / "llama")
    tokenizer.save_pretrained(folder / "llama")
    return folder


@pytest.fixture(scope="session")
def composed(parts):
    torch.manual_seed(1)
    model, processor = compose(
        parts / "clip", parts / "llama", {"type": "quantum", "n_qubits": 3, "n_layers": 2}
    )
    model.config.connector_trained = None  # nothing is to be said of it
    return model.eval(), processor


@pytest.fixture
def tiny(composed):
    """A model with a quantum connector of three qubits, and its processor."""
    torch.manual_seed(1)
    return copy.deepcopy(composed)


@pytest.fixture
def tiny_folder(tiny, tmp_path) -> Path:
    model, processor = tiny
    model.save_pretrained(tmp_path / "tiny")
    processor.save_pretrained(tmp_path / "tiny")
    return tmp_path / "tiny"


@pytest.fixture
def pictures():
    """Five different pictures."""
    rng = np.random.default_rng(7)
    return [draw_scene(sample_scene(rng), rng) for _ in range(5)]


@pytest.fixture
def run(capsys, monkeypatch):
    """Call the command in this process: (exit code, stdout, stderr)."""

    def call(*args):
        capsys.readouterr()  # what fixtures and other libraries printed before
        monkeypatch.setattr(sys, "argv", ["hybrid", *map(str, args)])
        with pytest.raises(SystemExit) as leaving:
            cli.main()
        out, err = capsys.readouterr()
        return leaving.value.code, out, err

    return call


@pytest.fixture
def scenes(tmp_path):
    """Three pictures on disk and their right captions."""
    rng = np.random.default_rng(11)
    pairs = []
    for i in range(3):
        scene = sample_scene(rng, 1)
        path = tmp_path / f"{i}.png"
        draw_scene(scene, rng).save(path)
        pairs.append((path, scene.caption))
    return pairs


@pytest.fixture
def hub(parts, tmp_path, monkeypatch):
    """A local cache of the hub that holds the tiny models under the names of the preset's; no network."""

    def put(name, folder):
        place = tmp_path / "hub" / f"models--{name.replace('/', '--')}"
        shutil.copytree(folder, place / "snapshots" / ("a" * 40))
        (place / "refs").mkdir()
        (place / "refs" / "main").write_text("a" * 40)

    put("openai/clip-vit-base-patch32", parts / "clip")
    put("TinyLlama/TinyLlama-1.1B-Chat-v1.0", parts / "llama")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    return put


def one_line(err, *words):
    """Check that this is one line about a fault, with these words in it."""
    assert "Traceback" not in err
    (line,) = err.splitlines()
    assert line.startswith("hybrid: ")
    for word in words:
        assert word in line
    return line


@pytest.fixture
def data_here(pictures, tmp_path, monkeypatch):
    """Work in a folder with pictures, captions of them in captions.jsonl, and one more, picture.jpg."""
    monkeypatch.chdir(tmp_path)
    rows = []
    for i, picture in enumerate(pictures):
        picture.save(f"{i}.png")
        rows += [json.dumps({"image": f"{i}.png", "captions": [f"picture {i}"]})]
    Path("captions.jsonl").write_text("\n".join(rows))
    pictures[0].save("picture.jpg")


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """A folder of 24 drawn scenes with sidecar captions; every third has two."""
    folder = tmp_path_factory.mktemp("drawn")
    rng = np.random.default_rng(3)
    for i in range(24):
        scene = sample_scene(rng, 1)
        draw_scene(scene, rng).resize((40, 40)).save(folder / f"{i}.png")
        more = "" if i % 3 else f"\nthere is {scene.caption}"
        (folder / f"{i}.txt").write_text(scene.caption + more)
    return folder


@pytest.fixture(scope="session")
def cache(tmp_path_factory):
    """A folder for features of pictures."""
    return tmp_path_factory.mktemp("cache")


@pytest.fixture
def recipe(parts):
    """How the tiny captioner is trained: eight steps with LoRA."""
    return CaptionRecipe(
        vision=str(parts / "clip"),
        language=str(parts / "llama"),
        connector={"type": "quantum", "n_qubits": 3, "n_layers": 2},
        connector_epochs=1,
        epochs=2,
        batch_size=4,
        accumulate=2,
        lora_rank=2,
        evaluate_every=2,
        views=2,
    )


@pytest.fixture
def start(recipe, drawn, cache):
    """Begin or go on with a run: ``start(folder, field=value)``."""

    def begin(folder, said=None, merge=False, tensorboard=False, **changes):
        training, held = hold_out(read_pairs(drawn), 0.2, 0)
        log = (lambda _: None) if said is None else said.append
        changed = CaptionRecipe(**(vars(recipe) | changes))
        setting = Setting(cache=cache, use_cpu=True, log=log, merge=merge, tensorboard=tensorboard)
        return CaptionRun(changed, training, held, folder, setting).run()

    return begin


def stop_at(monkeypatch, step, number=signal.SIGTERM, stage="lora"):
    """Let a signal come in this step of a run."""
    ended = caption_stage.StopCallback.on_step_end

    def on_step_end(self, args, state, control, **kwargs):
        if state.global_step == step and args.output_dir.endswith(stage):
            os.kill(os.getpid(), number)
        ended(self, args, state, control, **kwargs)

    monkeypatch.setattr(caption_stage.StopCallback, "on_step_end", on_step_end)
