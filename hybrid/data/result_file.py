"""Results on their way into a file or a stream, and a file that a stopped run has left."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Self, TextIO

from hybrid.data.results import Format, Result
from hybrid.model.errors import HybridError


class ResultFileError(HybridError):
    """A file that results cannot be added to. The message is one line: what, why, way out."""


class ResultWriter:
    """Writes results as they come, each out of the process at once; closes what the format opened.

    Args:
        out: Where to. It is left open.
        form: In which form.
        begun: Whether there are rows already.
    """

    def __init__(self, out: TextIO, form: Format, *, begun: bool = False) -> None:
        self.out, self.form, self._begun = out, form, begun
        if not begun:
            self._put(form.head)

    def write(self, result: Result) -> None:
        """Write one result, if it has a place in this format."""
        row = self.form.row(result)
        if row is not None:
            self._put((self.form.between if self._begun else "") + row + self.form.end)
            self._begun = True

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            self._put(self.form.tail)
        except OSError:
            if kind is None:  # else what went wrong first is what is told
                raise

    def _put(self, text: str) -> None:
        if text:
            self.out.write(text)
            self.out.flush()


def images_done(path: Path, form: Format) -> set[str]:
    """Read which pictures a stopped run has captioned, and make the file ready for more rows.

    Rows of errors, what follows the last row, and a last row that was not written to its end are taken
    away, in one step that a kill does not leave half done.

    Args:
        path: A file that was written in this format. It may be empty or missing.
        form: The format.

    Returns:
        The names of the pictures.

    Raises:
        ResultFileError: If it holds anything else; it is left as it is then.
        OSError: If it cannot be read or written.
    """
    if not path.exists():
        return set()
    path = path.resolve()  # a link stays a link
    part = path.with_name(f".{path.name[:200]}.part")
    done: set[str] = set()
    try:
        with part.open("w", encoding="utf-8", newline="") as kept:
            for row, images in _rows(path, form):
                kept.write((form.between if done else form.head) + row + form.end)
                done.update(images)
        shutil.copymode(path, part)
        os.replace(part, path)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)
    return done


def _rows(path: Path, form: Format) -> Iterator[tuple[str, list[str]]]:
    """The whole rows of captions, and of which pictures each may be."""
    marks = {"", *form.head.split("\n"), *form.tail.split("\n")}
    with path.open(encoding="utf-8", errors="replace", newline="\n") as lines:
        held = None  # a row with a fault; it may only be the last one
        for number, line in enumerate(lines, 1):
            if held is not None:
                break
            row = line.removesuffix("\n").removesuffix(form.between.rstrip("\n"))
            if row in marks:
                continue
            try:
                images = form.images(row)
            except ValueError:
                held = number
                continue
            if images and (line.endswith("\n") or not form.end):
                yield row, images
        else:
            return
    raise ResultFileError(
        f"{path}: line {held} is not a row of this format; choose the --format it was written in, another "
        "file, or --overwrite"
    )
