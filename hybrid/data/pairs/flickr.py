"""Flickr8k and Flickr30k as they are handed round: ``captions.txt``, ``Flickr8k.token.txt``, split files.

``captions.txt`` has a header ``image,caption``, and commas in captions. In ``*.token.txt`` a line is
``name.jpg#0``, a tab, a caption. Files such as ``Flickr_8k.devImages.txt`` beside them list the pictures of
a part. Pictures lie beside the file, or in one of the folders that the archives make.
"""

import csv
import re
from collections.abc import Iterator

from hybrid.data.formats import SUFFIXES, ending
from hybrid.data.pairs.pair import Pair, part_named
from hybrid.data.pairs.rows import Rows
from hybrid.data.pairs.source import Source, read_text

FORM = "Flickr8k's captions.txt or .token.txt"
_HEADER = re.compile(r"\s*image\s*,\s*caption\s*$", re.IGNORECASE)
_TOKEN = re.compile(r"([^\t]+)#\d+\t(.*)")
_LISTS = ("captions.txt", "Flickr8k.token.txt", "Flickr8k_text/Flickr8k.token.txt", "results_20130124.token")
_FOLDERS: tuple[str, ...] = (
    "Images",
    "images",
    "Flicker8k_Dataset",
    "Flickr8k_Dataset",
    "Flickr8k_Dataset/Flicker8k_Dataset",
)
_FOLDERS += ("flickr30k-images", "flickr30k_images")
_PART = re.compile(r"\.(train|dev|val|test)Images\.txt$", re.IGNORECASE)


def matches(source: Source) -> bool:
    """Whether it is one of these files, or a folder with one."""
    return _captions_in(source) is not None


def _captions_in(source: Source) -> Source | None:
    if source.is_folder:
        inside = (Source(str(source.path / name), source.tell) for name in _LISTS)
        return next((found for found in map(_captions_in, inside) if found), None)
    if source.ending not in (".txt", ".token"):
        return None
    return source if _HEADER.match(source.head) or _TOKEN.match(source.head) else None


def read(source: Source) -> Iterator[Pair]:
    """Read captions, and the parts where split files lie beside them."""
    file = _captions_in(source)
    assert file is not None
    near = ("", *_FOLDERS, *(f"../{name}" for name in _FOLDERS))
    here = [name for name in near if (file.path.parent / name).is_dir()]
    out, parts = Rows(file, here), _parts(file)
    odd: dict[str, None] = {}
    for place, found in _lines(file):
        if found is None:
            out.faults.append(f"{place}: must be a picture's name and a caption; mend the line")
            continue
        image, caption = found
        if (parts and image not in parts) or ending(image) not in SUFFIXES:
            odd[image] = None
        else:
            out.add(place, image, [caption], parts.get(image))
    if odd:
        why = "they are in none of its parts" if parts else "their names are no picture's"
        file.note(f"{len(odd)} pictures are left out: {why}, such as {next(iter(odd))}")
    yield from out.pairs()


def _lines(file: Source) -> Iterator[tuple[str, tuple[str, str] | None]]:
    """Every line with its place, parted into name and caption, or None if that cannot be."""
    table = _HEADER.match(file.head) is not None
    for number, line in enumerate(file.text.split("\n"), 1):
        row = line.rstrip("\r")
        if row.strip() and not (table and number == 1):
            yield f"line {number}", _cells(row) if table else _token(row)


def _token(row: str) -> tuple[str, str] | None:
    found = _TOKEN.fullmatch(row)
    return (found[1], found[2]) if found else None


def _cells(row: str) -> tuple[str, str] | None:
    """The name before the first comma and the rest, which may be in quotes or hold commas without."""
    try:
        name, caption = next(csv.reader([row], strict=True))
    except (csv.Error, ValueError):
        name, comma, caption = row.partition(",")
        if not comma:
            return None
    return (name.strip(), caption.strip()) if name.strip() else None


def _parts(file: Source) -> dict[str, str]:
    """The part of every picture that a split file lists."""
    found: dict[str, str] = {}
    for path in sorted(file.path.parent.glob("*Images.txt")):
        named = _PART.search(path.name)
        part = part_named(named[1]) if named else None
        for name in read_text(str(path)).split() if part else ():
            if found.setdefault(name, str(part)) != part:
                raise Source(str(path), file.tell).fault(f"lists {name}, which is in {found[name]}, too")
    return found
