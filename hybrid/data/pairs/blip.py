"""BLIP's and LAVIS's lists: JSON ``[{"image": "a.jpg", "caption": "..."}, ...]``, or a list of captions each.

Pictures lie beside the file or in a folder ``images`` there.
"""

from collections.abc import Iterator

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.rows import pairs_of_rows
from hybrid.data.pairs.source import Source

FORM = "a .json list of images and captions (BLIP, LAVIS)"


def matches(source: Source) -> bool:
    """Whether it is JSON of a list."""
    return isinstance(source.json, list)


def read(source: Source) -> Iterator[Pair]:
    """Read a list."""
    yield from pairs_of_rows(source, source.rows or [])
