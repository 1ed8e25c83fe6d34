"""JSONL: a line for each picture, ``{"image": "a.jpg", "caption": "..."}`` or ``"captions": [...]``."""

import json
from collections.abc import Iterator
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, pairs_of_rows, place_name, read_text


def matches(where: str) -> bool:
    """Whether the name says so."""
    return where.endswith((".jsonl", ".ndjson"))


def read(where: str) -> Iterator[Pair]:
    """Read a JSONL file."""
    yield from pairs_of_rows(where, _rows(where))


def _rows(where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(read_text(where).split("\n"), 1):
        if line.strip():
            try:
                yield number, json.loads(line)
            except (json.JSONDecodeError, RecursionError) as error:
                raise DataError(
                    f"data {place_name(where)}, line {number}: is not JSON "
                    f"({getattr(error, 'msg', 'nested')}); mend the line"
                ) from None
