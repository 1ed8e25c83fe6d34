"""Buffer pool: residuals of earlier calls are donated to later ones.

New memory costs a page fault for every 4 KiB, which takes several times as long as writing to it. Training
needs the same large arrays at every step.
"""

from __future__ import annotations

from collections.abc import Iterable
from threading import Lock
from typing import Any

import jax
import jax.numpy as jnp

Shapes = tuple[tuple[tuple[int, ...], Any], ...]


class BufferPool:
    """Sets of arrays that are free for reuse, by their shapes and dtypes.

    Args:
        limit: Bytes that are kept at most; the least recently used sets are dropped first.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._sets: list[tuple[Shapes, tuple[jax.Array, ...]]] = []
        self._lock = Lock()

    def acquire(self, shapes: Shapes, device: jax.Device | None = None) -> tuple[jax.Array, ...]:
        """Return a set of these shapes to donate: a free one, or else a new one on this device."""
        with self._lock:
            for at in reversed(range(len(self._sets))):
                if self._sets[at][0] == shapes:
                    return self._sets.pop(at)[1]
        return tuple(jnp.zeros(shape, dtype, device=device) for shape, dtype in shapes)

    def release(self, arrays: Iterable[jax.Array]) -> None:
        """Put a set into the pool; computations under way may still read it."""
        arrays = tuple(arrays)
        with self._lock:
            self._sets.append((tuple((a.shape, a.dtype) for a in arrays), arrays))
            while self.nbytes > self._limit:
                self._sets.pop(0)

    def clear(self) -> None:
        """Drop all sets."""
        with self._lock:
            self._sets.clear()

    @property
    def nbytes(self) -> int:
        """Bytes that are kept."""
        return sum(array.nbytes for _, arrays in self._sets for array in arrays)
