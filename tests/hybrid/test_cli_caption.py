"""``hybrid caption``: what goes where, in which order, and what is left when it is stopped."""

import csv
import gc
import io
import json
import os
import pty
import re
import shutil
import signal
import sys
import threading
import time
from contextlib import suppress

import pytest
from PIL import Image

from hybrid.data.images import source_name
from hybrid.data.results import Result, printable
from hybrid.inference import captioning
from hybrid.model.modeling import HybridForConditionalGeneration
from tests.hybrid.conftest import one_line


@pytest.fixture
def folder(tmp_path, scenes):
    """0.png, 1.png, 2.png and between them in order 1a.png, which is none; and what is said of them."""
    (tmp_path / "1a.png").write_text("no picture")
    return tmp_path, {str(path): caption for path, caption in scenes}


def _rows(text):
    return {row["image"]: row.get("caption", row.get("error")) for row in map(json.loads, text.splitlines())}


def test_a_folder_is_done_in_order_and_a_bad_file_is_one_row(run, folder):
    where, _ = folder
    code, out, err = run("caption", "--format", "jsonl", where)
    assert code == 1
    rows = [json.loads(line) for line in out.splitlines()]
    assert [row["image"] for row in rows] == [f"{where}/{name}.png" for name in ("0", "1", "1a", "2")]
    assert [set(row) - {"image"} for row in rows] == [{"caption"}, {"caption"}, {"error"}, {"caption"}]
    fault, summary = err.splitlines()
    assert fault == f"hybrid: {where}/1a.png: {rows[2]['error']}"
    assert summary == "hybrid: 3 of 4 captioned, 1 failed"


@pytest.mark.parametrize("batch_size", [2, 16])
def test_formats_say_the_same(run, folder, batch_size):
    where, _ = folder
    said = {}
    for style in ("text", "json", "jsonl", "csv"):
        code, said[style], _ = run("caption", where, "--format", style, "--batch-size", batch_size)
        assert code == 1
    rows = _rows(said["jsonl"])
    assert {row["image"]: row.get("caption", row.get("error")) for row in json.loads(said["json"])} == rows
    table = csv.DictReader(io.StringIO(said["csv"]))
    assert {row["image"]: row["caption"] or row["error"] for row in table} == rows
    good = {name: text for name, text in rows.items() if "1a" not in name}
    assert dict(line.split(": ", 1) for line in said["text"].splitlines()) == good


def test_stdin_is_a_picture(run, scenes, monkeypatch):
    wanted = run("caption", scenes[0][0])[1]

    def given(data):
        monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))

    given(scenes[0][0].read_bytes())
    assert run("caption", "-") == (0, wanted, "")
    given(scenes[0][0].read_bytes())
    assert run("caption", scenes[1][0], "-")[1].splitlines()[1] == f"-: {wanted.strip()}"
    for data in (b"", b"no picture", scenes[0][0].read_bytes()[:-100]):
        given(data)
        code, out, err = run("caption", "-")
        assert (code, out) == (1, "")
        one_line(err, "hybrid: -: ")


def test_streamed_words_make_the_caption(run, folder, monkeypatch):
    where, _ = folder
    assert run("caption", "--stream", where)[:2] == run("caption", where)[:2]
    path = where / "0.png"
    looks = []
    look = HybridForConditionalGeneration.vision_features
    monkeypatch.setattr(
        HybridForConditionalGeneration, "vision_features", lambda *a, **o: looks.append(1) or look(*a, **o)
    )
    assert run("caption", "--stream", path) == run("caption", path)
    assert len(looks) == 2  # once for each


def test_quiet_and_verbose(run, folder):
    where, _ = folder
    _, out, err = run("caption", "-q", where)
    assert len(out.splitlines()) == 3
    one_line(err, "1a.png")
    err = run("caption", "-v", where / "0.png")[2]
    assert re.search(r"bundled on cpu, torch.float32\n.*1 of 1 captioned, 0 failed, [\d.]+ s\n", err)


def test_fail_fast(run, folder):
    where, _ = folder
    code, out, err = run("caption", "--fail-fast", "--format", "jsonl", where)
    assert code == 1
    assert [row.rsplit("/")[-1] for row in _rows(out)] == ["0.png", "1.png", "1a.png"]
    assert err.splitlines()[-1] == "hybrid: 2 of 4 captioned, 1 failed"


def test_beams_sampling_and_dtype(run, scenes):
    path = scenes[0][0]
    greedy = run("caption", path)[1]
    assert run("caption", "--beams", 3, path)[0] == 0
    assert run("caption", "--dtype", "bfloat16", path)[1] == greedy
    sampled = [run("caption", "--temperature", 30, "--seed", seed, path)[1] for seed in (1, 1, 2)]
    assert sampled[0] == sampled[1] != sampled[2]
    assert run("caption", "--temperature", 30, "--top-p", 1e-6, path)[1] == greedy


