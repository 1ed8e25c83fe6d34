"""The commands in docs/real-models.md: all of them are understood, and those on folders run."""

import re
import shlex
from pathlib import Path

import pytest
from huggingface_hub import constants

from hybrid import cli
from hybrid.data.results import printable

TEXT = (Path(__file__).parents[2] / "docs" / "real-models.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
COMMANDS = [shlex.split(line.split("hybrid ", 1)[1]) for line in LINES if "hybrid " in line]
(PYTHON,) = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_understood(words, monkeypatch):
    monkeypatch.setenv("HF_HUB_OFFLINE", "0")  # --offline sets both for good
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", constants.HF_HUB_OFFLINE)
    command = cli.group.get_command(None, words[0])
    command.make_context(words[0], words[1:])


@pytest.mark.usefixtures("data_here")
def test_those_on_folders_run(run, parts, tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    Path("models").symlink_to(parts)
    train, caption = COMMANDS[-2:]
    code, out, err = run(*train, "--connector-epochs", 0, "--epochs", 1, "--device", "cpu")
    assert (code, out) == (0, "runs/mine/model\n"), err
    code, out, err = run(*caption)
    assert code == 0, err
    exec(PYTHON, {})
    assert printable(capsys.readouterr().out.removesuffix("\n")) == out.removesuffix("\n")
