"""A folder is there whole or not at all, whatever happens at whatever moment."""

import os
import shutil

import pytest

from hybrid import checkpoints
from hybrid.checkpoints import CheckpointError, checkpoints_in, verify, whole_folder


class _Killed(BaseException):
    """As SIGKILL: nothing is tidied up."""


def _save(path, text):
    with whole_folder(path) as part:
        (part / "a.txt").write_text(text)
        (part / "deep").mkdir()
        (part / "deep" / "b.bin").write_bytes(b"x" * 1000)


def test_what_is_saved_is_verified(tmp_path):
    _save(tmp_path / "checkpoint-1", "one")
    verify(tmp_path / "checkpoint-1")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["checkpoint-1"]
    assert [path.name for path in checkpoints_in(tmp_path)] == ["checkpoint-1"]


def test_the_order_is_that_of_steps(tmp_path):
    for step in (20, 3, 100):
        _save(tmp_path / f"checkpoint-{step}", "x")
    (tmp_path / "checkpoint-500").mkdir()  # not whole
    (tmp_path / "checkpoint-best").mkdir()
    assert [path.name for path in checkpoints_in(tmp_path)] == [f"checkpoint-{n}" for n in (3, 20, 100)]


@pytest.mark.parametrize("bit", range(8))
@pytest.mark.parametrize("name", ["a.txt", "deep/b.bin"])
def test_every_bit_counts(tmp_path, name, bit):
    _save(tmp_path / "c", "one")
    data = bytearray((tmp_path / "c" / name).read_bytes())
    data[len(data) // 2] ^= 1 << bit
    (tmp_path / "c" / name).write_bytes(data)
    with pytest.raises(CheckpointError, match=rf"{name} is not what was saved"):
        verify(tmp_path / "c")


def test_missing_files_and_damaged_digests_are_named(tmp_path):
    _save(tmp_path / "c", "one")
    (tmp_path / "c" / "deep" / "b.bin").unlink()
    with pytest.raises(CheckpointError, match=r"deep/b\.bin is missing"):
        verify(tmp_path / "c")
    (tmp_path / "c" / "digests.json").write_text("[")
    with pytest.raises(CheckpointError, match=r"digests\.json is damaged"):
        verify(tmp_path / "c")
    (tmp_path / "c" / "digests.json").unlink()
    with pytest.raises(CheckpointError, match=r"has no digests\.json"):
        verify(tmp_path / "c")


def test_killed_at_any_moment_the_one_before_loads(tmp_path, monkeypatch):
    """Every call that touches the disk is the last one once."""
    calls = []
    limit = None

    def counted(function):
        def call(*args, **kwargs):
            calls.append(function)
            if limit is not None and len(calls) > limit:
                raise _Killed
            return function(*args, **kwargs)

        return call

    for module, name in ((os, "replace"), (os, "fsync"), (os, "open"), (checkpoints, "_digest")):
        monkeypatch.setattr(module, name, counted(getattr(module, name)))
    _save(tmp_path / "checkpoint-1", "one")
    total = len(calls)
    assert total > 8
    # Nothing is tidied up after a kill.
    remove = shutil.rmtree
    for limit in range(total):
        calls.clear()
        monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None if len(calls) > limit else remove(*a, **k))
        with pytest.raises(_Killed):
            _save(tmp_path / "checkpoint-2", "two")
        calls.clear()
        found = checkpoints_in(tmp_path)
        names = [path.name for path in found]
        assert names in (["checkpoint-1"], ["checkpoint-1", "checkpoint-2"])
        monkeypatch.setattr(shutil, "rmtree", remove)
        before, limit = limit, None
        for path in found:
            verify(path)
        if len(found) == 2:
            remove(found[1])
        limit = before
    limit = None
    _save(tmp_path / "checkpoint-2", "two")  # and what a kill left behind is in nobody's way
    assert (tmp_path / "checkpoint-2" / "a.txt").read_text() == "two"
    assert not (tmp_path / ".part").exists()


def test_a_folder_is_replaced_and_a_fault_leaves_the_old_one(tmp_path):
    _save(tmp_path / "c", "one")
    with (
        pytest.raises(CheckpointError, match=r"cannot be written \(No space"),
        whole_folder(tmp_path / "c") as part,
    ):
        (part / "a.txt").write_text("half")
        raise OSError(28, "No space left on device")
    assert (tmp_path / "c" / "a.txt").read_text() == "one"
    with pytest.raises(RuntimeError, match="mistake"), whole_folder(tmp_path / "c"):
        raise RuntimeError("a mistake elsewhere")
    assert not (tmp_path / ".part" / "c").exists()
    _save(tmp_path / "c", "two")
    assert (tmp_path / "c" / "a.txt").read_text() == "two"
    verify(tmp_path / "c")
