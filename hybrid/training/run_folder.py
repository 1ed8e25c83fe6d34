"""A run's folder: who works in it, what it is a run of, and which of its stages are done."""

import errno
import json
import os
import socket
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from hybrid.loading.checkpoints import CheckpointError

try:
    import fcntl
except ImportError:  # not a POSIX system: nothing is locked
    fcntl = None  # type: ignore[assignment]

_RECORD, _LOCK, _DONE = "run.json", ".lock", "done.json"
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS)


class RunFolder:
    """A folder in which one run works at a time; while this context is entered, others are refused.

    The lock is the kernel's, so it ends with the process, however that ends. A start that fails before
    `begin` leaves no folder behind. Of several processes of one run (``RANK``), the first locks and writes.

    Args:
        path: The folder; it is made when this is entered.
        record: What decides the run's result. A folder with another record is refused; without one, none is.

    Raises:
        ValueError: If the folder holds a run with another record.
        CheckpointError: On entering, if another process works in the folder or it cannot be written.
    """

    def __init__(self, path: Path, record: dict[str, Any] | None = None) -> None:
        self.path = path
        self._record = None if record is None else json.dumps(record, indent=1) + "\n"
        self._what = " or ".join(record or ())
        self._main = os.environ.get("RANK", "0") == "0"
        self._lock: int | None = None
        self._made: list[Path] = []
        self._check()

    def _check(self) -> None:
        file = self.path / _RECORD
        record = self._record
        if record is not None and file.is_file() and file.read_text(encoding="utf-8") != record:
            raise ValueError(
                f"{self.path} holds a run of another {self._what}; choose another folder or remove it"
            )

    def __enter__(self) -> Self:
        if self._main:
            self._made = [path for path in (self.path, *self.path.parents) if not path.exists()]
            try:
                self.path.mkdir(parents=True, exist_ok=True)
                self._lock = self._take_lock()
            except OSError as error:
                self._forsake()
                raise self._unwritable(error) from None
            except CheckpointError:
                self._made = []
                raise
        return self

    def begin(self) -> None:
        """Record what this is a run of: from here on the folder stays, whatever happens."""
        if self._main and self._lock is not None:
            self._check()
            if self._record is not None:
                write_whole(self.path / _RECORD, self._record)
            self._made = []

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            (self.path / _LOCK).unlink(missing_ok=True)
            os.close(self._lock)
            self._lock = None
        self._forsake()
        if isinstance(error, OSError):
            inside = isinstance(error.filename, str) and Path(error.filename).is_relative_to(self.path)
            if inside or error.errno in _DISK:
                raise self._unwritable(error) from error

    def _forsake(self) -> None:
        """Take away the folders that were made for nothing."""
        for path in self._made:
            try:
                path.rmdir()
            except OSError:  # it was never made, or somebody else has put something there
                break
        self._made = []

    def _unwritable(self, error: OSError) -> CheckpointError:
        return CheckpointError(
            f"run folder {self.path}: cannot be written ({error.strerror or error}); make room or choose "
            "another folder"
        )

    def _take_lock(self) -> int:
        file = self.path / _LOCK
        while True:
            lock = os.open(file, os.O_RDWR | os.O_CREAT, 0o644)
            try:
                if fcntl is not None:
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = os.read(lock, 1000).decode(errors="replace").strip()
                os.close(lock)
                raise CheckpointError(
                    f"run folder {self.path}: is in use by {holder or 'another process'}; wait until it ends "
                    "or choose another folder"
                ) from None
            except OSError as error:
                if error.errno not in (errno.ENOLCK, errno.ENOTSUP):  # a disk without locks: go on without
                    os.close(lock)
                    raise
            if file.exists() and os.fstat(lock).st_ino == file.stat().st_ino:
                break
            os.close(lock)  # whoever had it has just taken the file away
        os.ftruncate(lock, 0)
        since = time.strftime("%Y-%m-%d %H:%M:%S")
        os.write(lock, f"process {os.getpid()} on {socket.gethostname()}, since {since}\n".encode())
        return lock


def write_whole(file: Path, text: str) -> None:
    """Write a file that is there whole or not at all."""
    part = file.with_name(f".{file.name}.{os.getpid()}.part")
    try:
        part.write_text(text, encoding="utf-8")
        part.replace(file)
    finally:
        part.unlink(missing_ok=True)


def mark_done(stage: Path, **facts: Any) -> None:
    """Note that a stage's folder is complete."""
    write_whole(stage / _DONE, json.dumps(facts))


def done(stage: Path) -> dict[str, Any] | None:
    """What was noted of a complete stage, or nothing if it is not complete."""
    file = stage / _DONE
    if not file.exists():
        return None
    facts: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return facts
