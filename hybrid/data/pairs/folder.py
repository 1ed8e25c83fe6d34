"""A folder of pictures, each with its captions in a text file of the same name, one a line."""

from collections.abc import Iterator
from pathlib import Path

from hybrid.data.pairs.pair import DataError, Pair, place_name, read_text, refuse
from hybrid.data.sidecars import sidecar_of
from hybrid.data.sources import find_pictures


def matches(where: str) -> bool:
    """Whether this is a folder."""
    return Path(where).is_dir()


def read(where: str) -> Iterator[Pair]:
    """Read the pictures in a folder and in those below it."""
    lists = sorted(path.name for path in Path(where).iterdir() if path.suffix in (".jsonl", ".csv", ".json"))
    pictures = [name for name in find_pictures([where], recursive=True) if name != where]
    with_text = [name for name in pictures if sidecar_of(name).is_file()]
    if lists and with_text:
        raise DataError(
            f"data {place_name(where)}: holds side-car .txt files and {place_name(lists[0])}, so it is not "
            "clear which to read; name that file itself, or move it away"
        )
    if lists and not with_text:
        raise DataError(
            f"data {place_name(where)}: has no side-car .txt files; its captions may be in "
            f"{place_name(lists[0])}: name that file itself"
        )
    beside: dict[Path, str] = {}
    faults = []
    for name in pictures:
        other = beside.setdefault(sidecar_of(name), name)
        if other != name:
            faults.append(f"{place_name(name)} and {place_name(other)} would share one .txt file")
        elif not sidecar_of(name).is_file():
            faults.append(f"{place_name(name)} has no .txt file beside it")
    refuse(where, faults)
    for name in pictures:
        text = sidecar_of(name)
        lines = tuple(" ".join(line.split()) for line in read_text(str(text)).splitlines() if line.strip())
        yield Pair(name, lines, place_name(str(text)))
