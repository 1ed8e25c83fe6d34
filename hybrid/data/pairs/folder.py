"""A folder of pictures, each with its captions in a text file of the same name, one a line.

Folders in it that are called ``train``, ``val`` or ``test`` are its parts.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

from hybrid.data.formats import left_out, way_to_read
from hybrid.data.pairs.pair import Pair, part_named, place_name, refuse
from hybrid.data.pairs.source import Source, read_text
from hybrid.data.sidecars import sidecar_of
from hybrid.data.sources import find_pictures, unread_pictures

FORM = "a folder of pictures with sidecar .txt files"
_LISTS = (".jsonl", ".ndjson", ".csv", ".tsv", ".json")


def matches(source: Source) -> bool:
    """Whether this is a folder with pictures."""
    if not source.is_folder:
        return False
    return any(name != source.name for name in find_pictures([source.name], recursive=True)) or bool(
        unread_pictures([source.name], recursive=True)
    )


def read(source: Source) -> Iterator[Pair]:
    """Read the pictures in a folder and in those below it."""
    pictures = [name for name in find_pictures([source.name], recursive=True) if name != source.name]
    lists = sorted(path.name for path in source.path.iterdir() if path.suffix.lower() in _LISTS)
    with_text = sidecars_of(pictures)
    if lists and with_text:
        raise source.fault(
            f"holds sidecar .txt files and {place_name(lists[0])}, so it is not clear which to read; name "
            "that file itself, or move it away"
        )
    if lists:
        raise source.fault(
            f"has no sidecar .txt files; its captions may be in {place_name(lists[0])}: name that file itself"
        )
    refuse(source.name, _faults(pictures))
    unread = unread_pictures([source.name], recursive=True)
    refuse(
        source.name,
        (
            f"{place_name(str(_text_of(name)))} is of {place_name(name)}, whose format is not read "
            f"({way_to_read(name)})"
            for name in unread
            if _text_of(name).is_file() and _text_of(name) not in with_text
        ),
    )
    source.note(left_out(unread))
    alone = sorted(set(_texts(source.path)) - set(with_text))
    if alone:
        more = f" and {len(alone) - 1} more" if len(alone) > 1 else ""
        source.note(f"no picture lies beside {place_name(str(alone[0]))}{more}")
    for name in pictures:
        text = _text_of(name)
        lines = tuple(" ".join(line.split()) for line in read_text(str(text)).splitlines() if line.strip())
        yield Pair(name, lines, place_name(str(text)), part_of_folder(name, source.path))


def _faults(pictures: Sequence[str]) -> Iterator[str]:
    beside: dict[Path, str] = {}
    for name in pictures:
        other = beside.setdefault(_text_of(name), name)
        if other != name:
            yield f"{place_name(name)} and {place_name(other)} would share one .txt file"
        elif not _text_of(name).is_file():
            yield f"{place_name(name)} has no .txt file beside it"


def sidecars_of(pictures: Sequence[str]) -> list[Path]:
    """The text files that lie beside these pictures."""
    return [path for path in map(_text_of, pictures) if path.is_file()]


def part_of_folder(picture: str, folder: Path) -> str | None:
    """The part that a picture's folder names, such as ``train/img.jpg``, if it does."""
    inside = Path(picture).relative_to(folder).parent.parts if Path(picture).is_relative_to(folder) else ()
    return next((part for part in map(part_named, inside) if part), None)


def _text_of(picture: str) -> Path:
    """The text file beside a picture, whose ending may be in upper case."""
    lower = sidecar_of(picture)
    upper = lower.with_suffix(lower.suffix.upper())
    return upper if upper.is_file() and not lower.is_file() else lower


def _texts(folder: Path) -> Iterator[Path]:
    for path in folder.rglob("*"):
        hidden = any(part.startswith(".") for part in path.relative_to(folder).parts)
        if path.suffix.lower() == ".txt" and not hidden:
            yield path
