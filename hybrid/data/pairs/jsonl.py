"""JSONL: a line for each picture, ``{"image": "a.jpg", "caption": "..."}`` or ``"captions": [...]``."""

from collections.abc import Iterator

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.rows import pairs_of_rows
from hybrid.data.pairs.source import Source

FORM = ".jsonl"


def matches(source: Source) -> bool:
    """Whether the name says so."""
    return source.ending in (".jsonl", ".ndjson")


def read(source: Source) -> Iterator[Pair]:
    """Read a JSONL file."""
    yield from pairs_of_rows(source, source.rows or [])
