"""Bad data, models and networks, as the command line tells of them: one line, and the way out."""

import json
import os
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from hybrid.loading.adapter import save_adapter
from hybrid.loading.base import Base
from hybrid.loading.checkpoints import whole_folder
from tests.hybrid.conftest import one_line


@pytest.fixture
def shown(pictures, tmp_path):
    """A folder with three pictures."""
    folder = tmp_path / "shown"
    folder.mkdir()
    for i in range(3):
        pictures[i].save(folder / f"{i}.png")
    return folder


@pytest.fixture
def train(run, parts, tmp_path):
    """Try to train on a file or a folder."""

    def call(data, *more):
        base = ["--vision", parts / "clip", "--language", parts / "llama", "--device", "cpu"]
        where = ["--cache", tmp_path / "cache", "--output", tmp_path / "run"]
        return run("train", "--data", data, *base, *where, *more)

    return call


def _rows(*rows):
    return lambda folder: (folder / "a.jsonl").write_text("\n".join(map(json.dumps, rows)))


def _sidecars(*texts):
    def write(folder):
        for i, text in enumerate(texts):
            (folder / f"{i}.txt").write_text(text)

    return write


def _both(folder):
    _sidecars("a", "b", "c")(folder)
    (folder / "captions.csv").write_text("image,caption\n")


@pytest.mark.parametrize(
    ("write", "name", "words"),
    [
        (_rows({"image": "0.png", "caption": "a"}, {"image": "9.png", "caption": "b"}), "a.jsonl",
         ["line 2", "9.png is no file"]),
        (lambda f: (f / "a.jsonl").write_text('{"image": "0.png", "caption": "a"}\n{"image'), "a.jsonl",
         ["line 2", "not JSON"]),
        (lambda f: (f / "a.csv").write_bytes(b"image,caption\n0.png,a\n1.png,caf\xe9"), "a.csv",
         ["line 3", "UTF-8"]),
        (_rows({"image": "0.png", "caption": "a"}, {"image": "1.png", "caption": " "}), "a.jsonl",
         ["line 2", "1.png is empty"]),
        (_rows({"image": "0.png", "captions": ["a"]}, {"image": "0.png", "captions": ["b"]}), "a.jsonl",
         ["line 2", "0.png comes a second time", "line 1"]),
        (_rows({"image": "0.png", "caption": "a"}), "a.jsonl", ["at least 2 pictures", "1"]),
        (_rows({"image": "0.png", "caption": "a"}, {"image": "1.png", "caption": "word " * 200}), "a.jsonl",
         ["line 2", "1.png takes", "context is 128", "shorten"]),
        (_sidecars("a", "\n"), "", ["2.png has no .txt file"]),
        (_both, "", ["captions.csv", "not clear which"]),
    ],
)  # fmt: skip
def test_data(train, shown, tmp_path, write, name, words):
    write(shown)
    code, out, err = train(shown / name, "--validation-share", 0)
    assert out == ""
    assert code in (1, 2)
    one_line(err, *words)
    assert not (tmp_path / "run" / "model").exists()


@pytest.mark.parametrize("spoil", ["cut", "text", "bomb"])
def test_a_picture_that_cannot_be_read_is_named(train, shown, spoil):
    bad = shown / "1.png"
    if spoil == "bomb":
        header = bytearray(bad.read_bytes())
        header[16:24] = (100_000).to_bytes(4, "big") * 2  # the size it claims
        bad.write_bytes(header)
    else:
        bad.write_bytes(bad.read_bytes()[:300] if spoil == "cut" else b"hello")
    _rows(*({"image": f"{i}.png", "caption": "a"} for i in range(3)))(shown)
    code, out, err = train(shown / "a.jsonl", "--validation-share", 0)
    assert (code, out) == (1, "")
    one_line(err, f"{bad}: ", "damaged" if spoil == "cut" else "is not a picture")


@pytest.fixture
def small(tiny, parts, tmp_path):
    """A small checkpoint on copies of its base models."""
    for name in ("clip", "llama"):
        shutil.copytree(parts / name, tmp_path / name)
    base = Base(vision=str(tmp_path / "clip"), language=str(tmp_path / "llama"))
    save_adapter(tmp_path / "small", *tiny, base, None)
    return tmp_path / "small"


def _change(folder, change):
    """Change an adapter and seal it again, as somebody would who means it."""
    described = json.loads((folder / "adapter.json").read_text())
    tensors = load_file(folder / "adapter.safetensors")
    change(described, tensors)
    with whole_folder(folder) as part:
        (part / "adapter.json").write_text(json.dumps(described))
        save_file(tensors, part / "adapter.safetensors")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda _, t: t.pop("connector.mean"), ["connector.mean is missing"]),
        (lambda _, t: t.update(extra=torch.zeros(1)), ["extra is not part of it"]),
        (lambda _, t: t.update({"connector.mean": torch.zeros(7)}), ["connector.mean is (7,), not (24,)"]),
        (lambda d, _: d["connector"].update(n_qubits=5), ["connector.projection", "not (5, 24)"]),
        (lambda d, _: d["base"].update(model="x", vision="y"), ["either a model, or vision and language"]),
        (lambda d, _: d["base"].update(adapter="../none"), ["../none", "no such folder"]),
        (lambda d, _: d["base"].update(vision="os.system('true')"), ["os.system", "no such folder"]),
        (lambda d, _: d.update(lora={"rank": 10**9, "alpha": 1, "dropout": 0, "targets": "all-linear"}),
         ["does not fit", "rank must be from 1 to 20"]),
    ],
)  # fmt: skip
def test_checkpoints(run, small, shown, change, words):
    _change(small, change)
    code, out, err = run("caption", "--model", small, shown / "0.png")
    assert (code, out) == (1, "")
    one_line(err, *words)


