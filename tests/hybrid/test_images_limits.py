"""Files made to take minutes and gigabytes, and the largest allowed: no more than a gigabyte each."""

import json
import struct
import subprocess
import sys
import zlib

from PIL import Image

from hybrid.data.images import MAX_PIXELS, MAX_SIDE

SIDE = 7_141  # squared just below MAX_PIXELS

# Reads the files named, and says how much memory it has taken at most on top of what it began with.
_READER = """
import json, sys
from pathlib import Path
from hybrid.data.images import ImageError, open_image

def peak():
    (line,) = [line for line in Path("/proc/self/status").read_text().splitlines() if "VmHWM" in line]
    return int(line.split()[1]) * 1024

before, said = peak(), []
for name in sys.argv[1:]:
    try:
        said.append("%d x %d" % open_image(name).size)
    except ImageError as error:
        said.append(str(error))
print(json.dumps([said, peak() - before]))
"""


def _read(*paths):
    # The time is no measurement, only an end to waiting: without limits some take minutes.
    command = [sys.executable, "-c", _READER, *map(str, paths)]
    out = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
    said, taken = json.loads(out.stdout)
    assert taken < 1e9, f"{taken / 1e6:.0f} MB"
    return said


def _chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def _png(width, height, depth=8, colour=2, chunks=b""):
    packer = zlib.compressobj(1)
    row = b"\0" * (1 + width * depth * {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[colour] // 8)
    pixels = b"".join(packer.compress(row) for _ in range(height)) + packer.flush()
    head = struct.pack(">IIBBBBB", width, height, depth, colour, 0, 0, 0)
    body = _chunk(b"IHDR", head) + chunks + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + body


def _tiff(width, height, order="<", big=False, **tags):
    """One strip that is not there, or whatever else the tags say: number -> (type, count, value)."""
    plain = {256: (4, 1, width), 257: (4, 1, height), 258: (3, 1, 8), 259: (3, 1, 1), 262: (3, 1, 1)}
    strips = {273: (4, 1, 8), 277: (3, 1, 1), 278: (4, 1, height), 279: (4, 1, 10**6)}
    entries = sorted((plain | strips | {int(tag[1:]): value for tag, value in tags.items()}).items())
    field, number, end = ("Q", "Q", 8) if big else ("I", "H", 4)
    start = struct.pack(order + "HHHQ", 43, 8, 0, 16) if big else struct.pack(order + "HI", 42, 8)
    out = (b"II" if order == "<" else b"MM") + start
    out += struct.pack(order + number, len(entries))
    for tag, (kind, count, value) in entries:
        out += struct.pack(order + "HH" + field, tag, kind, count)
        short = order == ">" and kind == 3  # which stands first in its field
        out += struct.pack(order + field, value << (8 * end - 16) if short else value)
    return out + b"\0" * end


def _jpeg(tmp_path, size=(64, 64), mode="L", **options):
    Image.new(mode, size).save(tmp_path / "whole.jpg", **options)
    return (tmp_path / "whole.jpg").read_bytes()


def test_claims_and_pieces_are_refused(tmp_path):
    gif = b"GIF89a" + struct.pack("<HHBBB", 9, 9, 0x80, 0, 0) + b"\0" * 6
    frame = b"\x2c" + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\2\2\x4c\1\0;"
    jpeg = _jpeg(tmp_path)
    scans = _jpeg(tmp_path, (6000, 6000), progressive=True)
    again = scans[scans.rindex(b"\xff\xda") : -2]
    at = jpeg.index(b"\xff\xc0") + 5
    canvas = b"WEBPVP8X" + struct.pack("<I", 10) + b"\x10\0\0\0" + b"\xff" * 6 + b"VP8L\0\0\0\0"
    many = (4, 20_000_000, 8)
    cases = {
        "segments.jpg": (jpeg[:2] + b"\xff\xfe\0\2" * 10**6 + jpeg[2:], "5,000 segments"),
        "fill.jpg": (jpeg[:2] + b"\xff" * 10**6 + jpeg[2:], "5,000 segments"),
        "scans.jpg": (scans[:-2] + again * 60 + scans[-2:], "more passes"),
        "claims.jpg": (jpeg[:at] + b"\xff" * 4 + jpeg[at + 4 :], "pixels allowed"),
        "chunks.png": (_png(1, 1, chunks=_chunk(b"abCd", b"") * 10**6), "100,000 chunks"),
        "text.png": (_png(1, 1, chunks=_text(b"zTXt", b"a\0\0")), "damaged"),
        "more.png": (_png(1, 1, chunks=_text(b"iTXt", b"a\0\1\0\0\0")), "damaged"),
        "long.png": (_png(MAX_SIDE + 1, 1, colour=0), "allowed in a row"),
        "tall.png": (_png(1, MAX_SIDE + 1, colour=0), "allowed in a row"),
        "comment.gif": (gif + b"\x21\xfe" + b"\1a" * 10**6 + b"\0" + frame, "5,000 blocks"),
        "extensions.gif": (gif + b"\x21\xfe\1a\0" * 10**6 + frame, "5,000 blocks"),
        "canvas.gif": (gif[:6] + b"\xff" * 4 + gif[10:] + frame, "pixels allowed"),
        "frame.gif": (gif + b"\x2c" + b"\0" * 4 + b"\xff" * 4 + frame[9:], "pixels allowed"),
        "canvas.webp": (b"RIFF" + struct.pack("<I", len(canvas)) + canvas, "; "),
        "huge.tif": (_tiff(2**31 - 1, 2**31 - 1), "allowed"),
        "big.tif": (_tiff(2**31 - 1, 2**31 - 1, big=True), "allowed"),
        "short.tif": (_tiff(SIDE, SIDE), "; "),
        "strips.tif": (_tiff(9, 9, t273=many, t279=many) + b"\0" * 4 * many[1], "numbers in its tags"),
        "turned.tif": (_tiff(9, 9, ">", t273=many, t279=many), "numbers in its tags"),
        "wide.tif": (_tiff(9, 9, big=True, t273=many, t279=many), "numbers in its tags"),
    }
    for name, (data, _) in cases.items():
        (tmp_path / name).write_bytes(data)
    said = _read(*(tmp_path / name for name in cases))
    for (name, (_, words)), message in zip(cases.items(), said, strict=True):
        assert message.startswith(f"{tmp_path}/{name}: "), message
        assert words in message, message


def _text(kind, head):
    return _chunk(kind, head + zlib.compress(b"\0" * 100 * 2**20, 1))


def test_the_largest_and_the_longest_allowed_fit(tmp_path):
    assert SIDE**2 < MAX_PIXELS < (SIDE + 1) ** 2
    palette = _chunk(b"PLTE", b"\0" * 768) + _chunk(b"tRNS", b"\x80" * 256)
    for depth, colour, chunks in ((16, 6, b""), (16, 0, b""), (8, 3, palette)):
        (tmp_path / f"{depth} {colour}.png").write_bytes(_png(SIDE, SIDE, depth, colour, chunks))
    (tmp_path / "a.png").write_bytes(_png(1, MAX_SIDE, 8, 6))
    (tmp_path / "b.png").write_bytes(_png(100_000, 1))
    _jpeg(tmp_path, (SIDE, SIDE), "CMYK", progressive=True)
    said = _read(
        *(tmp_path / name for name in ("16 6.png", "16 0.png", "8 3.png", "whole.jpg", "a.png", "b.png"))
    )
    assert said == [f"{SIDE} x {SIDE}"] * 4 + [f"1 x {MAX_SIDE}", "100000 x 1"]
