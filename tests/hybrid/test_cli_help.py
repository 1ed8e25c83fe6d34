"""Help, completion and what is drawn: what a newcomer sees first."""

import shlex

import click
import pytest
from click.shell_completion import get_completion_class

import qproj
from hybrid.cli import COMMANDS, group
from hybrid.cli.folding import fold


def _command(name):
    return group.get_command(click.Context(group), name)


@pytest.mark.parametrize("name", COMMANDS)
def test_every_option_has_a_plain_help_and_every_command_examples_that_parse(name):
    command = _command(name)
    for option in command.params:
        if isinstance(option, click.Option):
            assert option.help, option.name
            assert not option.help.startswith(("Of ", "In ", "To ")), option.name
            assert len(option.help.split()) > 2, option.name
    assert command.examples
    for does, line in command.examples:
        assert does
        arguments = shlex.split(
            line.split("hybrid ", 1)[-1].split(" | ")[-1].split("$(hybrid ")[-1].rstrip(')"')
        )
        arguments = [a for a in arguments if a not in ("hybrid", name)]
        arguments = arguments[: arguments.index(">")] if ">" in arguments else arguments
        options = {
            o: parameter for parameter in command.params for o in (*parameter.opts, *parameter.secondary_opts)
        }
        for word, value in zip(arguments, [*arguments[1:], ""], strict=False):
            if word.startswith("--"):
                assert word in options, line
                if isinstance(options[word].type, click.Choice):
                    assert value in options[word].type.choices, line


def _completed(shell, words, incomplete):
    completion = get_completion_class(shell)(group, {}, "hybrid", "_HYBRID_COMPLETE")
    return completion.get_completions(words, incomplete)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
@pytest.mark.parametrize(
    "words",
    [
        ["caption"],
        ["caption", "--output"],
        ["caption", "--config"],
        ["draw", "--output"],
        ["eval", "--data"],
        ["train", "--data"],
        ["train", "--vision"],
        ["train", "--adapter"],
        ["distill", "--data"],
        ["push"],
        ["eval", "--cache"],
        ["caption", "--model"],
        ["info"],
    ],
)
def test_names_of_files_still_complete(shell, words):
    """The shell is told to do it itself: with nothing said it would offer nothing."""
    (item,) = _completed(shell, words, "pi")
    assert item.type in ("file", "dir")
    assert item.value == "pi"


def test_names_that_are_known_complete():
    assert "scenes-mini" in [item.value for item in _completed("bash", ["caption", "--model"], "sc")]
    assert "lightning.qubit" in [item.value for item in _completed("bash", ["caption", "--backend"], "light")]
    assert "jsonl" in [item.value for item in _completed("bash", ["caption", "--format"], "js")]


@pytest.mark.parametrize("width", [5, 30, 60, 80, 120])
def test_a_wide_circuit_goes_on_below_and_says_the_same(width):
    whole = str(qproj.QuantumLayer(12, n_layers=2).circuit)
    assert fold(whole, None) == fold(whole, 1000) == whole
    folded = fold(whole, width)
    assert max(map(len, (line for line in folded.splitlines() if "─" in line))) <= width
    joined = {}
    for line in folded.splitlines():
        label, _, rest = line.partition(":")
        if label.strip().isdecimal():
            joined[label] = joined.get(label, "") + rest.removeprefix(" ")
    for line in whole.splitlines()[:12]:
        label, _, rest = line.partition(": ")
        assert joined[label] == rest


def test_info_and_draw_fit_the_terminal(run, monkeypatch):
    for command in ("info", "draw"):
        monkeypatch.setattr(f"hybrid.cli.{command}.terminal_width", lambda: 50)
        code, out, _ = run(command)
        assert code == 0
        drawn = [line for line in out.splitlines() if "─" in line]
        assert len(drawn) > 12
        assert max(map(len, drawn)) <= 50
