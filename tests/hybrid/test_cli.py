"""The command as a user meets it. Most calls run in this process; a few run the installed command."""

import os
import subprocess
import sys
from contextlib import suppress

import pytest
from PIL import Image

from hybrid import cli
from tests.hybrid.conftest import HYBRID, one_line


def test_help_is_instant_and_loads_nothing_heavy():
    """What would take long is not loaded, neither for all commands nor for the help of each."""
    code = f"""
import sys
from hybrid.cli import main
for arguments in (["--help"], *([name, "--help"] for name in {list(cli.COMMANDS)})):
    sys.argv = ["hybrid", *arguments]
    try: main()
    except SystemExit as leaving: assert leaving.code == 0
heavy = {{"torch", "transformers", "jax", "numpy", "PIL", "rich", "pennylane", "gradio", "matplotlib"}}
assert not heavy & set(sys.modules), heavy & set(sys.modules)
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    for command in cli.COMMANDS:
        assert f"Usage: hybrid {command}" in out.stdout


def test_captioning_loads_no_training_libraries_and_collects_no_garbage(tmp_path):
    """What the installed command loads and how often it looks for garbage decide how long a caption takes."""
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste((220, 20, 30), (50, 60, 140, 150))
    picture.save(tmp_path / "mine.png")
    output = tmp_path / "out.txt"
    code = f"""
import gc, runpy, sys
searched = []
gc.callbacks.append(lambda phase, info: searched.append(info["generation"]))
sys.argv = [{str(HYBRID)!r}, "caption", {str(tmp_path / "mine.png")!r}, "--output", {str(output)!r}]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as leaving:
    assert leaving.code == 0