def test_shots_reach_the_circuit(run, scenes, monkeypatch):
    """A handful of shots is far too few for this model: it says something else than with exact values."""
    paths = [path for path, _ in scenes]
    args = ("caption", "--shots", 3, "--seed", 5, *paths)
    code, out, err = run(*args)
    assert code == 0
    one_line(err, "note: with 3 shots", "off by about 0.58", "--shots 1000 or more")
    assert out != run("caption", *paths)[1]
    code, _, err = run("caption", "--noise", "depolarising=1", paths[0])
    assert code == 2
    one_line(err, "--noise: channel must be one of", "Did you mean 'DepolarizingChannel'?")


def test_output_is_refused_replaced_or_gone_on_with(run, folder, tmp_path):
    where, _ = folder
    output = tmp_path / "out.jsonl"
    args = ("caption", where, "--format", "jsonl", "--output", output)
    code, out, _ = run(*args)
    assert (code, out) == (1, "")
    whole = output.read_text()
    assert len(_rows(whole)) == 4

    code, _, err = run(*args)
    assert code == 2
    one_line(err, "out.jsonl exists", "--overwrite", "--skip-existing")
    assert output.read_text() == whole

    lines = whole.splitlines(keepends=True)
    output.write_text(lines[0] + lines[1][:-9])  # killed in the middle of a row
    assert (
        run(*args, "--skip-existing", "-v")[2]
        .splitlines()[-1]
        .startswith("hybrid: 2 of 3 captioned, 1 failed, 1 done before, ")
    )
    assert output.read_text() == whole

    Image.open(where / "0.png").save(where / "1a.png")  # the bad file is replaced, and tried again
    assert run(*args, "--skip-existing") == (0, "", "")
    rows = _rows(output.read_text())
    assert sorted(rows) == sorted(_rows(whole))
    assert rows[f"{where}/1a.png"] == rows[f"{where}/0.png"]
    again = output.read_text()
    assert run(*args, "--skip-existing") == (0, "", "")
    assert output.read_text() == again

    output.write_text("something else")
    assert run(*args, "--overwrite", "--format", "csv")[0] == 0
    assert output.read_text().startswith("image,caption,error\n")


def test_a_wrong_option_does_not_cost_the_output(run, folder, tmp_path):
    output = tmp_path / "out.txt"
    output.write_text("precious")
    assert run("caption", folder[0], "--output", output, "--overwrite", "--backend", "jux")[0] == 2
    assert output.read_text() == "precious"


def test_sidecars(run, folder):
    where, _ = folder
    code, out, _ = run("caption", "--sidecar", where)
    assert code == 1
    texts = {line.split(": ")[0]: line.split(": ")[1] for line in out.splitlines()}
    for name in ("0", "1", "2"):
        assert (where / f"{name}.txt").read_text().strip() == texts[f"{where}/{name}.png"]
    assert not (where / "1a.txt").exists()
    code, _, err = run("caption", "--sidecar", where)
    assert code == 2
    one_line(err, "3 sidecars exist", "0.txt", "--overwrite")
    (where / "1.txt").write_text("by hand")
    (where / "2.txt").unlink()
    code, out, _ = run("caption", "--sidecar", "--skip-existing", where)
    assert [line.split(": ")[0] for line in out.splitlines()] == [f"{where}/2.png"]
    assert (where / "1.txt").read_text() == "by hand"
    run("caption", "--sidecar", "--overwrite", where)
    assert (where / "1.txt").read_text() != "by hand"


def test_a_row_is_not_written_twice_for_a_lost_sidecar(run, folder, tmp_path):
    where, _ = folder
    args = ("caption", where, "--format", "jsonl", "--output", tmp_path / "out.jsonl", "--sidecar")
    run(*args)
    (where / "1a.png").unlink()
    sidecar = where / "1.txt"
    said = sidecar.read_text()
    sidecar.unlink()
    assert run(*args, "--skip-existing") == (0, "", "")
    assert sidecar.read_text() == said
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) == 3


def test_two_pictures_with_one_sidecar(run, scenes, tmp_path):
    Image.open(scenes[1][0]).save(tmp_path / "0.bmp")
    code, out, err = run("caption", "--sidecar", tmp_path / "0.png", tmp_path / "0.bmp")
    assert code == 1
    assert len(out.splitlines()) == 2
    assert err.splitlines()[0] == (
        f"hybrid: {tmp_path}/0.bmp: its sidecar would be that of {tmp_path}/0.png; rename one"
    )
    assert (tmp_path / "0.txt").read_text() == out.splitlines()[0].split(": ")[1] + "\n"


