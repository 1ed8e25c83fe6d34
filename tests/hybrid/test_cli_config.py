"""Options from a file: all of them, checked at once, and flags win."""

import pytest

from hybrid import cli
from tests.hybrid.conftest import one_line


@pytest.fixture
def config(tmp_path):
    def write(text):
        (tmp_path / "run.toml").write_text(text)
        return tmp_path / "run.toml"

    return write


def test_a_file_says_what_flags_would(run, scenes, config):
    path = scenes[0][0]
    flags = run("caption", path, "--format", "jsonl", "--max-new-tokens", 3, "--beams", 2)
    file = config('format = "jsonl"\nmax_new_tokens = 3\nbeams = 2\n')
    assert run("caption", path, "--config", file) == flags
    assert (
        run("caption", path, "--config", config('format = "jsonl"\nmax_new_tokens = 3\nbeams = 2')) == flags
    )
    other = run("caption", path, "--format", "csv", "--max-new-tokens", 3, "--beams", 2)
    assert run("caption", path, "--config", file, "--format", "csv") == other


def test_a_switch_in_a_file_is_undone_by_a_flag(run, scenes, config):
    path = scenes[0][0]
    file = config("sidecar = true\noverwrite = true\n")
    assert run("caption", path, "--config", file, "--no-sidecar", "--no-overwrite")[0] == 0
    assert not path.with_suffix(".txt").exists()
    assert run("caption", path, "--config", file, "--skip-existing")[0] == 0
    path.with_suffix(".txt").write_text("by hand")
    assert run("caption", path, "--config", file, "--skip-existing") == (0, "", "")
    assert path.with_suffix(".txt").read_text() == "by hand"


def test_all_faults_are_said_at_once(run, scenes, config):
    file = config(
        'modle = "x"\nbeams = "two"\nbatch-size = true\nmax-new-tokens = 0\nformat = "xml"\n'
        'sidecar = 1\nprompt = 3\ntemperature = "hot"\nconfig = "x"\n'
    )
    code, out, err = run("caption", scenes[0][0], "--config", file)
    assert (code, out) == (2, "")
    one_line(
        err,
        "modle is no option, did you mean model?",
        "beams must be a whole number, but was 'two'",
        "batch-size must be a whole number, but was True",
        "max-new-tokens is not allowed: 0 is not in the range x>=1",
        "format is not allowed: 'xml' is not one of",
        "sidecar must be true or false, but was 1",
        "prompt must be text in quotes, but was 3",
        "temperature must be a number, but was 'hot'",
        "config is no option",
    )


def test_files_that_are_none(run, scenes, config, tmp_path):
    path = scenes[0][0]
    assert "none.toml" in one_line(run("caption", path, "--config", tmp_path / "none.toml")[2])
    code, _, err = run("caption", path, "--config", config("beams = = 2"))
    assert code == 2
    one_line(err, "run.toml: cannot be read", "line 1")


@pytest.mark.parametrize("name", cli.COMMANDS)
def test_every_command_takes_every_option_from_a_file(name):
    command = cli.group.get_command(None, name)
    assert "--config" in {option for parameter in command.params for option in parameter.opts}
