"""The commands in docs/training.md: all of them are understood, and the first ones run."""

import re
import shlex
from pathlib import Path

import pytest

from hybrid import cli

TEXT = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
LINES = [line for block in re.findall(r"```sh\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]
COMMANDS = [
    shlex.split(re.split(r"hybrid ", line, maxsplit=1)[1].replace(" ...", ""), comments=True)
    for line in LINES
    if "hybrid " in line
]


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_command_is_understood(words):
    command = cli.group.get_command(None, words[0])
    command.make_context(words[0], words[1:], **cli.group.context_settings)  # which the command remembers


def test_every_option_that_is_named_exists():
    known = {"--num_processes", "--nproc-per-node", "--nnodes", "--rdzv-backend", "--rdzv-endpoint"}
    known |= {"--nodes", "--ntasks-per-node", "--gpus-per-node"}  # Slurm's
    for name in ("train", "distill", "eval", "caption"):
        known |= {o for p in cli.group.get_command(None, name).params for o in p.opts + p.secondary_opts}
    assert set(re.findall(r"--[a-z][\w-]+", TEXT)) <= known


@pytest.mark.usefixtures("data_here")
def test_the_first_commands_run(run, parts):
    train, evaluate, caption = COMMANDS[:3]
    base = ["--vision", parts / "clip", "--language", parts / "llama", "--cache", "cache", "--device", "cpu"]
    code, out, err = run(*train, *base, "--epochs", 1)
    assert (code, out) == (0, "runs/mine/model\n"), err
    assert "36 of them quantum" in err  # 4 qubits, 3 layers, 3 angles
    code, out, err = run(*evaluate, "--cache", "cache", "--max-new-tokens", 5)
    assert code == 0, err
    assert Path("scores.json").exists()
    assert run(*caption, "--max-new-tokens", 5)[0] == 0
