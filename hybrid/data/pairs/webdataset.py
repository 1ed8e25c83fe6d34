"""WebDataset: shards of ``.tar``, in which ``0001.jpg`` has its captions in ``0001.txt`` or ``0001.json``.

One shard, a folder of them, a pattern such as ``train-*.tar``, or a range as in ``train-{000..127}.tar``. A
shard whose name has ``train``, ``val`` or ``test`` as a word of its own is of that part.
"""

import glob
import json
import os
import re
import tarfile
from collections.abc import Callable, Iterator
from itertools import product
from pathlib import Path
from typing import Any

from hybrid.data.formats import SUFFIXES, UNREAD, way_to_read
from hybrid.data.images import MAX_BYTES
from hybrid.data.pairs.pair import Pair, part_named, place_name, refuse
from hybrid.data.pairs.source import Source
from hybrid.data.sources import natural

FORM = "WebDataset .tar shards"
_RANGE = re.compile(r"\{(\d+)\.\.(\d+)\}")


def matches(source: Source) -> bool:
    """Whether it is a tar file, several, or a folder of them."""
    return source.name.lower().endswith((".tar", ".tar.gz", ".tgz")) or (
        source.is_folder and any(path.suffix.lower() == ".tar" for path in source.path.iterdir())
    )


def read(source: Source) -> Iterator[Pair]:
    """Read shards; of the pictures only where they lie."""
    if not source.name.lower().endswith(".tar") and not source.is_folder:
        raise source.fault("is compressed, so pictures in it cannot be found fast; unpack it to a .tar")
    faults: list[str] = []
    for shard in _shards(source):
        yield from _read_shard(Source(shard, source.tell), faults)
    refuse(source.name, faults)


def _shards(source: Source) -> list[str]:
    if source.is_folder:
        found = [str(path) for path in source.path.iterdir() if path.suffix.lower() == ".tar"]
        return sorted(found, key=natural)
    ranges = [
        [f"{n:0{len(low)}d}" for n in range(int(low), int(high) + 1)]
        for low, high in _RANGE.findall(source.name)
    ]
    if ranges:
        parts = _RANGE.split(source.name)[::3]
        return [
            "".join(x for pair in zip(parts, (*ns, ""), strict=True) for x in pair) for ns in product(*ranges)
        ]
    if glob.has_magic(source.name) and not os.path.lexists(source.name):
        return sorted(glob.glob(source.name), key=natural)  # noqa: PTH207  (names stay as given)
    return [source.name]


def _read_shard(shard: Source, faults: list[str]) -> Iterator[Pair]:
    samples: dict[str, dict[str, tuple[int, int]]] = {}
    try:
        with tarfile.open(shard.name, "r:") as tar:
            for member in tar:
                folder, _, name = member.name.rpartition("/")
                key, dot, kind = name.partition(".")
                if member.isreg() and key and dot:
                    lies = (member.offset_data, member.size)
                    samples.setdefault(f"{folder}/{key}".lstrip("/"), {})[kind.lower()] = lies
            assert tar.fileobj is not None
            tar.fileobj.seek(tar.offset)  # a file cut between two members would seem a shorter one
            if len(tar.fileobj.read(tarfile.BLOCKSIZE)) < tarfile.BLOCKSIZE:
                raise tarfile.ReadError("its end is missing")
    except (OSError, tarfile.TarError) as error:
        reason = getattr(error, "strerror", None) or error
        raise shard.fault(f"cannot be read as .tar ({reason}); get a whole copy") from None
    words = re.split(r"[^a-z]+", shard.path.stem.lower())
    part = next((found for found in map(part_named, words) if found), None)
    for key, files in samples.items():
        place = f"{place_name(shard.name)}, {place_name(key)}"
        kinds = [kind for kind in files if f".{kind}" in SUFFIXES]
        other = next((kind for kind in files if f".{kind}" in UNREAD), None)
        try:
            captions = _captions(shard, files)
        except ValueError as error:
            faults.append(f"{place}: {error}")
            continue
        if len(kinds) != 1:
            what = "two pictures" if kinds else "no picture"
            if not kinds and other:
                what = f"a picture whose format is not read, .{other} ({way_to_read('.' * 2 + other)})"
            faults.append(f"{place}: has {what} ({', '.join(files)})")
            continue
        yield Pair(f"{shard.name}/{key}.{kinds[0]}", captions, place, part, _bytes_at(shard, files[kinds[0]]))


def _captions(shard: Source, files: dict[str, tuple[int, int]]) -> tuple[str, ...]:
    """What a sample's text says, a caption a line, or its JSON's ``caption``, ``captions`` or ``text``."""
    if "txt" in files:
        text = _bytes_at(shard, files["txt"])().decode("utf-8-sig")
        return tuple(" ".join(line.split()) for line in text.splitlines() if line.strip())
    if "json" not in files:
        raise ValueError(f"has no .txt or .json ({', '.join(files)})")
    row: Any = json.loads(_bytes_at(shard, files["json"])())
    said = (
        next((row[n] for n in ("captions", "caption", "text") if n in row), None)
        if isinstance(row, dict)
        else None
    )
    said = [said] if isinstance(said, str) else said
    if not isinstance(said, list) or not all(isinstance(text, str) for text in said):
        raise ValueError("its .json must have caption, a text, or captions, a list of texts")
    return tuple(said)


def _bytes_at(shard: Source, place: tuple[int, int]) -> Callable[[], bytes]:
    offset, size = place

    def read() -> bytes:
        with Path(shard.name).open("rb") as stream:
            stream.seek(offset)
            return stream.read(min(size, MAX_BYTES + 1))

    return read
