"""Silence libraries that write to stderr on their own."""

import ctypes
import logging
from contextlib import suppress
from pathlib import Path


def quiet_transformers() -> None:
    """Turn off transformers' progress bars and warnings; errors are reported by this program."""
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    disable_progress_bar()
    set_verbosity_error()


def quiet_libtiff() -> None:
    """Turn off libtiff's messages about damaged files; Pillow raises an error, and has no switch for them."""
    import PIL.Image  # noqa: F401  (loads libtiff, if Pillow was built with it)

    with suppress(OSError, AttributeError):
        loaded = {
            line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "tiff" in line
        }
        for library in map(ctypes.CDLL, loaded):
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