def test_all_that_does_not_go_together_is_said_at_once(run, scenes):
    path = scenes[0][0]
    code, out, err = run(
        "caption", path, "--stream", "--beams", 2, "--format", "csv", "--overwrite", "--skip-existing"
    )
    assert (code, out) == (2, "")
    one_line(err, "--beams", "--format csv", "exclude each other", "need --output")


def test_a_prompt_longer_than_the_context(run, scenes):
    code, _, err = run("caption", "--prompt", "word " * 300, scenes[0][0])
    assert code == 2
    assert re.search(
        r"the model's 256 tokens, but the prompt takes \d{3,} and max_new_tokens is 50", one_line(err)
    )


@pytest.mark.parametrize(("backend", "noted"), [("default.mixed", True), ("lightning.qubit", False)])
def test_a_density_matrix_of_many_qubits_is_noted_before_it_runs(run, scenes, monkeypatch, backend, noted):
    def caption_files(_model, _processor, sources, **_):
        return (Result(source_name(source), "a circle") for source in sources)

    monkeypatch.setattr("hybrid.inference.captioning.caption_files", caption_files)
    code, out, err = run("caption", "--backend", backend, "--shots", 5, scenes[0][0])
    assert (code, out) == (0, "a circle\n")
    err, shots = err.splitlines()[:-1], err.splitlines()[-1:]
    one_line(*shots, "note: with 5 shots")
    if noted:
        one_line(*err, "note: default.mixed", "4^12 numbers for 12 qubits", "--backend lightning.qubit")
    else:
        assert err == []
    assert run("caption", "--quiet", "--backend", backend, "--shots", 5, scenes[0][0])[2] == ""


def test_names_that_are_no_text(run, scenes, tmp_path):
    name = os.fsdecode(bytes(tmp_path) + b"/caf\xe9\n.png")
    scenes[0][0].rename(name)
    code, out, err = run("caption", name, scenes[1][0], "--format", "jsonl")
    assert (code, err) == (0, "")
    assert json.loads(out.splitlines()[0])["image"] == printable(name) == f"{tmp_path}/caf\\udce9\\n.png"


def test_killed_and_gone_on_with(run, tmp_path, scenes, monkeypatch):
    """A kill leaves what is on disk by then; SIGTERM ends the file; the rest of either is done later."""
    where = tmp_path / "many"
    where.mkdir()
    for i in range(12):
        (where / f"{i}.png").symlink_to(scenes[i % 3][0])
    killed, ended = tmp_path / "killed.json", tmp_path / "ended.json"
    options = ("--format", "json", "--batch-size", "1", "--skip-existing", "--output")
    caption_files = captioning.caption_files

    def terminated(*args, **kwargs):
        for i, captioned in enumerate(caption_files(*args, **kwargs)):
            yield captioned
            if i == 4:
                shutil.copy(ended, killed)
                signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patch:
        patch.setattr(captioning, "caption_files", terminated)
        told = "hybrid: interrupted; what was written is kept, and the same command goes on from there\n"
        assert run("caption", where, *options, ended) == (128 + signal.SIGTERM, "", told)
    assert len(killed.read_text().splitlines()) >= 5
    some = json.loads(ended.read_text())
    assert 5 <= len(some) < 12
    for output in (killed, ended):
        assert run("caption", where, *options, output) == (0, "", "")
        rows = json.loads(output.read_text())
        assert rows[:5] == some[:5]
        assert [row["image"] for row in rows] == [f"{where}/{i}.png" for i in range(12)]


def test_interrupted_is_130(run, folder, monkeypatch):
    where, _ = folder

    def interrupted(*_, **__):
        signal.raise_signal(signal.SIGINT)
        yield

    monkeypatch.setattr("hybrid.inference.captioning.caption_files", interrupted)
    code, _, err = run("caption", where)
    assert code == 130
    assert err == "hybrid: interrupted\n"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    kept = ("--output", where / "out.jsonl", "--format", "jsonl")
    assert "the same command with --skip-existing goes on" in run("caption", where, *kept)[2]
    assert "the same command goes on" in run("caption", where, *kept, "--skip-existing")[2]
    again = run("caption", where, *kept, "--overwrite")[2]
    assert "the same command with --skip-existing in place of --overwrite goes on" in again


class _Finaliser:
    """Raises a signal where Python drops exceptions: in a finaliser."""

    def __init__(self, number):
        self.number = number

    def __del__(self):
        signal.raise_signal(self.number)


def _in_a_finaliser(number):
    _Finaliser(number)


def _in_the_collector(number):
    """As JAX's callback is when a signal comes just then."""

    def callback(_phase, _info):
        gc.callbacks.remove(callback)
        signal.raise_signal(number)

    gc.callbacks.append(callback)
    gc.collect()


