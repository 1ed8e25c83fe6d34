"""From a file to an upright RGB picture, or one sentence on why not."""

import os
import stat
import struct
import warnings
from io import BytesIO
from pathlib import Path
from threading import Lock
from typing import IO, Any

import numpy as np
from PIL import Image, UnidentifiedImageError
from PIL.ExifTags import Base
from PIL.TiffImagePlugin import STRIPBYTECOUNTS, STRIPOFFSETS, TiffImageFile

from hybrid.data.formats import FORMATS, register_readers, way_to_read
from hybrid.data.image_headers import too_many_pieces, without_damaged_notes
from hybrid.data.results import printable
from hybrid.model.errors import ImageError as ImageError  # raised by all of this file

MAX_BYTES = 256 * 2**20
# What is usual fits, and what fits is read in about two seconds and a gigabyte, whatever its kind.
MAX_PIXELS = 51_000_000
MAX_SIDE = 1_000_000  # a row takes memory, too
MAX_SCANS = 100  # over a progressive JPEG, each of which takes time; a usual one has ten
MAX_SCANNED = 1_000_000_000  # pixels in all scans together


# What Pillow documents and is seen to raise for broken files.
_BROKEN = (
    OSError,
    SyntaxError,
    ValueError,
    IndexError,
    KeyError,
    TypeError,
    OverflowError,
    EOFError,
    struct.error,
    RuntimeError,  # the AVIF decoder
)
Source = str | os.PathLike[str] | IO[bytes] | Image.Image


def source_name(source: Source) -> str:
    """What to call a path, a stream or a picture, on one line."""
    if isinstance(source, Image.Image):
        return printable(str(getattr(source, "filename", "") or "the picture"))
    if isinstance(source, (str, os.PathLike)):
        return printable(os.fspath(source))
    return printable(str(getattr(source, "name", "the stream")))


def open_image(source: Source) -> Image.Image:
    """Read a picture safely.

    Orientation from EXIF is applied, transparency is laid over white, 16-bit levels are scaled to 8 bits, and
    of an animation the first frame is taken.

    Args:
        source: A path to a regular file, a binary stream, or a picture already read.

    Returns:
        An RGB picture.

    Raises:
        ImageError: If there is no such file, or it is not a whole picture in one of `FORMATS`, or larger than
            `MAX_BYTES`, `MAX_PIXELS` or `MAX_SIDE`, or made to take very long.
    """
    if isinstance(source, Image.Image):
        return _given(source)
    if isinstance(source, (str, os.PathLike)):
        with _open_file(os.fspath(source)) as stream:
            return _read(stream, source_name(source))
    if not hasattr(source, "read"):
        kind = type(source).__name__
        way = "io.BytesIO(...)" if kind in ("bytes", "bytearray") else "PIL.Image.fromarray(...)"
        raise ImageError(
            "the picture", f"is no path, binary stream or picture of PIL, but {kind}; give {way}"
        )
    return _read(source, source_name(source))


def _given(picture: Image.Image) -> Image.Image:
    """`open_image` of a picture that somebody else opened."""
    if not picture.width * picture.height:
        raise ImageError(
            source_name(picture), f"has {picture.width} x {picture.height} pixels, so nothing is seen"
        )
    try:
        picture.load()
        return _upright_rgb(picture)
    except _BROKEN as error:
        raise ImageError(source_name(picture), f"cannot be read ({error}); open it anew") from None


def _open_file(name: str) -> IO[bytes]:
    shown = printable(name)
    if "://" in name:
        raise ImageError(shown, "addresses are not fetched; download the picture and give its path")
    try:
        # Looked at before it is opened: opening a pipe or a device may wait for ever.
        status = Path(name).stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(
                shown,
                f"is a directory; give pictures, such as {shown.rstrip('/')}/*.jpg, or "
                f"{shown.rstrip('/')}/**/*.jpg for those in folders below",
            )
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(shown, "is not a regular file; copy the picture to one")
        return Path(name).open("rb")
    except ImageError:  # which is a ValueError
        raise
    except FileNotFoundError:
        raise ImageError(shown, "no such file; check the path") from None
    except PermissionError:
        raise ImageError(shown, "may not be read; check its permissions") from None
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        raise ImageError(shown, f"cannot be opened ({getattr(error, 'strerror', None) or error})") from None


