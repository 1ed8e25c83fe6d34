"""What a person names, files, folders, patterns, becomes a list of pictures."""

import glob
import os
import re
from collections.abc import Iterable

from hybrid.data.formats import SUFFIXES, UNREAD, ending


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


def unread_pictures(named: Iterable[str], recursive: bool = False) -> list[str]:
    """List the pictures in the folders that `find_pictures` searches that it leaves out by their format.

    Args:
        named: Files, folders and patterns.
        recursive: Whether folders below folders are searched too.

    Returns:
        Paths; see `hybrid.data.formats.left_out` for a line about them.
    """
    found: dict[str, None] = {}
    for name in named:
        for match in _matches(name):
            if os.path.isdir(match) and (recursive or match == name):  # noqa: PTH112
                found |= dict.fromkeys(_files_in(match, recursive, UNREAD))
    return list(found)


def _meant(name: str, recursive: bool) -> list[str]:
    if os.path.isdir(name):  # noqa: PTH112  (a Path refuses what it merely cannot find)
        return _files_in(name, recursive, SUFFIXES)
    matches = _matches(name)
    folders = {match for match in matches if os.path.isdir(match)}  # noqa: PTH112
    return [
        path
        for match in matches
        for path in ((_files_in(match, True, SUFFIXES) if recursive else []) if match in folders else [match])
    ]


def _matches(name: str) -> list[str]:
    """What a pattern matches, or the name itself where it is none."""
    if glob.has_magic(name) and not os.path.lexists(name):
        return sorted(glob.glob(name, recursive=True), key=natural)  # noqa: PTH207  (names stay as given)
    return [name]


def _files_in(folder: str, recursive: bool, endings: frozenset[str]) -> list[str]:
    found: list[str] = []
    for where, folders, files in os.walk(folder):
        folders[:] = sorted((f for f in folders if not f.startswith(".")), key=natural) if recursive else []
        found += [
            os.path.join(where, file)  # noqa: PTH118
            for file in sorted(files, key=natural)
            if not file.startswith(".") and ending(file) in endings
        ]
    return found


def natural(name: str) -> list[tuple[int, int | str]]:
    """A key that sorts numbers in names by their value."""
    parts = re.split(r"([0-9]+)", name.casefold())
    return [(0, int(part)) if part.isdecimal() else (1, part) for part in parts] + [(2, name)]
