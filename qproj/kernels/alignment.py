"""Kernel-target alignment: how far a kernel is the one that its labels would be."""

from __future__ import annotations

import torch
from torch import Tensor


def target_alignment(matrix: Tensor, labels: Tensor) -> Tensor:
    """`<K, y y^T> / (|K| |y y^T|)`, to be maximised in the weights.

    Hubregtsen et al., "Training quantum embedding kernels" (2021), arXiv:2105.02276.

    Args:
        matrix: A kernel of samples with themselves, `(n, n)`.
        labels: `(n,)`, 1 and -1.

    Returns:
        A number of at most 1, differentiable.

    Raises:
        ValueError: If shapes do not fit, or a label is neither 1 nor -1.
    """
    if matrix.ndim != 2 or matrix.shape != (len(labels), len(labels)):
        raise ValueError(
            f"matrix must have shape ({len(labels)}, {len(labels)}), as there are labels, but had shape "
            f"{tuple(matrix.shape)}."
        )
    if not (labels.abs() == 1).all():
        raise ValueError("labels must be 1 or -1, but others were there.")
    y = labels.to(matrix)
    aligned: Tensor = y @ matrix @ y / (torch.linalg.matrix_norm(matrix) * len(labels))
    return aligned
