"""Pictures and their captions, read from whatever a person has.

A format is one file here with ``matches(source)``, ``read(source)`` and ``FORM``, a few words on what it is;
it is found by its name in `FORMATS`.
"""

import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from importlib import import_module
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, known_parts, part_named, place_name, refuse
from hybrid.data.pairs.source import Source

# Asked in this order; the first that knows what a name stands for reads it.
FORMATS = (
    "dataset",
    "webdataset",
    "imagefolder",
    "flickr",
    "folder",
    "llava",
    "jsonl",
    "table",
    "coco",
    "karpathy",
    "blip",
)

__all__ = ["FORMATS", "DataError", "Pair", "choose_split", "read_pairs"]


def read_pairs(where: str | os.PathLike[str], note: Callable[[str], None] = warnings.warn) -> list[Pair]:
    """Read pictures' names and captions; the pictures themselves are only looked for.

    Args:
        where: A folder or a file in one of `FORMATS`, or ``owner/name`` of a dataset on the hub.
        note: Is told in a line what was left out and why; by default it becomes a warning.

    Returns:
        One pair a picture, in the order of the source; a picture that comes in several rows has all of their
        captions. The parts of the source are called ``"train"``, ``"val"`` and ``"test"``.

    Raises:
        DataError: Naming the first faults, with their lines, if it cannot be read as any format, holds no
            pair, or names pictures that are missing, come twice, have no caption, or are in two parts or in
            one of an unknown name.
    """
    source = Source(os.fspath(where), note)
    for form in map(_format, FORMATS):
        if form.matches(source):
            return _checked(source, form.read(source))
    if source.is_folder:
        raise source.fault(f"holds no picture and no shard; give {_known()}")
    what = "is in no known format" if source.path.exists() else "no such file or folder"
    raise source.fault(f"{what}; give {_known()}")


def _format(name: str) -> Any:
    return import_module(f"hybrid.data.pairs.{name}")


def _known() -> str:
    *most, last = sorted(str(_format(name).FORM) for name in FORMATS)
    return f"{', '.join(most)}, or {last}"


def choose_split(pairs: list[Pair], *names: str) -> list[Pair]:
    """Keep what is in any of these parts, such as ``"train"``.

    All is kept where the source has no parts. Where it has, pictures in none of them count as ``"train"``.
    """
    if all(pair.split is None for pair in pairs):
        return list(pairs)
    return [pair for pair in pairs if (pair.split or "train") in names]


def _checked(source: Source, pairs: Iterable[Pair]) -> list[Pair]:
    found = list(pairs)
    if not found:
        raise source.fault(f"holds no picture with a caption; give {_known()}")
    refuse(source.name, _faults(found))
    return [p if p.split is None else replace(p, split=part_named(p.split)) for p in found]


def _faults(pairs: list[Pair]) -> Iterator[str]:
    seen: dict[str, str] = {}
    for pair in pairs:
        shown = place_name(pair.image)
        if pair.image in seen:
            yield f"{pair.place}: {shown} comes a second time, first at {seen[pair.image]}"
        seen[pair.image] = pair.place
        if not pair.captions or not all(caption.strip() for caption in pair.captions):
            yield f"{pair.place}: the caption of {shown} is empty"
        if pair.stored is None and "://" in pair.image:
            yield f"{pair.place}: {shown} is an address, which is not fetched; download the picture"
        elif pair.stored is None and not os.path.isfile(pair.image):  # noqa: PTH113
            yield f"{pair.place}: {shown} is no file"
        if pair.split is not None and part_named(pair.split) is None:
            yield f"{pair.place}: the part {place_name(pair.split)!r} must be one of {known_parts()}"
