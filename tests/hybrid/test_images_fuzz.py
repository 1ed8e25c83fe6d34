"""Damaged files of every kind: either a picture comes out or the one error that is meant for it."""

import functools
import io
import random

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from hybrid.data.formats import register_readers
from hybrid.data.images import FORMATS, ImageError, open_image

# What is written where: options that bring other parts of the parsers into play.
_OPTIONS = {
    "JPEG": [{}, {"progressive": True}, {"exif": True}],
    "PNG": [{}, {"exif": True}, {"transparency": 0}],
    "WEBP": [{}, {"lossless": True}, {"exif": True}],
    "GIF": [{}, {"transparency": 0}, {"interlace": 0}],
    "BMP": [{}],
    "TIFF": [{}, {"compression": "tiff_lzw"}, {"compression": "tiff_deflate"}, {"compression": "jpeg"}],
    "AVIF": [{}, {"exif": True}],
    "HEIF": [{}, {"exif": True}],
}
_MODES = {
    "JPEG": ["RGB", "L", "CMYK"],
    "PNG": ["RGB", "RGBA", "L", "LA", "P", "1", "I;16"],
    "WEBP": ["RGB", "RGBA"],
    "GIF": ["P", "L", "1"],
    "BMP": ["RGB", "L", "P", "1"],
    "TIFF": ["RGB", "L", "CMYK", "1", "F", "I;16"],
    "AVIF": ["RGB", "RGBA"],
    "HEIF": ["RGB", "RGBA"],
}


@functools.cache
def _files():
    """Small whole files: format, mode, options."""
    register_readers()
    pixels = np.random.default_rng(0).integers(0, 256, (12, 17, 3), np.uint8)
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = 6, "a description"
    files = []
    for format_ in FORMATS:
        for mode in _MODES[format_]:
            picture = Image.fromarray(pixels)
            if mode == "I;16":
                picture = Image.fromarray(pixels[..., 0].astype(np.uint16) * 257)
            elif mode == "F":
                picture = Image.fromarray(pixels[..., 0].astype(np.float32))
            else:
                picture = picture.convert("L" if mode == "LA" else "RGB").convert(mode)
            for options in _OPTIONS[format_]:
                if options.get("compression") == "jpeg" and mode not in ("RGB", "L"):
                    continue
                if "transparency" in options and mode not in ("P", "L"):
                    continue
                stream = io.BytesIO()
                picture.save(stream, format_, **({"exif": exif} if "exif" in options else options))
                files.append(stream.getvalue())
    return files


_WORDS = (b"\0" * 4, b"\xff" * 4, b"\x7f\xff\xff\xff", b"\xff\xff\xff\x7f", b"\x80")


def _damaged(rng):
    """A file with some of its bytes changed, moved, doubled or taken away, mostly where the headers are."""
    data = bytearray(rng.choice(_files()))
    for _ in range(rng.randint(1, 6)):
        here = rng.randint(0, min(rng.choice((80, len(data))), len(data)))
        there = rng.randint(0, len(data))
        new = rng.choice(
            (rng.randbytes(rng.randint(0, 8)), rng.choice(_WORDS), bytes(data[there : there + 16]))
        )
        data[here : here + rng.choice((0, len(new)))] = new
    return bytes(data[: rng.choice((len(data), rng.randint(0, len(data))))])


def _read(data):
    try:
        picture = open_image(io.BytesIO(data))
    except ImageError as error:
        return str(error)
    except Exception as error:
        error.add_note(f"the file: {data!r}")
        raise
    assert picture.mode == "RGB"
    assert picture.tobytes()
    return "the stream: whole; fine"


def _is_one_line(message):
    return message.startswith("the stream: ") and ";" in message and "\n" not in message


def test_a_picture_or_the_error():
    for seed in range(4000):  # Hypothesis takes longer to draw one than Pillow to read it
        assert _is_one_line(_read(_damaged(random.Random(seed))))


_BEGINNINGS = [b"", b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"RIFF", b"GIF89a", b"BM", b"II*\0"]


@settings(max_examples=300, derandomize=True)
@given(st.binary(max_size=200), st.sampled_from(_BEGINNINGS))
def test_any_bytes_behind_any_beginning(data, beginning):
    assert _is_one_line(_read(beginning + data))
