"""How many pieces a picture's file begins with, counted before Pillow goes through them one by one.

Each takes a few bytes of the file, and microseconds or many times its size of Pillow's: millions of them
take minutes and gigabytes. And which of them can be done without.
"""

import struct
from collections.abc import Iterator
from itertools import islice
from zlib import crc32

_JPEG_ALONE = {0x00, 0x01, *range(0xD0, 0xDA)}  # markers that no length follows
_TIFF_NUMBERS = {3, 4, 5, 8, 9, 10, 11, 12, 13, 16, 17, 18}  # types of tags that are not kept as bytes
_PNG_NOTES = {b"eXIf", b"tEXt", b"zTXt", b"iTXt", b"tIME", b"iCCP", b"pHYs"}


def too_many_pieces(data: bytes) -> str | None:
    """Say of which pieces a file has more than any usual one.

    Args:
        data: All of the file, of any kind.

    Returns:
        For example "segments in front of its picture"; nothing where all is well.
    """
    for beginnings, pieces, most, kind in _KINDS:
        if data.startswith(beginnings):
            try:
                many = sum(islice(pieces(data), most + 1)) > most
            except (IndexError, struct.error):  # cut short, which is for Pillow to say
                many = False
            return f"more than {most:,} {kind}" if many else None
    return None


def without_damaged_notes(data: bytes) -> bytes:
    """Leave out a PNG's metadata where their checksum is wrong, as libpng does.

    Args:
        data: All of the file, of any kind.

    Returns:
        The same file, but for such chunks.
    """
    at, kept = 8, 0
    parts: list[bytes] = []
    while data.startswith(b"\x89PNG") and at + 12 <= len(data):
        end = at + 12 + struct.unpack_from(">I", data, at)[0]
        if data[at + 4 : at + 8] in _PNG_NOTES and end <= len(data):
            (wanted,) = struct.unpack_from(">I", data, end - 4)
            if crc32(data[at + 4 : end - 4]) != wanted:
                parts.append(data[kept:at])
                kept = end
        at = end
    return b"".join([*parts, data[kept:]]) if parts else data


def _jpeg(data: bytes) -> Iterator[int]:
    at = 2
    while data[at] == 0xFF and data[at + 1] != 0xDA:
        yield 1
        if data[at + 1] == 0xFF:
            at += 1
        else:
            at += 2 if data[at + 1] in _JPEG_ALONE else 2 + max(2, struct.unpack_from(">H", data, at + 2)[0])


def _png(data: bytes) -> Iterator[int]:
    at = 8
    while at < len(data):
        yield 1
        at += 12 + struct.unpack_from(">I", data, at)[0]


def _gif(data: bytes) -> Iterator[int]:
    at = 13 + (3 * 2 ** ((data[10] & 7) + 1) if data[10] & 0x80 else 0)
    while data[at] != 0x2C:  # the first frame
        yield 1
        if data[at] != 0x21:
            at += 1
            continue
        at += 2
        while data[at]:
            yield 1
            at += 1 + data[at]
        at += 1


def _tiff(data: bytes) -> Iterator[int]:
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    where, number, entry = ("Q", "Q", "HHQ8x") if big else ("I", "H", "HHI4x")
    (at,) = struct.unpack_from(order + where, data, 8 if big else 4)
    (n,) = struct.unpack_from(order + number, data, at)
    at += struct.calcsize(order + number)
    for i in range(n):
        _, kind, count = struct.unpack_from(order + entry, data, at + i * struct.calcsize(order + entry))
        yield count if kind in _TIFF_NUMBERS else 1


# How a file begins, how its pieces are counted, how many there may be, and what they are.
_KINDS = (
    (b"\xff\xd8", _jpeg, 5_000, "segments in front of its picture"),
    (b"\x89PNG", _png, 100_000, "chunks"),
    (b"GIF8", _gif, 5_000, "blocks in front of its picture"),
    ((b"II", b"MM"), _tiff, 1_000_000, "numbers in its tags"),
)