@pytest.mark.parametrize("part", ["vision", "language"])
def test_an_adapter_of_another_base(run, small, shown, tmp_path, part):
    folder = tmp_path / {"vision": "clip", "language": "llama"}[part]
    weights = load_file(folder / "model.safetensors")
    weights = {name: weight + 0.01 for name, weight in weights.items() if weight.is_floating_point()}
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    code, out, err = run("caption", "--model", small, shown / "0.png")
    assert (code, out) == (1, "")
    one_line(err, f"trained on another {part} model", str(folder), "load the one it belongs to")


@pytest.mark.parametrize(
    ("path", "to", "words"),
    [
        ("vision_config.hidden_size", "x", ["hidden_size"]),
        ("vision_config.num_hidden_layers", 10**9, ["vision_config.num_hidden_layers", "at most 1000"]),
        ("vision_config.patch_size", 0, ["cannot be loaded"]),
        ("vision_config.model_type", "evil", ["evil"]),
        ("vision_config", [], ["configurations", "[]"]),
        ("text_config.num_attention_heads", 0, ["cannot be loaded"]),
        ("text_config.hidden_act", "evil", ["evil"]),
        ("text_config.hidden_size", 24, ["is (", "not (", "..."]),
        ("connector", "quantum", ["connector must name a type"]),
        ("connector.type", ["a"], ["connector type must be one of"]),
        ("connector.type", "os:system", ["connector type must be one of"]),
        ("connector.n_qubits", 60, ["n_qubits must be at most"]),
        ("vision_feature", "last", ["'cls' or 'pooled'"]),
        ("image_token_id", "x", ["image_token_id must be"]),
        ("image_token_id", 7, ["tokenizer writes <image> as 4", "image_token_id 7"]),
    ],
)
def test_a_damaged_or_hostile_config(run, tiny_folder, shown, path, to, words):
    config = json.loads((tiny_folder / "config.json").read_text())
    *parents, last = path.split(".")
    at = config
    for name in parents:
        at = at[name]
    at[last] = to
    (tiny_folder / "config.json").write_text(json.dumps(config))
    code, out, err = run("caption", "--model", tiny_folder, shown / "0.png")
    assert (code, out) == (1, "")
    one_line(err.splitlines()[-1], str(tiny_folder), *words)


class _Canary:
    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def test_code_and_pickles_in_a_whole_model_are_not_run(run, tiny_folder, shown, tmp_path):
    (tiny_folder / "evil.py").write_text(
        f"import os\nos.mkdir({str(tmp_path / 'canary')!r})\nclass Evil: pass\n"
    )
    names = {"config.json": "AutoModelForImageTextToText", "processor_config.json": "AutoProcessor"}
    for file, kind in names.items():
        config = json.loads((tiny_folder / file).read_text())
        config["auto_map"] = {kind: "evil.Evil", "AutoConfig": "evil.Evil"}
        (tiny_folder / file).write_text(json.dumps(config))
    assert run("caption", "--model", tiny_folder, "--max-new-tokens", 2, shown / "0.png")[0] == 0
    weights = tiny_folder / "model.safetensors"
    torch.save({"connector.mean": _Canary(tmp_path / "canary")}, tiny_folder / "pytorch_model.bin")
    weights.unlink()
    (tiny_folder / "config.json").touch()
    shutil.copytree(tiny_folder, tmp_path / "pickled")
    code, out, err = run("caption", "--model", tmp_path / "pickled", shown / "0.png")
    assert (code, out) == (1, "")
    one_line(err, "pickled", "cannot be loaded")
    assert not (tmp_path / "canary").exists()


@pytest.mark.parametrize("command", ["caption", "train"])
@pytest.mark.parametrize("model", ["tinyllama", "tinyllama-vlm-lora", "me/mine"])
def test_no_network_and_no_cache(run, shown, tmp_path, monkeypatch, command, model):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("hybrid.loading.hub._reachable", lambda *_: False)
    _rows(*({"image": f"{i}.png", "caption": "a"} for i in range(3)))(shown)
    words = ["the hub cannot be reached", "connect once", "give a folder"]
    if command == "caption":
        code, out, err = run("caption", "--model", model, shown / "0.png")
    else:
        code, out, err = run(
            "train", "--model", model, "--data", shown / "a.jsonl", "--output", tmp_path / "run"
        )
    assert (code, out) == (1, "")
    first = {
        "tinyllama": "openai/clip-vit-base-patch32",
        "tinyllama-vlm-lora": "sriram7737/TinyLlama-VLM-LoRA",
    }
    one_line(err, *words, first.get(model, model))
