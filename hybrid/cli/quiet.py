"""stderr is for what a person should read: libraries that write to it on their own are told not to."""

import ctypes
import logging
from contextlib import suppress
from pathlib import Path


def quiet_transformers() -> None:
    """Turn off progress bars and anything less than an error; an error is told in one line by us."""
    from transformers.utils.logging import disable_progress_bar, set_verbosity_error

    logging.getLogger("huggingface_hub").setLevel(logging.ERROR)
    disable_progress_bar()
    set_verbosity_error()


def quiet_libtiff() -> None:
    """Turn off what libtiff prints about damaged files; Pillow raises what matters, and has no switch."""
    import PIL.Image  # noqa: F401  (loads libtiff, if Pillow was built with it)

    with suppress(OSError, AttributeError):
        loaded = {
            line.split()[-1] for line in Path("/proc/self/maps").read_text().splitlines() if "tiff" in line
        }
        for library in map(ctypes.CDLL, loaded):
            library.TIFFSetErrorHandler(None)
            library.TIFFSetWarningHandler(None)
