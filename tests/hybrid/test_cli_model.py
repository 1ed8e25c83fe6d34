"""``hybrid models``, ``info``, ``draw`` and ``completion``, and the page that documents all commands."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

import hybrid
from hybrid import cli
from hybrid.cli.reference import reference
from hybrid.loading.names import presets
from hybrid.model.description import count_parameters
from hybrid.training.connector import add_lora
from tests.hybrid.conftest import HYBRID, one_line

ROOT = Path(__file__).parents[2]


def test_models_are_the_presets_and_those_in_the_cache(run, tmp_path, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    for name, file, content in (
        ("models--somebody--captioner", "config.json", {"model_type": "hybrid"}),
        ("models--somebody--adapter", "adapter.json", {}),
        ("models--somebody--other", "config.json", {"model_type": "llama"}),
        ("models--somebody--strange", "config.json", {"model_type": 3}),
        ("models--openai--clip-vit-base-patch32", "config.json", {"model_type": "clip"}),
        ("models--TinyLlama--TinyLlama-1.1B-Chat-v1.0", "config.json", {"model_type": "llama"}),
    ):
        folder = tmp_path / name / "snapshots" / "abc"
        folder.mkdir(parents=True)
        (folder / file).write_text(json.dumps(content))
    (folder / "config.json").write_text("[")
    code, out, err = run("models")
    assert (code, err) == (0, "")
    names = {name: where for name, where, _ in (line.split("\t") for line in out.splitlines())}
    assert set(names) == {*presets(), "somebody/captioner", "somebody/adapter"}
    for name in ("scenes-mini", "somebody/captioner", "somebody/adapter"):
        assert Path(names[name]).is_dir()
    parts = "openai/clip-vit-base-patch32, TinyLlama/TinyLlama-1.1B-Chat-v1.0"
    assert names["tinyllama"] == f"in the hub's cache: {parts}"
    assert names["tinyllama-vlm-lora"] == f"to be downloaded: {parts}, sriram7737/TinyLlama-VLM-LoRA"


def test_info(run):
    code, out, err = run("info", "--batch", 64)
    assert (code, err) == (0, "")
    model, _ = hybrid.load()
    layer = model.connector.projection.circuit
    for line in (*str(layer.circuit).splitlines(), *str(layer.plan(64)).splitlines()):
        assert f"  {line}" in out
    for word in ("jax", "lightning.qubit", "torch cpu", "jax cpu:0", "pennylane", "1,520,056"):
        assert word in out
    assert run("info", "scenes-mini", "--batch", 64)[1] == out


def test_parameters_by_kind(tiny, parts):
    model, _ = tiny
    count = count_parameters(model)
    assert count.total == sum(p.numel() for p in model.parameters())
    assert (count.lora, count.quantum) == (0, 3 * 2 * 3)
    assert count.linear == 24 * 3 + 3 * 20 + 20
    add_lora(model, rank=2)
    with_lora = count_parameters(model)
    assert with_lora.lora == sum(p.numel() for n, p in model.named_parameters() if "lora_" in n) > 0
    for kind in ("frozen", "linear", "quantum"):
        assert getattr(with_lora, kind) == getattr(count, kind)
    classical, _ = hybrid.compose(parts / "clip", parts / "llama", {"type": "classical", "width": 5})
    count = count_parameters(classical)
    assert (count.linear, count.quantum) == (24 * 5 + 5 + 5 * 20 + 20, 0)


def test_draw(run, tmp_path, tiny_folder):
    model, _ = hybrid.load(tiny_folder)
    assert run("draw", "--model", tiny_folder)[1] == f"{model.connector.projection.circuit.circuit}\n"
    for ending, size in (("png", (10, 10)), ("svg", None)):
        path = tmp_path / f"circuit.{ending}"
        assert run("draw", "--model", tiny_folder, "--output", path) == (0, "", "")
        if size:
            with Image.open(path) as figure:
                assert min(figure.size) > 100
        else:
            text = path.read_text()
            assert "<svg" in text
            assert text.count("<!-- RY -->") == 3 + 2 * 3  # one a wire to encode, one a wire and layer


def test_draw_what_cannot_be_drawn(run, tmp_path, parts):
    code, _, err = run("draw", "--output", tmp_path / "circuit.gif")
    assert code == 2
    one_line(err, "circuit.gif", ".svg")
    model, processor = hybrid.compose(parts / "clip", parts / "llama", {"type": "classical"})
    model.save_pretrained(tmp_path / "classical")
    processor.save_pretrained(tmp_path / "classical")
    code, _, err = run("draw", "--model", tmp_path / "classical")
    assert code == 2
    one_line(err, "has no circuit")
    assert "quantum" in run("info", tmp_path / "classical")[1]


def _completed(words):
    """What bash is offered for the last of these words."""
    environment = os.environ | {
        "_HYBRID_COMPLETE": "bash_complete",
        "COMP_WORDS": " ".join(words),
        "COMP_CWORD": str(len(words) - 1),
    }
    out = subprocess.run([HYBRID], env=environment, capture_output=True, text=True, check=True).stdout
    return {line.split(",", 1)[1] for line in out.splitlines()}


def test_completion(run):
    assert {"caption", "completion"} <= _completed(["hybrid", "c"]) < set(cli.COMMANDS)
    assert {"--beams", "--batch-size", "--backend"} == _completed(["hybrid", "caption", "--b"])
    assert "lightning.qubit" in _completed(["hybrid", "caption", "--backend", "light"])
    assert _completed(["hybrid", "info", "sc"]) == {"scenes-mini"}
    for shell in ("bash", "zsh", "fish"):
        code, out, _ = run("completion", shell)
        assert code == 0
        assert "_HYBRID_COMPLETE" in out


def test_the_page_says_what_help_says():
    page = (ROOT / "docs" / "cli.md").read_text()
    assert page == reference(), "make docs"
    for name in cli.COMMANDS:
        assert f"## hybrid {name}\n" in page


def test_compose_saves_what_train_and_load_take(run, parts, tmp_path):
    options = ("--vision", parts / "clip", "--language", parts / "llama", "--offline")
    code, out, err = run(
        "compose", *options, "--connector", "classical", "--width", 5, "--output", tmp_path / "a"
    )
    assert (code, out.strip()) == (0, str(tmp_path / "a")), err
    model, _ = hybrid.load(tmp_path / "a")
    assert model.connector.projector.out_features == 5
    assert model.config.connector_trained is False
    rms = model.get_input_embeddings().weight.square().mean().sqrt()
    assert float(model.connector.token_rms) == pytest.approx(float(rms.detach()))
    code, _, err = run("compose", *options, "--output", tmp_path / "a")
    assert code == 2
    one_line(err, "--output", "is there already")
    code, _, err = run(
        "compose", *options, "--connector", "quantum", "--width", 5, "--output", tmp_path / "b"
    )
    assert code == 2
    one_line(err, "--width is of a classical connector")
    code, _, err = run("compose", *options[:2], "--language", tmp_path, "--output", tmp_path / "b")
    assert code == 1
    one_line(err, "cannot be loaded")
    assert not (tmp_path / "b").exists()