@pytest.mark.parametrize("raised", [_in_a_finaliser, _in_the_collector])
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_is_not_lost_where_exceptions_are(run, tmp_path, monkeypatch, number, raised):
    def caption_files(_model, _processor, sources, **_):
        for i, source in enumerate(sources):
            if i == 3:
                raised(number)
            if i >= 3:
                time.sleep(0.01)
            yield Result(source_name(source), "a circle")

    monkeypatch.setattr("hybrid.inference.captioning.caption_files", caption_files)
    hook = sys.unraisablehook
    Image.new("RGB", (32, 32)).save(tmp_path / "0.png")
    for i in range(1, 1000):
        (tmp_path / f"{i}.png").symlink_to(tmp_path / "0.png")
    output = tmp_path / "out.json"
    code, out, err = run("caption", tmp_path, "--format", "json", "--output", output)
    assert (code, out) == (128 + number, "")
    one_line(err, "interrupted")
    assert 3 <= len(json.loads(output.read_text())) < 1000
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler
    assert sys.unraisablehook is hook


def test_a_terminal_gets_a_bar(run, folder, monkeypatch):
    """Rows on stdout are data alone; the bar, with rate and time left, is on a stderr that is a terminal.

    It says that the model is being loaded, and an error has a line of its own above it.
    """
    where, _ = folder
    wanted = run("caption", where)
    monkeypatch.setenv("TERM", "xterm")
    ours, theirs = pty.openpty()
    shown = []

    def read():
        with suppress(OSError):  # which is how a terminal ends
            while data := os.read(ours, 4096):
                shown.append(data.decode())

    reader = threading.Thread(target=read)
    reader.start()
    with os.fdopen(theirs, "w") as terminal, monkeypatch.context() as patch:
        patch.setattr(sys, "stderr", terminal)
        code, out, _ = run("caption", where)
        patch.setattr(sys, "stderr", sys.__stderr__)
    reader.join(10)
    os.close(ours)
    assert (code, out) == wanted[:2]
    bar = "".join(shown)
    assert "4/4" in bar
    assert bar.index("loading the model") < bar.index("captioning")
    plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", bar)
    (fault,) = [line for line in re.split(r"[\r\n]+", plain) if "1a.png" in line]
    assert fault == wanted[2].splitlines()[0]
    assert re.search(r"[\d.]+/s", bar)
    assert re.search(r"\d:\d\d:\d\d", bar)


def test_another_prompt_than_the_bundled_model_knows_is_noted(run, scenes, tiny_folder):
    path = scenes[0][0]
    code, out, err = run("caption", "--prompt", "What is the weather?", path)
    assert (code, len(out.splitlines())) == (0, 1)
    one_line(err, "note: the bundled model was trained on one prompt", "leave --prompt out")
    assert run("caption", "--quiet", "--prompt", "What is the weather?", path)[2] == ""
    assert run("caption", "--prompt", "Describe the image: ", path)[2] == ""
    assert "prompt" not in run("caption", "--model", tiny_folder, "--prompt", "a large", path)[2]


def test_a_fault_while_captioning_is_a_failure_not_wrong_usage(run, scenes, monkeypatch):
    def broken(*_, **__):
        raise ValueError("logits must be finite")

    monkeypatch.setattr("hybrid.inference.captioning.caption_files", broken)
    code, out, err = run("caption", scenes[0][0])
    assert (code, out) == (1, "")
    assert "--help" not in one_line(err, "logits must be finite")


def test_a_fault_while_loading_names_no_option_that_was_not_given(run, scenes, monkeypatch):
    def broken(*_, **__):
        raise ValueError("the weights do not fit")

    monkeypatch.setattr("hybrid.loading.load.load", broken)
    code, _, err = run("caption", scenes[0][0])
    assert code == 1
    assert "--shots" not in one_line(err, "the weights do not fit")


def test_a_folder_without_pictures_is_called_that(run, tmp_path):
    (tmp_path / "empty" / "below").mkdir(parents=True)
    code, out, err = run("caption", tmp_path / "empty")
    assert (code, out) == (1, "")
    one_line(err, "is a folder without pictures", "--recursive")
    assert "--recursive" not in one_line(run("caption", "--recursive", tmp_path / "empty")[2])


def test_each_picture_is_decoded_once(run, scenes, monkeypatch):
    from hybrid.data import images

    decoded = []
    read = images._read
    monkeypatch.setattr(images, "_read", lambda stream, shown: decoded.append(shown) or read(stream, shown))
    assert run("caption", *(path for path, _ in scenes))[0] == 0
    assert sorted(decoded) == sorted(str(path) for path, _ in scenes)
