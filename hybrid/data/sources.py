"""What a person names, files, folders, patterns, becomes a list of pictures."""

import glob
import os
import re
from collections.abc import Iterable
from pathlib import Path

# Endings of files that a folder is searched for; a file that is named itself may have any.
SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".dib", ".tif", ".tiff")
)


def find_pictures(named: Iterable[str], recursive: bool = False) -> list[str]:
    """List the pictures meant by a number of names.

    A folder stands for the pictures in it whose names do not begin with a dot, in natural order (2 before
    10); a pattern with ``*``, ``?`` or ``[...]`` that is not itself a file stands for the files it matches,
    where ``**`` reaches into folders below. Whatever stands for nothing is listed as it is, so that
    opening it says what is wrong. Nothing is listed twice.

    Args:
        named: Files, folders and patterns.
        recursive: Whether folders below folders are searched too.

    Returns:
        Paths, in the order of the names. Links to folders below folders are not followed.
    """
    found: dict[str, None] = {}
    for name in named:
        found |= dict.fromkeys(_meant(name, recursive) or [name])
    return list(found)


def _meant(name: str, recursive: bool) -> list[str]:
    if os.path.isdir(name):  # noqa: PTH112  (a Path refuses what it merely cannot find)
        return _pictures_in(name, recursive)
    if glob.has_magic(name) and not os.path.lexists(name):
        matches = sorted(glob.glob(name, recursive=True), key=natural)  # noqa: PTH207  (names stay as given)
        folders = {match for match in matches if Path(match).is_dir()}
        return [
            path
            for match in matches
            for path in ((_pictures_in(match, True) if recursive else []) if match in folders else [match])
        ]
    return [name]


def _pictures_in(folder: str, recursive: bool) -> list[str]:
    found: list[str] = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural) if recursive else []
        found += [
            os.path.join(where, file)  # noqa: PTH118
            for file in sorted(files, key=natural)
            if not file.startswith(".") and os.path.splitext(file)[1].lower() in SUFFIXES  # noqa: PTH122
        ]
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts] + [(2, name)]
