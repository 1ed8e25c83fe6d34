"""Padding of batches to a few sizes, so that few programs are compiled."""

from __future__ import annotations

from types import ModuleType
from typing import Any


def bucket(batch: int) -> int:
    """The batch size that a batch is padded to.

    Powers of two and the numbers half-way between them: less than half of a batch is added.
    """
    power = 1 << max(batch - 1, 0).bit_length()
    return 3 * power // 4 if power >= 4 and batch <= 3 * power // 4 else power


def padded(rows: Any, namespace: ModuleType) -> Any:
    """Rows, padded with zero rows to the bucket's size.

    Zero rows change nothing: samples are independent, and a zero cotangent adds a zero gradient.

    Args:
        rows: `(batch, k)`, an array of the namespace.
        namespace: `numpy`, `torch` or `jax.numpy`.

    Returns:
        `(bucket(batch), k)`; the rows themselves if none are missing.
    """
    batch = rows.shape[0]  # len() of a tensor takes longer
    missing = bucket(batch) - batch
    # Fewer rows are missing than there are, so a slice has the shape of the zeros.
    return namespace.concatenate([rows, namespace.zeros_like(rows[:missing])]) if missing else rows
