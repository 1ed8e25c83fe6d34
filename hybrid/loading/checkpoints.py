"""Atomic checkpoint folders with checksums."""

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from safetensors import SafetensorError
from torch import Tensor

from hybrid.model.errors import CheckpointError as CheckpointError  # re-exported: raised by all of this file

DIGESTS = "digests.json"


def part_of(path: Path) -> Path:
    """The temporary folder that is renamed once it is complete."""
    return path.parent / ".part" / path.name


@contextmanager
def whole_folder(path: Path) -> Iterator[Path]:
    """Write a folder atomically, with the digests of its files.

    A kill, a power cut or a full disk at any moment leaves what was there before.

    Args:
        path: The folder. Whatever has this name is replaced.

    Yields:
        A folder to write to, on the same disk.

    Raises:
        CheckpointError: If it cannot be written; nothing has changed then.
    """
    part = part_of(path)
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        yield part
        _seal(part)
        before = part.with_name(part.name + ".before")
        shutil.rmtree(before, ignore_errors=True)
        if path.exists():
            os.replace(path, before)  # noqa: PTH105
        os.replace(part, path)  # noqa: PTH105
        _sync(path.parent)
        shutil.rmtree(part.parent, ignore_errors=True)
    except (OSError, SafetensorError, RuntimeError) as error:
        shutil.rmtree(part, ignore_errors=True)
        if isinstance(error, RuntimeError) and "write" not in str(error) and "pos" not in str(error):
            raise  # torch reports a full disk as a RuntimeError
        reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
        raise CheckpointError(
            str(path),
            f"cannot be written ({reason}); what was saved before is whole: make room, "
            "and the same command goes on from there",
        ) from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _seal(folder: Path) -> None:
    files = sorted(path for path in folder.rglob("*") if path.is_file() and path.name != DIGESTS)
    digests = {str(path.relative_to(folder)): _digest(path) for path in files}
    (folder / DIGESTS).write_text(json.dumps(digests, indent=1))
    for path in [*files, folder / DIGESTS, *(p for p in folder.rglob("*") if p.is_dir()), folder]:
        _sync(path)


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def verify(folder: Path) -> None:
    """Check that a folder is what `whole_folder` wrote.

    Args:
        folder: The checkpoint.

    Raises:
        CheckpointError: Naming the first file that is missing, or of which as much as one bit has changed.
    """
    try:
        digests = json.loads((folder / DIGESTS).read_text())
        wanted = {str(name): str(value) for name, value in digests.items()}
    except FileNotFoundError:
        raise CheckpointError(
            str(folder), f"has no {DIGESTS}, so it is not whole; get a copy that is"
        ) from None
    except (OSError, ValueError, AttributeError):
        raise CheckpointError(str(folder), f"{DIGESTS} is damaged; get a whole copy") from None
    for name, digest in wanted.items():
        path = folder / name
        if ".." in Path(name).parts or Path(name).is_absolute() or not path.is_file():
            raise CheckpointError(str(folder), f"{name} is missing; get a whole copy")
        if _digest(path) != digest:
            raise CheckpointError(
                str(folder),
                f"{name} is not what was saved (its digest differs); get a whole copy "
                "or delete this folder to go on from the one before",
            )


def misfits(found: Mapping[str, Tensor], wanted: Mapping[str, Tensor]) -> list[str]:
    """Describe every tensor that is missing, unexpected or of another shape."""
    faults = [f"{name} is missing" for name in wanted if name not in found]
    faults += [f"{name} is not part of it" for name in found if name not in wanted]
    return faults + [
        f"{name} is {tuple(tensor.shape)}, not {tuple(wanted[name].shape)}"
        for name, tensor in found.items()
        if name in wanted and tensor.shape != wanted[name].shape
    ]


def few(faults: Sequence[str]) -> str:
    """The first faults, for a message of one line."""
    return "; ".join(faults[:3]) + ("; ..." if len(faults) > 3 else "")


def step_of(folder: Path) -> int:
    """The optimiser step of a checkpoint's name, ``checkpoint-120``."""
    return int(folder.name.rpartition("-")[2])


def checkpoints_in(folder: Path) -> list[Path]:
    """The checkpoints in a run's folder, in the order of their steps."""
    found = (path for path in folder.glob("checkpoint-*") if path.name[11:].isdecimal())
    return sorted((path for path in found if (path / DIGESTS).exists()), key=step_of)


def discard(folder: Path) -> None:
    """Delete a checkpoint, so that one half deleted is not taken for a whole one."""
    (folder / DIGESTS).unlink(missing_ok=True)
    shutil.rmtree(folder)
