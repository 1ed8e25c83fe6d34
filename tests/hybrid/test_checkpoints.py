"""A folder is there whole or not at all, whatever happens at whatever moment."""

import os
import shutil

import pytest

from hybrid.loading import checkpoints
from hybrid.loading.checkpoints import CheckpointError, checkpoints_in, verify, whole_folder


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


class _Disk:
    """Counts calls that touch the disk; after so many the process is as good as dead."""

    def __init__(self, monkeypatch):
        self.calls, self.last = 0, None
        for module, name in ((os, "replace"), (os, "fsync"), (os, "open"), (checkpoints, "_digest")):
            monkeypatch.setattr(module, name, self._counted(getattr(module, name)))
        remove = shutil.rmtree
        monkeypatch.setattr(shutil, "rmtree", lambda *a, **k: None if self.dead else remove(*a, **k))

    @property
    def dead(self):
        return self.last is not None and self.calls > self.last

    def _counted(self, function):
        def call(*args, **kwargs):
            self.calls += 1
            if self.dead:
                raise _Killed
            return function(*args, **kwargs)

        return call


def test_killed_at_any_moment_the_one_before_loads(tmp_path, monkeypatch):
    disk = _Disk(monkeypatch)
    _save(tmp_path / "checkpoint-1", "one")
    total = disk.calls
    assert total > 8
    seen = set()
    for last in range(total):
        disk.calls, disk.last = 0, last
        with pytest.raises(_Killed):
            _save(tmp_path / "checkpoint-2", "two")
        disk.last = None
        found = checkpoints_in(tmp_path)
        seen.add(len(found))
        for path in found:
            verify(path)
        assert found[0].name == "checkpoint-1"
        if len(found) == 2:
            shutil.rmtree(found[1])
    assert seen == {1, 2}
    _save(tmp_path / "checkpoint-2", "two")  # and what a kill left behind is in nobody's way
    assert (tmp_path / "checkpoint-2" / "a.txt").read_text() == "two"
    assert not (tmp_path / ".part").exists()


def test_a_folder_is_not_deleted_before_another_has_its_name(tmp_path, monkeypatch):
    disk = _Disk(monkeypatch)
    total = None
    for last in range(100):
        disk.last = None
        _save(tmp_path / "c", "one")
        disk.calls, disk.last = 0, last
        try:
            _save(tmp_path / "c", "two")
        except _Killed:
            disk.last = None
            verify(tmp_path / "c" if (tmp_path / "c").exists() else tmp_path / ".part" / "c.before")
        else:
            total = last
            break
    assert total is not None
    assert total > 8


def test_a_folder_is_replaced_and_a_fault_leaves_the_old_one(tmp_path):
    _save(tmp_path / "c", "one")
    with pytest.raises(CheckpointError, match=r"cannot be written \(No space"), whole_folder(tmp_path / "c"):
        raise OSError(28, "No space left on device")
    assert (tmp_path / "c" / "a.txt").read_text() == "one"
    with pytest.raises(RuntimeError, match="mistake"), whole_folder(tmp_path / "c"):
        raise RuntimeError("a mistake elsewhere")
    assert not (tmp_path / ".part" / "c").exists()
    _save(tmp_path / "c", "two")
    assert (tmp_path / "c" / "a.txt").read_text() == "two"
    verify(tmp_path / "c")
