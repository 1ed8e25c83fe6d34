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
_TIFF_BYTES = {3: 2, 4: 4, 5: 8, 8: 2, 9: 4, 10: 8, 11: 4, 12: 8, 13: 4, 16: 8, 17: 8, 18: 8}  # else 1
# Orientation and resolution, which are numbers; descriptions, dates, colour profiles, EXIF and the like.
_TIFF_NOTES = {274: 3, 282: 3, 283: 3, 296: 3} | dict.fromkeys(
    (270, 271, 272, 305, 306, 315, 316, 700, 33432, 33723, 34377, 34665, 34675, 34853), 7
)
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
    """Leave out metadata that cannot be read, since the picture can.

    Args:
        data: All of the file, of any kind.

    Returns:
        The same file, but for chunks of a PNG whose checksum is wrong, and for a TIFF's tags that lie outside
        of the file.
    """
    if data.startswith((b"II*\0", b"II+\0", b"MM\0*", b"MM\0+")):
        try:
            return _without_lost_tags(data)
        except struct.error:  # cut short, which is for Pillow to say
            return data
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


def _without_lost_tags(data: bytes) -> bytes:
    form, entries = _tiff_tags(data)
    kept = bytearray(data)
    for at in entries:
        tag, kind, count, offset = struct.unpack_from(form, data, at)
        n_bytes = count * _TIFF_BYTES.get(kind, 1)
        if tag in _TIFF_NOTES and n_bytes > struct.calcsize(form[-1]) and offset + n_bytes > len(data):
            one = 1 if form[0] == "<" else 1 << (8 * struct.calcsize(form[-1]) - 16)  # it stands first
            struct.pack_into(form, kept, at, tag, _TIFF_NOTES[tag], 1, one)
    return bytes(kept)


def _tiff(data: bytes) -> Iterator[int]:
    form, entries = _tiff_tags(data)
    for at in entries:
        _, kind, count, _ = struct.unpack_from(form, data, at)
        yield count if kind in _TIFF_NUMBERS else 1


def _tiff_tags(data: bytes) -> tuple[str, range]:
    """The form of a tag of a TIFF file, and where those of its first picture are."""
    order = "<" if data[:2] == b"II" else ">"
    big = 43 in data[2:4]
    where, number, form = ("Q", "Q", "HHQQ") if big else ("I", "H", "HHII")
    (at,) = struct.unpack_from(order + where, data, 8 if big else 4)
    (n,) = struct.unpack_from(order + number, data, at)
    at += struct.calcsize(order + number)
    size = struct.calcsize(order + form)
    return order + form, range(at, at + n * size, size)


# How a file begins, how its pieces are counted, how many there may be, and what they are.
_KINDS = (
    (b"\xff\xd8", _jpeg, 5_000, "segments in front of its picture"),
    (b"\x89PNG", _png, 100_000, "chunks"),
    (b"GIF8", _gif, 5_000, "blocks in front of its picture"),
    ((b"II", b"MM"), _tiff, 1_000_000, "numbers in its tags"),
)
