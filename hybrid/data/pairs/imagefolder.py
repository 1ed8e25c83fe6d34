"""Hugging Face's image folder: ``metadata.jsonl`` or ``metadata.csv`` with ``file_name`` and ``text``.

It lies beside the pictures, or in each of the folders ``train``, ``validation`` and ``test``, which name the
parts then.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from hybrid.data.pairs import jsonl, table
from hybrid.data.pairs.folder import part_of_folder, sidecars_of
from hybrid.data.pairs.pair import Pair, place_name
from hybrid.data.pairs.source import Source
from hybrid.data.sources import find_pictures

FORM = "a folder with metadata.jsonl or metadata.csv"
_NAMES = ("metadata.jsonl", "metadata.csv")


def matches(source: Source) -> bool:
    """Whether this is a folder with metadata, in itself or in folders of its own."""
    return source.is_folder and bool(_lists(source))


def _lists(source: Source) -> list[Path]:
    """Metadata here, or in the folders here."""
    for pattern in ("metadata.*", "*/metadata.*", "*/*/metadata.*"):
        if found := sorted(path for path in source.path.glob(pattern) if path.name.lower() in _NAMES):
            return found
    return []


def read(source: Source) -> Iterator[Pair]:
    """Read the metadata; pictures that it does not name are left out with a note."""
    lists = _lists(source)
    twice = [path for path in lists if [p.parent for p in lists].count(path.parent) > 1]
    if twice:
        raise source.fault(f"holds {twice[0].name} and {twice[1].name}; move one away")
    pictures = [name for name in find_pictures([source.name], recursive=True) if name != source.name]
    if sidecars_of(pictures):
        raise source.fault(
            f"holds sidecar .txt files and {lists[0].name}, so it is not clear which to read; name that "
            "file itself, or move it away"
        )
    named = set()
    for path in lists:
        reader = table if path.name.lower().endswith(".csv") else jsonl
        for pair in reader.read(Source(str(path), source.tell)):
            named.add(Path(pair.image))
            place = pair.place if len(lists) == 1 else f"{place_name(str(path))}, {pair.place}"
            part = pair.split or part_of_folder(pair.image, source.path)
            yield replace(pair, place=place, split=part)
    if left := sum(Path(name) not in named for name in pictures):
        source.note(f"{left} pictures are left out: the metadata does not name them")
