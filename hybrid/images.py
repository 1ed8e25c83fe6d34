"""From a file to an upright RGB picture, or one sentence on why not."""

import os
import stat
import warnings
from pathlib import Path
from typing import IO

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

from hybrid.data.results import printable

# Parsers for these are fuzzed by many; Pillow's others (EPS runs Ghostscript, say) are not worth the risk.
FORMATS = ("JPEG", "PNG", "WEBP", "GIF", "BMP", "TIFF")
MAX_BYTES = 256 * 2**20
MAX_PIXELS = 100_000_000


class ImageError(ValueError):
    """A picture that cannot be read. The message is one line that names it, the reason and the way out."""


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
            `MAX_BYTES` or `MAX_PIXELS`.
    """
    if isinstance(source, Image.Image):
        return _upright_rgb(source)
    if isinstance(source, (str, os.PathLike)):
        with _open_file(os.fspath(source)) as stream:
            return _read(stream, source_name(source))
    return _read(source, source_name(source))


def _open_file(name: str) -> IO[bytes]:
    shown = printable(name)
    if "://" in name:
        raise ImageError(f"{shown}: addresses are not fetched; download the picture and give its path")
    try:
        # Looked at before it is opened: opening a pipe or a device may wait for ever.
        status = Path(name).stat()
        if stat.S_ISDIR(status.st_mode):
            raise ImageError(
                f"{shown}: is a directory; give pictures, such as {shown.rstrip('/')}/*.jpg, or "
                f"{shown.rstrip('/')}/**/*.jpg for those in folders below"
            )
        if not stat.S_ISREG(status.st_mode):
            raise ImageError(f"{shown}: is not a regular file; copy the picture to one")
        if status.st_size == 0:
            raise ImageError(f"{shown}: is empty; the download or copy may have failed")
        if status.st_size > MAX_BYTES:
            raise ImageError(
                f"{shown}: has {status.st_size / 2**20:.0f} MiB, more than the {MAX_BYTES // 2**20} MiB "
                "allowed; scale it down"
            )
        return Path(name).open("rb")
    except FileNotFoundError:
        raise ImageError(f"{shown}: no such file; check the path") from None
    except PermissionError:
        raise ImageError(f"{shown}: may not be read; check its permissions") from None
    except (OSError, ValueError) as error:  # a name too long, or with a null byte
        raise ImageError(f"{shown}: cannot be opened ({getattr(error, 'strerror', None) or error})") from None


def _read(stream: IO[bytes], shown: str) -> Image.Image:
    try:
        with warnings.catch_warnings():
            # Damaged metadata is not our business; a decompression bomb is caught by its size below.
            warnings.simplefilter("ignore")
            picture = Image.open(stream, formats=FORMATS)
            width, height = picture.size
            if width * height > MAX_PIXELS:
                raise ImageError(
                    f"{shown}: has {width} x {height} pixels, more than the {MAX_PIXELS:,} allowed; "
                    "scale it down"
                )
            picture.load()
            return _upright_rgb(picture)
    except ImageError:
        raise
    except UnidentifiedImageError:
        raise ImageError(
            f"{shown}: is not a picture in one of {', '.join(FORMATS)}; convert it to one"
        ) from None
    except Image.DecompressionBombError:
        raise ImageError(f"{shown}: has more than the {MAX_PIXELS:,} pixels allowed; scale it down") from None
    # What Pillow documents and is seen to raise for broken files.
    except (
        OSError,
        SyntaxError,
        ValueError,
        IndexError,
        KeyError,
        TypeError,
        OverflowError,
        EOFError,
    ) as error:
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ImageError(f"{shown}: is damaged or cut short ({reason}); get a whole copy") from None
    except MemoryError:
        raise ImageError(f"{shown}: does not fit in memory; scale it down") from None


def _upright_rgb(picture: Image.Image) -> Image.Image:
    picture = ImageOps.exif_transpose(picture)
    if picture.mode.startswith(("I", "F")):  # convert("RGB") would clip these, not scale them
        return _scaled(picture)
    if picture.has_transparency_data:
        picture = picture.convert("RGBA")
        white = Image.new("RGBA", picture.size, "white")
        return Image.alpha_composite(white, picture).convert("RGB")
    return picture.convert("RGB")


def _scaled(picture: Image.Image) -> Image.Image:
    """A picture of 16 bits or more a pixel in 8. Its full scale is the least usual one that holds it all."""
    levels = np.nan_to_num(np.asarray(picture, np.float64))
    usual = (1.0, 255.0, 65535.0) if picture.mode == "F" else (65535.0,)
    top = next((scale for scale in usual if levels.max(initial=0) <= scale), levels.max(initial=1))
    return Image.fromarray(np.clip(levels * (255 / top), 0, 255).round().astype(np.uint8)).convert("RGB")
