"""Arrays that have been used, to be written again by a call to come.

New memory costs the kernel a page fault for every 4 KiB, which takes several times as long as to fill it; and
training asks for the same large arrays at every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp

Shapes = tuple[tuple[tuple[int, ...], Any], ...]


class Storage:
    """Sets of arrays that nobody reads any more, by their shapes and dtypes.

    Args:
        limit: Bytes that are kept at most; the sets longest unused are given up first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sets: list[tuple[Shapes, tuple[jax.Array, ...]]] = []
        self._lock = Lock()

    def take(self, shapes: Shapes, device: jax.Device | None = None) -> tuple[jax.Array, ...]:
        """A set of these shapes, for the caller to donate: a used one, or else a new one on this device."""
        with self._lock:
            for at in reversed(range(len(self._sets))):
                if self._sets[at][0] == shapes:
                    return self._sets.pop(at)[1]
        return tuple(jnp.zeros(shape, dtype, device=device) for shape, dtype in shapes)

    def give(self, arrays: Iterable[jax.Array]) -> None:
        """Hand over a set; computations under way may go on reading it."""
        arrays = tuple(arrays)
        with self._lock:
            self._sets.append((tuple((a.shape, a.dtype) for a in arrays), arrays))
            while self.nbytes > self._limit:
                self._sets.pop(0)

    def clear(self) -> None:
        """Give up all sets."""
        with self._lock:
            self._sets.clear()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(array.nbytes for _, arrays in self._sets for array in arrays)
