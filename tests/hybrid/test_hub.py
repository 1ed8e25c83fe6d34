"""Sending models to a hub and fetching them, by the hub's own client over HTTP."""

import json

import pytest
import torch

import hybrid
from hybrid.loading.hub import cached_folder
from tests.hybrid.conftest import one_line
from tests.hybrid.hub import LocalHub

pytestmark = pytest.mark.usefixtures("undrawn")


@pytest.fixture
def local_hub(tmp_path, monkeypatch):
    """An empty hub, an empty cache, and a person who has logged in."""
    with LocalHub() as hub:
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)  # --offline sets it for good
        monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", hub.address)
        url = hub.address + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", url)
        monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
        monkeypatch.setattr("transformers.utils.hub._hf_api", None)
        monkeypatch.setenv("HF_TOKEN", "hf_word")
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        yield hub
    from huggingface_hub import close_session

    close_session()


def test_a_whole_model_is_sent_by_transformers_and_fetched_at_a_commit(local_hub, tiny, pictures):
    model, processor = tiny
    model.push_to_hub("me/whole")
    processor.push_to_hub("me/whole")
    files = local_hub.repositories["me/whole"]
    assert {"config.json", "model.safetensors", "processor_config.json", "tokenizer.json"} <= set(files)
    wanted = hybrid.caption(pictures, model=tiny, max_new_tokens=5)
    first = local_hub.commit("me/whole")
    assert hybrid.caption(pictures, model="me/whole", max_new_tokens=5) == wanted
    assert cached_folder("me/whole").name == first
    with torch.no_grad():
        model.connector.projection.expand.bias += 1
    model.push_to_hub("me/whole")
    assert local_hub.commit("me/whole") != first
    old, new = (hybrid.load("me/whole", revision=revision)[0] for revision in (first, None))
    assert (new.connector.projection.expand.bias - old.connector.projection.expand.bias > 0.9).all()


def _put(hub, name, folder):
    files = (path for path in folder.rglob("*") if path.is_file())
    hub.repositories[name] = {str(path.relative_to(folder)): path.read_bytes() for path in files}


@pytest.fixture
def trained(run, local_hub, parts, data_here, tmp_path):
    """A small checkpoint trained by the preset, whose models come from the hub."""
    _put(local_hub, "openai/clip-vit-base-patch32", parts / "clip")
    _put(local_hub, "TinyLlama/TinyLlama-1.1B-Chat-v1.0", parts / "llama")
    options = ["--preset", "tinyllama", "--n-qubits", 2, "--n-layers", 1, "--epochs", 1, "--device", "cpu"]
    code, _, err = run("train", *options, "--data", "captions.jsonl", "--cache", "cache", "--output", "run")
    assert code == 0, err
    return tmp_path / "run" / "model"


def test_a_small_checkpoint_sends_only_what_was_trained(
    run, local_hub, trained, parts, tmp_path, monkeypatch
):
    (trained / "notes.txt").write_text("mine")
    code, out, err = run("push", trained, "me/mine", "--private")
    assert (code, err) == (0, "")
    assert out.strip() == f"{local_hub.address}/me/mine/commit/{local_hub.commit('me/mine')}"
    files = local_hub.repositories["me/mine"]
    assert set(files) == {"adapter.json", "adapter.safetensors", "digests.json"}
    assert all(data == (trained / name).read_bytes() for name, data in files.items())
    base = json.loads(files["adapter.json"])["base"]
    assert base["vision_revision"] == local_hub.commit("openai/clip-vit-base-patch32")
    assert base["language_revision"] == local_hub.commit("TinyLlama/TinyLlama-1.1B-Chat-v1.0")
    here = run("caption", "--model", trained, "--max-new-tokens", 4, tmp_path / "0.png")
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "elsewhere"))
    there = run("caption", "--model", "me/mine", "--max-new-tokens", 4, tmp_path / "0.png")
    assert here == there
    assert here[0] == 0
    pinned = ["--model", "me/mine", "--revision", local_hub.commit("me/mine")]
    assert run("caption", *pinned, "--max-new-tokens", 4, tmp_path / "0.png") == here
    code, _, err = run("caption", "--model", "me/mine", "--revision", "none", tmp_path / "0.png")
    assert code == 1
    one_line(err, "me/mine", "none")

    (trained / "adapter.safetensors").write_bytes(b"x")
    for folder, words in ((trained, "not what was saved"), (parts, "neither adapter.json nor config.json")):
        code, _, err = run("push", folder, "me/other")
        assert code == 1
        one_line(err, words)
    assert "me/other" not in local_hub.repositories


def test_a_base_that_only_this_machine_has_and_a_person_unknown(
    run, local_hub, tiny, parts, tmp_path, monkeypatch
):
    from hybrid.loading.adapter import save_adapter
    from hybrid.loading.base import Base

    base = Base(vision=str(parts / "clip"), language=str(parts / "llama"))
    save_adapter(tmp_path / "local", *tiny, base, None)
    code, _, err = run("push", tmp_path / "local", "me/mine")
    assert code == 1
    one_line(err, str(parts / "clip"), "only this machine", "--merge")
    tiny[0].save_pretrained(tmp_path / "whole")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr("huggingface_hub.constants.HF_TOKEN_PATH", str(tmp_path / "token"))
    code, _, err = run("push", tmp_path / "whole", "me/mine")
    assert code == 1
    one_line(err, "me/mine", "hf auth login")
    assert not local_hub.repositories
