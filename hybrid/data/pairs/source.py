"""What a person named as data, of which every file is read and parsed at most once."""

import json
import os
import re
from collections.abc import Callable, Iterator, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from hybrid.data.formats import ending
from hybrid.data.pairs.pair import DataError, place_name

_BLANK = re.compile(r"[ \t\r\n]*")
_FOLDERS = ("", "images", "Images")  # where pictures lie, seen from the file that names them


class Source:
    """A file, a folder, or a name; what formats look at to tell whether it is theirs.

    Args:
        name: As it was given.
        note: Is told, a line at a time, what is left out and why.

    Attributes:
        path: The same as a path.
        ending: Of the name, in lower case, such as ``.json``.
    """

    def __init__(self, name: str, note: Callable[[str], None]) -> None:
        self.name, self.path, self.ending = name, Path(name), ending(name)
        self.tell = note

    @cached_property
    def is_folder(self) -> bool:
        """Whether it is one."""
        return os.path.isdir(self.name)  # noqa: PTH112  (a Path refuses what it merely cannot find)

    @cached_property
    def text(self) -> str:
        """The file's text, see `read_text`."""
        return read_text(self.name)

    @cached_property
    def head(self) -> str:
        """The first line, at most 64 KiB of it; empty where this is no file."""
        if not os.path.isfile(self.name):  # noqa: PTH113
            return ""
        with self.path.open("rb") as stream:
            return stream.readline(2**16).decode("utf-8-sig", errors="replace").rstrip("\r\n")

    @cached_property
    def json(self) -> Any:
        """What a ``.json`` file holds; None for another file.

        Raises:
            DataError: If it is not JSON, with the line.
        """
        if self.ending != ".json":
            return None
        try:
            if not self.text.lstrip().startswith("["):
                return json.loads(self.text)
            entries = list(_entries(self.text))
            self._lines = [line for line, _ in entries]
            return [row for _, row in entries]
        except json.JSONDecodeError as error:
            raise self.fault(f"is not JSON ({error.msg}); get a whole copy", error.lineno) from None
        except RecursionError:
            raise self.fault("is nested too deeply to be captions") from None

    @cached_property
    def rows(self) -> list[tuple[str, Any]] | None:
        """The rows of a JSONL file or of a JSON list, each with its place; None where it is neither.

        Raises:
            DataError: Naming the first line that is not JSON.
        """
        if self.ending in (".jsonl", ".ndjson"):
            return list(self._json_lines())
        if isinstance(self.json, list):
            lines = zip(self._lines, self.json, strict=True)
            return [(f"line {line}, [{i}]", row) for i, (line, row) in enumerate(lines)]
        return None

    def _json_lines(self) -> Iterator[tuple[str, Any]]:
        for number, line in enumerate(self.text.split("\n"), 1):
            if line.strip():
                try:
                    yield f"line {number}", json.loads(line)
                except (json.JSONDecodeError, RecursionError) as error:
                    reason = getattr(error, "msg", "nested")
                    raise self.fault(f"is not JSON ({reason}); mend the line", number) from None

    def beside(self, image: str, folders: Sequence[str] = _FOLDERS) -> str:
        """The path of a picture that is named relative to this file, or to one of these folders beside it."""
        if "://" in image:
            return image
        near = [os.path.normpath(self.path.parent / folder / image) for folder in folders]
        return next((path for path in near if os.path.isfile(path)), near[0])  # noqa: PTH113

    def fault(self, what: str, line: int | None = None) -> DataError:
        """An error about this data, or about one of its lines."""
        place = "" if line is None else f", line {line}"
        return DataError(f"data {place_name(self.name)}{place}: {what}")

    def note(self, what: str) -> None:
        """Say what is left out and why; nothing where there is nothing to say."""
        if what:
            self.tell(f"data {place_name(self.name)}: {what}")


def read_text(file: str) -> str:
    """Read a file as UTF-8, with or without a byte order mark.

    Raises:
        DataError: If it cannot be read, with the line where it stops being UTF-8.
    """
    try:
        data = Path(file).read_bytes()
    except OSError as error:
        raise DataError(f"data {place_name(file)}: cannot be read ({error.strerror})") from None
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data[: error.start].count(b"\n") + 1
        raise DataError(
            f"data {place_name(file)}, line {line}: is not UTF-8 text; save the file as UTF-8"
        ) from None


def _entries(text: str) -> Iterator[tuple[int, Any]]:
    """The entries of a JSON list, each with its line: json tells no lines, so the list is read by hand.

    Raises:
        json.JSONDecodeError: Where it is not JSON.
    """
    decode, line, counted = json.JSONDecoder().raw_decode, 1, 0

    def blank(at: int) -> int:
        found = _BLANK.match(text, at)
        return found.end() if found else at

    at = blank(blank(0) + 1)
    closed = text.startswith("]", at)
    while not closed:
        line, counted = line + text.count("\n", counted, at), at
        row, at = decode(text, at)
        yield line, row
        at = blank(at)
        closed = text.startswith("]", at)
        if not closed:
            if not text.startswith(",", at):
                raise json.JSONDecodeError("Expecting ',' delimiter", text, at)
            at = blank(at + 1)
    if blank(at + 1) != len(text):
        raise json.JSONDecodeError("Extra data", text, at + 1)
