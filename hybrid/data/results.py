"""What captioning a file gives, and the formats in which it is written: one entry a format."""

import csv
import io
import json
from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Result:
    """What became of one picture.

    Attributes:
        image: Its name, printable on one line.
        caption: What is said of it, on one line; none if it could not be read.
        error: Why it could not be read, on one line.
        unfamiliar: Whether the model has never seen anything like it, where the model can tell.
        others: Further captions, where several were asked for, in the order of their likelihood.
    """

    image: str
    caption: str | None = None
    error: str | None = None
    unfamiliar: bool = False
    others: tuple[str, ...] = ()

    @property
    def captions(self) -> list[str]:
        """All captions, the likeliest first; none if the picture could not be read."""
        return [] if self.caption is None else [self.caption, *self.others]


@dataclass(frozen=True)
class Format:
    """How results are written, a line each or a line a caption, and recognised again.

    Attributes:
        what: A few words on it, for help pages.
        row: A result as lines without the end of the last, or nothing if this format leaves it out.
        images: The names of which a line may be the row: none if it is the row of an error.
            Raises ValueError for a line that is not a row.
        head: Before the first row, also where none follows.
        between: Before every other row.
        end: After each row; without it a row was not written to its end.
        tail: After the last row.
    """

    what: str
    row: Callable[[Result], str | None]
    images: Callable[[str], list[str]]
    head: str = ""
    between: str = ""
    end: str = "\n"
    tail: str = ""


def printable(name: str) -> str:
    """A name, or other text, as it can be shown on one line, whatever it holds."""
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape", "backslashreplace").decode() for c in name
    )


def _text(result: Result) -> str | None:
    return "\n".join(f"{result.image}: {printable(said)}" for said in result.captions) or None


def _text_images(line: str) -> list[str]:
    # A name may hold a colon, too: the row may be that of any of these.
    places = [i for i in range(len(line)) if line.startswith(": ", i)]
    if not places:
        raise ValueError("no colon")
    return [line[:i] for i in places]


def _no_images(_line: str) -> list[str]:
    return []


def _json(result: Result) -> str:
    said: dict[str, object] = {"caption": result.caption} if result.error is None else {"error": result.error}
    if result.others:
        said["captions"] = result.captions
    return json.dumps({"image": result.image} | said, ensure_ascii=False)


def _json_images(line: str) -> list[str]:
    row = json.loads(line)
    if not (isinstance(row, dict) and isinstance(row.get("image"), str) and {"caption", "error"} & set(row)):
        raise ValueError("another object")
    return [row["image"]] if "caption" in row else []


_COLUMNS = ["image", "caption", "error"]


def _csv(result: Result) -> str:
    rows = [[result.image, said, result.error or ""] for said in result.captions or [""]]
    return "\n".join(map(_csv_line, rows))


def _csv_line(cells: list[str]) -> str:
    line = io.StringIO()
    csv.writer(line, lineterminator="").writerow(cells)
    return line.getvalue()


def _csv_images(line: str) -> list[str]:
    try:
        (cells,) = csv.reader([line], strict=True)
    except csv.Error as error:
        raise ValueError("another table") from error
    if len(cells) != len(_COLUMNS):
        raise ValueError("another number of columns")
    return [] if cells[2] else [cells[0]]


FORMATS = {
    "text": Format("one caption a line, after 'name: ' if there are several", _text, _text_images),
    "json": Format(
        "one array of objects", _json, _json_images, head="[\n", between=",\n", end="", tail="\n]\n"
    ),
    "jsonl": Format("one object a line", _json, _json_images),
    "csv": Format("a table with a header", _csv, _csv_images, head=_csv_line(_COLUMNS) + "\n"),
}
# For a single picture on stdout: the caption and nothing else.
BARE = Format("the caption", lambda result: "\n".join(map(printable, result.captions)) or None, _no_images)
