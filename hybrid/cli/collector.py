"""Imports and loading make half a million objects and next to no garbage: looking for some takes a second."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def without_collector() -> Iterator[None]:
    """Let the garbage collector rest, and pass over what is there by then until `gc.unfreeze`."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if enabled:
            gc.enable()
