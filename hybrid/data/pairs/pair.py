"""What all formats share: the pair, and how faults are told."""

import json
import os
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any

from hybrid.data.results import printable

_SHOWN = 3


class DataError(ValueError):
    """Training data that cannot be used. The message is one line: what, where, and the way out."""


@dataclass(frozen=True)
class Pair:
    """A picture and what is said of it.

    Attributes:
        image: The picture's path, or its name where it is stored elsewhere.
        captions: One or more.
        place: Where this is written, such as ``captions.jsonl, line 3``; for messages.
        split: The part it belongs to, such as ``"train"``, if the source has parts.
        stored: Gives the file's bytes, where the picture is not a file of its own.
    """

    image: str
    captions: tuple[str, ...]
    place: str
    split: str | None = None
    stored: Callable[[], bytes] | None = None

    def source(self) -> str | BytesIO:
        """What `hybrid.data.images.open_image` takes."""
        if self.stored is None:
            return self.image
        stream = BytesIO(self.stored())
        stream.name = self.image
        return stream


def place_name(name: str) -> str:
    """A name as it can be shown on one line."""
    return printable(name)


def refuse(name: str, faults: Iterable[str]) -> None:
    """Raise a DataError about these faults, if there are any."""
    found = list(faults)
    if found:
        more = f"; and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
        raise DataError(f"data {place_name(name)}: {'; '.join(found[:_SHOWN])}{more}; mend or remove them")


def beside(file: str, image: str) -> str:
    """The path of a picture that is named relative to the file that names it."""
    return os.path.normpath(Path(file).parent / image)


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


def read_json(file: str) -> Any:
    """Read a JSON file.

    Raises:
        DataError: If it is none, with the line.
    """
    try:
        return json.loads(read_text(file))
    except json.JSONDecodeError as error:
        raise DataError(
            f"data {place_name(file)}, line {error.lineno}: is not JSON ({error.msg}); get a whole copy"
        ) from None
    except RecursionError:
        raise DataError(f"data {place_name(file)}: is nested too deeply to be captions") from None


def head(file: str, size: int = 2**16) -> str:
    """The beginning of a file, to tell formats apart; empty where it is no file."""
    if not Path(file).is_file():
        return ""
    with Path(file).open("rb") as stream:
        return stream.read(size).decode("utf-8-sig", errors="replace")


def pairs_of_rows(file: str, rows: Iterable[tuple[int, dict[str, Any]]]) -> Iterator[Pair]:
    """Make pairs of rows with ``image`` and either ``caption`` or ``captions``, and perhaps ``split``.

    Args:
        file: Where they come from; pictures are found relative to it.
        rows: Each with its line.

    Yields:
        A pair a picture. Rows with one ``caption`` each are joined where they name the same picture.

    Raises:
        DataError: If a row is anything else.
    """
    joined: dict[str, Pair] = {}
    faults: list[str] = []
    several: list[Pair] = []
    for line, row in rows:
        place = f"line {line}"
        fault = _fault(row)
        if fault:
            faults.append(f"{place}: {fault}")
            continue
        image, split = beside(file, row["image"]), row.get("split") or None
        if "captions" in row:
            several.append(Pair(image, tuple(row["captions"]), place, split))
        elif image in joined:
            first = joined[image]
            joined[image] = Pair(image, (*first.captions, row["caption"]), first.place, first.split)
        else:
            joined[image] = Pair(image, (row["caption"],), place, split)
    refuse(file, faults)
    yield from joined.values()
    yield from several


def _fault(row: Any) -> str | None:
    if not isinstance(row, dict):
        return (
            f'must be an object such as {{"image": "a.jpg", "caption": "..."}}, but was {type(row).__name__}'
        )
    if not isinstance(row.get("image"), str) or not row["image"]:
        return "image must be a path in quotes"
    if ("caption" in row) == ("captions" in row):
        return "exactly one of caption and captions must be given"
    if "caption" in row and not isinstance(row["caption"], str):
        return "caption must be text in quotes"
    if "captions" in row and not (
        isinstance(row["captions"], list) and all(isinstance(text, str) for text in row["captions"])
    ):
        return "captions must be a list of texts"
    return None
