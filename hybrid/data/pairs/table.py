"""CSV: a header with ``image`` and ``caption``, and a row for each caption."""

import csv
import io
from collections.abc import Iterator
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, pairs_of_rows, place_name, read_text


def matches(where: str) -> bool:
    """Whether the name says so."""
    return where.endswith((".csv", ".tsv"))


def read(where: str) -> Iterator[Pair]:
    """Read a CSV file, or one with tabs between the columns."""
    yield from pairs_of_rows(where, _rows(where))


def _rows(where: str) -> Iterator[tuple[int, dict[str, Any]]]:
    reader = csv.DictReader(
        io.StringIO(read_text(where), newline=""),
        delimiter="\t" if where.endswith(".tsv") else ",",
        strict=True,
    )
    try:
        columns = reader.fieldnames or []
        if "image" not in columns or "caption" not in columns:
            raise DataError(
                f"data {place_name(where)}, line 1: must name the columns image and caption, but was "
                f"{place_name(','.join(columns))}"
            )
        if len(set(columns)) < len(columns):
            raise DataError(f"data {place_name(where)}, line 1: names a column twice; rename one")
        for row in reader:
            if None in row or None in row.values():
                raise DataError(
                    f"data {place_name(where)}, line {reader.line_num}: must have {len(columns)} columns; "
                    "put captions with commas in double quotes"
                )
            wanted = {name: row[name] for name in ("image", "caption", "split") if name in row}
            yield reader.line_num, wanted
    except csv.Error as error:
        raise DataError(
            f"data {place_name(where)}, line {reader.reader.line_num}: is not CSV ({error})"
        ) from None