assert "jax" in sys.modules
assert 2 not in searched, "all objects were looked through"
assert gc.isenabled() and not gc.get_freeze_count()
from hybrid import caption, compose, HybridConfig, load
assert not {{"pennylane", "peft", "matplotlib"}} & set(sys.modules)
"""
    # Without the language model that `hybrid download photos` may have brought, which would answer.
    env = os.environ | {"XDG_CACHE_HOME": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=True, env=env
    )
    assert not done.stderr
    assert output.read_text().endswith(": a large red square\n")


def test_one_picture_gives_the_bare_caption_and_several_their_names(run, scenes):
    code, out, err = run("caption", scenes[0][0])
    assert (code, err) == (0, "")
    assert len(out.splitlines()) == 1
    assert str(scenes[0][0]) not in out
    code, several, _ = run("caption", *(path for path, _ in scenes))
    assert code == 0
    assert [line.split(": ")[0] for line in several.splitlines()] == [str(path) for path, _ in scenes]
    assert several.splitlines()[0].endswith(out.strip())


@pytest.mark.parametrize("backend", ["default.qubit", "lightning.qubit"])
def test_backends_say_the_same(run, scenes, backend):
    paths = [path for path, _ in scenes]
    assert run("caption", "--backend", backend, *paths)[1] == run("caption", *paths)[1]


def test_a_model_in_a_folder_and_options(run, scenes, tiny_folder):
    path = scenes[0][0]
    code, out, _ = run("caption", "--model", tiny_folder, "--max-new-tokens", 3, "--device", "cpu", path)
    assert code == 0
    longer = run("caption", "--model", tiny_folder, "--max-new-tokens", 12, path)[1]
    assert longer.strip().startswith(out.strip()[:3])
    assert len(longer) > len(out)
    assert run("caption", "--model", tiny_folder, "--prompt", "a large", path)[0] == 0


def test_files_that_are_no_pictures(run, tmp_path, scenes):
    (tmp_path / "empty.png").touch()
    (tmp_path / "folder").mkdir()
    (tmp_path / "text.jpg").write_text("hello")
    (tmp_path / "cut.png").write_bytes(scenes[0][0].read_bytes()[:200])
    bad = [
        tmp_path / "none.png",
        tmp_path / "empty.png",
        tmp_path / "text.jpg",
        tmp_path / "cut.png",
        tmp_path / "folder",
    ]
    code, out, err = run("caption", *bad)
    assert (code, out) == (1, "")
    *lines, summary = err.splitlines()
    assert summary == "hybrid: 0 of 5 captioned, 5 failed"
    for path, line in zip(bad, lines, strict=True):
        assert line.startswith(f"hybrid: {path}: ")
        assert ";" in line  # and the way out
    code, out, err = run("caption", *bad, scenes[0][0])
    assert code == 1
    assert len(out.splitlines()) == 1


def test_unknown_model(run, scenes):
    code, out, err = run("caption", "--model", "scene-mini", scenes[0][0])
    assert (code, out) == (1, "")
    one_line(err, "scene-mini", "did you mean scenes-mini?")


def test_hub_out_of_reach(run, scenes, monkeypatch):
    monkeypatch.setattr("hybrid.loading.hub._reachable", lambda *_: False)
    code, _, err = run("caption", "--model", "nobody/nothing", scenes[0][0])
    assert code == 1
    one_line(err, "nobody/nothing", "the hub cannot be reached", "scenes-mini")


@pytest.mark.parametrize(
    ("args", "words"),
    [
        ([], ["PATH"]),
        (["--backend", "lightning.qubits", "PICTURE"], ["lightning.qubits", "lightning.qubit"]),
        (["--device", "gpu", "PICTURE"], ["gpu", "--device cpu"]),
        (["--format", "xml", "PICTURE"], ["xml", "jsonl"]),
        (["--max-new-tokens", "0", "PICTURE"], ["0", "1"]),
        (["--max-new-tokens", "9999", "PICTURE"], ["9999", "256"]),
        (["--modle", "x", "PICTURE"], ["--modle", "--model"]),
    ],
)
def test_wrong_usage(run, scenes, args, words):
    code, out, err = run("caption", *(scenes[0][0] if a == "PICTURE" else a for a in args))
    assert (code, out) == (2, "")
    one_line(err, *words)


def test_what_another_library_says_in_several_lines_is_one(run, scenes, monkeypatch):
    def load(*_, **__):
        raise ImportError("This needs stim. Install it with:\n\npip install stim\n")

    monkeypatch.setattr("hybrid.loading.load.load", load)
    code, _, err = run("caption", "--backend", "default.clifford", scenes[0][0])
    assert code == 2
    one_line(err, "--backend default.clifford: This needs stim. Install it with: pip install stim (see")


def test_wrong_commands_and_presets(run, tmp_path):
    code, _, err = run("captoin", "x.png")
    assert code == 2
    one_line(err, "captoin", "Did you mean 'caption'?")
    code, _, err = run("train", "--preset", "scenes")
    assert code == 2
    one_line(err, "did you mean scenes-mini?")
    (tmp_path / "run.json").write_text("another")
    code, _, err = run("train", "--preset", "scenes-mini", "--output", tmp_path)
    assert code == 2
    one_line(err, "another recipe or seed")


@pytest.mark.parametrize(
    ("args", "hint"),
    [
        (["draw", "x.png"], "'x.png'; did you mean --output x.png?"),
        (["train", "pairs.csv"], "'pairs.csv'; did you mean --data pairs.csv?"),
        (["info", "scenes-mini", "more"], "'more' (see"),
    ],
)
def test_what_is_left_over_is_told_of_with_the_option_it_lacks(run, args, hint):
    code, out, err = run(*args)
    assert (code, out) == (2, "")
    one_line(err, hint)


@pytest.mark.parametrize(
    "args", [["draw"], ["eval", "--data", "none.csv"], ["compare", "a", "b", "--data", "none.csv"]]
)
def test_a_folder_to_write_in_is_missed_before_anything_else(run, tmp_path, args):
    code, out, err = run(*args, "--output", tmp_path / "none" / "x.png")
    assert (code, out) == (2, "")
    one_line(err, "'--output'", f"there is no folder {tmp_path / 'none'}; make it first")


def test_an_unforeseen_failure_is_one_line_unless_asked(run, scenes, monkeypatch):
    def broken(*_, **__):
        raise RuntimeError("out of luck\nand more")

    monkeypatch.setattr("hybrid.inference.captioning.caption_files", broken)
    code, _, err = run("caption", scenes[0][0])
    assert code == 1
    one_line(err, "out of luck", "--traceback")
    monkeypatch.setenv("HYBRID_DEBUG", "1")
    monkeypatch.setattr(sys, "argv", ["hybrid", "caption", str(scenes[0][0])])
    with pytest.raises(RuntimeError, match="luck"):
        cli.main()


def test_without_a_command_help_is_shown(run):
    code, out, _ = run()
    assert code == 0
    assert out == run("--help")[1]


def test_version(run):
    code, out, _ = run("--version")
    assert code == 0
    assert out.splitlines()[0] == "hybrid 0.1.0"
    names = {line.split()[0] for line in out.splitlines()}
    assert {"python", "torch", "transformers", "jax", "pennylane"} <= names


def test_a_closed_pipe_is_no_drama(run, scenes, monkeypatch):
    """As before `head`: here, and at the end of a process, when Python itself would tell of it."""
    reading, writing = os.pipe()
    os.close(reading)
    closed = os.fdopen(writing, "w")
    monkeypatch.setattr(sys, "stdout", closed)
    monkeypatch.setattr(sys, "stderr", sys.stderr)  # click wraps both
    assert run("caption", *(path for path, _ in scenes)) == (1, "", "")
    with suppress(BrokenPipeError):
        closed.close()
    command = f"{HYBRID} caption --help | head -n 0; exit ${{PIPESTATUS[0]}}"
    out = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    assert (out.returncode, out.stderr) == (1, "")
