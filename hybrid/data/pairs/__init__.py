"""Pictures and their captions, read from whatever a person has.

A format is one file here with two functions, ``matches(where)`` and ``read(where)``, named in `FORMATS`.
"""

import os
from collections.abc import Iterable, Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, place_name, refuse

# Asked in this order; the first that knows what a name stands for reads it.
FORMATS = ("dataset", "folder", "jsonl", "table", "coco", "karpathy")
_KNOWN = (
    "a folder of pictures with side-car .txt files, .jsonl, .csv, COCO captions or Karpathy split .json, or "
    "a dataset of the datasets library"
)

__all__ = ["FORMATS", "DataError", "Pair", "choose_split", "read_pairs"]


def read_pairs(where: str | os.PathLike[str]) -> list[Pair]:
    """Read pictures' names and captions; the pictures themselves are only looked for.

    Args:
        where: A folder or a file in one of `FORMATS`, or ``owner/name`` of a dataset on the hub.

    Returns:
        One pair a picture, in the order of the source; a picture that comes in several rows has all of their
        captions.

    Raises:
        DataError: Naming the first faults, with their lines, if it cannot be read as any format, holds no
            pair, or names pictures that are missing, come twice or have no caption.
    """
    name = os.fspath(where)
    for form in FORMATS:
        module: Any = import_module(f"hybrid.data.pairs.{form}")
        if module.matches(name):
            return _checked(name, module.read(name))
    if not Path(name).exists():
        raise DataError(f"data {place_name(name)}: no such file or folder; give {_KNOWN}")
    raise DataError(f"data {place_name(name)}: is in no known format; give {_KNOWN}")


def choose_split(pairs: list[Pair], *names: str) -> list[Pair]:
    """Keep what is in any of these parts, such as ``"train"``; all where the source has no parts."""
    return [pair for pair in pairs if pair.split is None or pair.split in names]


def _checked(name: str, pairs: Iterable[Pair]) -> list[Pair]:
    found = list(pairs)
    if not found:
        raise DataError(f"data {place_name(name)}: holds no picture with a caption; give {_KNOWN}")
    refuse(name, _faults(found))
    return found


def _faults(pairs: list[Pair]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for pair in pairs:
        shown = place_name(pair.image)
        if pair.image in seen:
            yield f"{pair.place}: {shown} comes a second time, first at {seen[pair.image]}"
        seen[pair.image] = pair.place
        if not pair.captions or not all(caption.strip() for caption in pair.captions):
            yield f"{pair.place}: the caption of {shown} is empty"
        if pair.stored is None and not Path(pair.image).is_file():
            yield f"{pair.place}: {shown} is no file"
