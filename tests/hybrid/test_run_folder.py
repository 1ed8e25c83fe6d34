"""A run's folder: one run at a time, a failed start leaves nothing, what is wrong is said in a sentence."""

import errno
import os
import signal
import subprocess
import sys

import pytest

from hybrid.data.heartbeat import EVERY, Heartbeat
from hybrid.loading.checkpoints import CheckpointError
from hybrid.training.fitting import Patience
from hybrid.training.run_folder import RunFolder, done, mark_done

RECORD = {"recipe": {"rate": 1}, "seed": 0}
HOLD = """
import sys, time
from pathlib import Path
from hybrid.training.run_folder import RunFolder
with RunFolder(Path(sys.argv[1]), {"recipe": {"rate": 1}, "seed": 0}):
    print("here", flush=True)
    time.sleep(60)
"""


def test_a_second_run_is_refused_and_told_who_holds_the_folder(tmp_path):
    with RunFolder(tmp_path / "run", RECORD) as first:
        first.begin()
        with (
            pytest.raises(CheckpointError, match=rf"in use by process {os.getpid()} on .+, since \d{{4}}-"),
            RunFolder(tmp_path / "run", RECORD),
        ):
            pass
        assert (tmp_path / "run" / "run.json").exists()
    with RunFolder(tmp_path / "run", RECORD):
        pass
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["run.json"]


def test_the_lock_of_a_dead_process_is_taken_over(tmp_path):
    command = [sys.executable, "-c", HOLD, str(tmp_path / "run")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        process.stdout.readline()
        with pytest.raises(CheckpointError, match=f"process {process.pid} on"):
            RunFolder(tmp_path / "run", RECORD).__enter__()
        process.send_signal(signal.SIGKILL)
    assert (tmp_path / "run" / ".lock").exists()
    with RunFolder(tmp_path / "run", RECORD) as folder:
        folder.begin()


def test_a_failed_start_leaves_no_folder_and_a_begun_one_stays(tmp_path):
    with pytest.raises(KeyboardInterrupt), RunFolder(tmp_path / "a" / "b", RECORD):
        raise KeyboardInterrupt
    assert not (tmp_path / "a").exists()

    def begun():
        with RunFolder(tmp_path / "a" / "b", RECORD) as folder:
            folder.begin()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        begun()
    assert [path.name for path in (tmp_path / "a" / "b").iterdir()] == ["run.json"]
    with pytest.raises(ValueError, match="another recipe or seed"):
        RunFolder(tmp_path / "a" / "b", RECORD | {"seed": 1})


def test_what_was_there_before_is_left(tmp_path):
    (tmp_path / "mine").write_text("x")
    with pytest.raises(RuntimeError), RunFolder(tmp_path, RECORD):
        raise RuntimeError
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]


@pytest.mark.parametrize("number", [errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_told_in_a_sentence(tmp_path, monkeypatch, number):
    def refuse(*_args, **_named):
        raise OSError(number, os.strerror(number), str(tmp_path / "run" / ".lock"))

    monkeypatch.setattr("hybrid.training.run_folder.os.open", refuse)
    with pytest.raises(
        CheckpointError, match=rf"run: cannot be written \({os.strerror(number)}\); make room"
    ):
        RunFolder(tmp_path / "run", RECORD).__enter__()
    assert not (tmp_path / "run").exists()
    monkeypatch.undo()
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match="cannot be written"):
        RunFolder(tmp_path / "file" / "run", RECORD).__enter__()


def test_a_disk_that_fills_up_later_is_told_too(tmp_path):
    with pytest.raises(CheckpointError, match="No space left"), RunFolder(tmp_path, RECORD):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    with pytest.raises(PermissionError), RunFolder(tmp_path, RECORD):  # of another file
        raise PermissionError(errno.EACCES, "no", "/elsewhere")


def test_only_the_first_of_several_processes_locks(tmp_path, monkeypatch):
    with RunFolder(tmp_path / "run", RECORD) as first:
        first.begin()
        monkeypatch.setenv("RANK", "1")
        with RunFolder(tmp_path / "run", RECORD) as other:
            other.begin()


def test_a_stage_is_done_with_its_facts(tmp_path):
    assert done(tmp_path) is None
    mark_done(tmp_path, best_step=4)
    assert done(tmp_path) == {"best_step": 4}


@pytest.mark.parametrize(
    ("losses", "lost"),
    [
        ([], False),
        ([3.0, 2.0, 2.5], False),
        ([3.0, 2.0, 2.5, 2.0], True),
        ([3.0, 2.0, 2.5, 1.9, 2.0], False),
        ([float("nan"), float("nan")], True),
    ],
)
def test_patience_is_counted_in_the_log(losses, lost):
    log = [row for loss in losses for row in ({"eval_loss": loss}, {"loss": 9.0})]
    assert Patience(2).lost(log) == lost
    assert not Patience(0).lost(log)


def test_a_line_now_and_then_says_how_far_it_is():
    now, said = [0.0], []
    beat = Heartbeat("pictures", 1000, said.append, clock=lambda: now[0])
    for _ in range(1000):
        now[0] += EVERY / 60
        beat.update(note=", loss 1")
    assert said[0] == "pictures: 60 of 1,000, loss 1, about 8 min left"
    assert len(said) == 16
    said.clear()
    beat = Heartbeat("step", 10, said.append, clock=lambda: now[0])
    beat.begin_at(8)
    now[0] += 2 * EVERY
    beat.update()
    assert said == ["step: 9 of 10, about 60 s left"]
