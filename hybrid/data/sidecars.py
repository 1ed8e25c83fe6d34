"""Captions beside their pictures: ``img.txt`` for ``img.jpg``, as training tools read them."""

import os
from pathlib import Path


def sidecar_of(image: str) -> Path:
    """Where a picture's caption belongs.

    Args:
        image: The picture's path.

    Returns:
        The same path with ``.txt`` for its ending.
    """
    return Path(image).with_suffix(".txt")


def write_sidecar(image: str, caption: str) -> None:
    """Write a picture's caption, and a line's end, beside it: all of it or nothing.

    Args:
        image: The picture's path.
        caption: What to write.

    Raises:
        OSError: If it cannot be written.
    """
    path = sidecar_of(image)
    part = path.with_name(f".{os.getpid()}.part")
    try:
        part.write_text(caption + "\n", encoding="utf-8")
        os.replace(part, path)  # noqa: PTH105
    finally:
        part.unlink(missing_ok=True)
