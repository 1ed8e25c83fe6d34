"""CSV: a header with ``image`` and ``caption``, and a row for each caption."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from hybrid.data.pairs.pair import Pair, place_name
from hybrid.data.pairs.rows import pairs_of_rows, plain
from hybrid.data.pairs.source import Source

FORM = ".csv, .tsv"
_NAMES = (("image", "caption"), ("file_name", "text"), ("file_name", "caption"))
_PARTS = {"fold", "part", "partition", "subset"}  # what others call a split


def matches(source: Source) -> bool:
    """Whether the name says so."""
    return source.ending in (".csv", ".tsv")


def read(source: Source) -> Iterator[Pair]:
    """Read a CSV file, or one with tabs between the columns."""
    yield from pairs_of_rows(source, _rows(source))


def _rows(source: Source) -> Iterator[tuple[str, dict[str, Any]]]:
    text = io.StringIO(source.text, newline="")
    reader = csv.DictReader(text, delimiter="\t" if source.ending == ".tsv" else ",", strict=True)
    try:
        reader.fieldnames = columns = [plain(name) for name in reader.fieldnames or []]
        names = next((names for names in _NAMES if set(names) <= set(columns)), None)
        if names is None:
            raise source.fault(
                "must name the columns image and caption, or file_name and text, but was "
                f"{place_name(','.join(columns))}",
                1,
            )
        if len(set(columns)) < len(columns):
            raise source.fault("names a column twice; rename one", 1)
        if parts := sorted(_PARTS & set(columns)):
            source.note(f"column {parts[0]} is not read; call it split if it says which part a row is in")
        for row in reader:
            if None in row or None in row.values():
                raise source.fault(
                    f"must have {len(columns)} columns; put captions with commas in double quotes",
                    reader.line_num,
                )
            yield f"line {reader.line_num}", {name: row[name] for name in (*names, "split") if name in row}
    except csv.Error as error:
        raise source.fault(f"is not CSV ({error})", reader.reader.line_num) from None