def _read(stream: IO[bytes], shown: str) -> Image.Image:
    try:
        data = stream.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise ImageError(shown, f"cannot be read ({error}); open it anew") from None
    if not isinstance(data, bytes):
        raise ImageError(shown, "is no binary stream; open it with mode 'rb'")
    if not data:
        raise ImageError(shown, "is empty; the download or copy may have failed")
    if len(data) > MAX_BYTES:
        raise ImageError(shown, f"has more than the {MAX_BYTES // 2**20} MiB allowed; scale it down")
    if many := too_many_pieces(data):
        raise ImageError(shown, f"has {many}; save it anew")
    try:
        with _no_warnings:
            register_readers()
            picture = Image.open(BytesIO(without_damaged_notes(data)), formats=FORMATS)
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    shown,
                    f"has {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed; scale it down",
                )
            if max(width, height) > MAX_SIDE:
                raise ImageError(
                    shown,
                    f"has {width} x {height} pixels, more than the {MAX_SIDE:,} allowed in a row or "
                    "column; cut it up",
                )
            _check_whole(picture, data)
            scans = data.count(_JPEG_SCAN) if picture.format in ("JPEG", "MPO") else 0
            if scans > MAX_SCANS or scans * width * height > MAX_SCANNED:
                raise ImageError(
                    shown, f"is drawn in more passes than are allowed for its size, {scans:,}; save it anew"
                )
            picture.load()
            return _upright_rgb(picture)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            shown, f"is not a picture in one of {', '.join(FORMATS)}; {way_to_read(shown)}"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(shown, f"has more than the {MAX_PIXELS:,} pixels allowed; scale it down") from None
    except _BROKEN as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(shown, f"is damaged or cut short ({reason}); get a whole copy") from None
    except MemoryError:
        raise ImageError(shown, "does not fit in memory; scale it down") from None


# What the last byte of a whole file belongs to; anything may follow it.
_ENDS = {"JPEG": b"\xff\xd9", "MPO": b"\xff\xd9", "PNG": b"IEND\xaeB`\x82", "GIF": b"\0;"}
_JPEG_SCAN = b"\xff\xda"


def _check_whole(picture: Image.Image, data: bytes) -> None:
    """Raise OSError where a file lacks its end, even if Pillow can do without."""
    if isinstance(picture, TiffImageFile):
        offsets, counts = (_numbers(picture.tag_v2.get(tag)) for tag in (STRIPOFFSETS, STRIPBYTECOUNTS))
        whole = all(offset + count <= len(data) for offset, count in zip(offsets, counts, strict=False))
    else:
        whole = _ENDS.get(str(picture.format), b"") in data
    if not whole:
        raise OSError("its end is missing")


def _numbers(value: Any) -> tuple[int, ...]:
    return value if isinstance(value, tuple) else () if value is None else (value,)


class _NoWarnings:
    """No warnings while at least one thread reads a picture.

    Damaged metadata is not our business, and a decompression bomb is caught by its size.
    `warnings.catch_warnings` alone would restore the wrong filters where two threads use it.
    """

    def __init__(self) -> None:
        self._lock, self._readers = Lock(), 0

    def __enter__(self) -> None:
        with self._lock:
            if self._readers == 0:
                self._caught = warnings.catch_warnings()
                self._caught.__enter__()
                warnings.simplefilter("ignore")
            self._readers += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._readers -= 1
            if self._readers == 0:
                self._caught.__exit__(None, None, None)


_no_warnings = _NoWarnings()


# How to undo what a camera's orientation says was done.
_TURNS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}


def _orientation(picture: Image.Image) -> Any:
    """How the metadata say the camera was held; 1, upright, where they are damaged: the pixels are whole."""
    try:
        return picture.getexif().get(Base.Orientation, 1)
    except _BROKEN:
        return 1


def _upright_rgb(picture: Image.Image) -> Image.Image:
    upright = _rgb(picture)
    upright.info.clear()  # or its orientation would be undone again when this is given to `open_image`
    return upright


def _rgb(picture: Image.Image) -> Image.Image:
    turned = _TURNS.get(_orientation(picture))
    if turned is not None:  # ImageOps.exif_transpose would also write the metadata anew, and fail at odd ones
        picture = picture.transpose(turned)
    if picture.mode == "La":  # which Pillow converts to LA only
        picture = picture.convert("LA")
    if picture.mode.startswith(("I", "F")):  # convert("RGB") would clip these, not scale them
        return _scaled(picture)
    if picture.has_transparency_data:
        return _over_white(picture)
    return picture.convert("RGB")


def _over_white(picture: Image.Image) -> Image.Image:
    out = Image.new("RGB", picture.size)
    rows = max(1, 2**20 // picture.width)  # in parts, since four whole copies take much memory
    for top in range(0, picture.height, rows):
        part = picture.crop((0, top, picture.width, min(top + rows, picture.height))).convert("RGBA")
        white = Image.new("RGBA", part.size, "white")
        out.paste(Image.alpha_composite(white, part).convert("RGB"), (0, top))
    return out


def _scaled(picture: Image.Image) -> Image.Image:
    """A picture of 16 bits or more a pixel in 8. Its full scale is the least usual one that holds it all."""
    levels = np.asarray(picture)
    strips = np.array_split(levels, levels.size // 2**20 + 1)  # in parts, since float64 takes much memory
    highest = max(np.nan_to_num(strip.astype(np.float64)).max(initial=0) for strip in strips)
    usual = (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,)
    top = next((scale for scale in usual if highest <= scale), highest)
    eight = [_eight_bits(strip.astype(np.float64), 255 / top) for strip in strips]
    return Image.fromarray(np.concatenate(eight)).convert("RGB")


def _eight_bits(levels: np.ndarray, scale: float) -> np.ndarray:
    eight: np.ndarray = np.clip(np.nan_to_num(levels) * scale, 0, 255).round().astype(np.uint8)
    return eight
