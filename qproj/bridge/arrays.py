"""Tensors as arrays and back.

Small CPU arrays cross as NumPy copies, both ways: jitted functions take them without further ado, and a copy
of a few kilobytes costs a third of a DLPack hand-over. Large ones cross by DLPack without a copy where nobody
else can write to them. What goes in is copied, so that no in-place change of a tensor reaches an array that
JAX believes to be immutable. Torch makes the copy: `Tensor.numpy` would make the caller's storage one that
cannot be resized, as FSDP resizes those of weights.
"""

from __future__ import annotations

import contextlib
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from qproj._compat.jax import is_on_cpu
from qproj.execution import padding, settings

# Above this many elements a copy costs more than a DLPack hand-over.
LARGE = 1 << 14


def setting(like: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """JAX's precision and default device as a tensor has them; see `qproj.execution.settings.running`."""
    return settings.running(double=like.dtype == torch.float64, on_cpu=like.is_cpu)


def padded(tensor: torch.Tensor) -> Any:
    """A copy of `(batch, k)` for JAX, with zero rows up to the bucket's size."""
    rows = padding.padded(tensor.detach(), torch)
    return to_jax(rows, share=len(rows) > len(tensor))


def to_jax(tensor: torch.Tensor, *, share: bool = False) -> Any:
    """A copy of a tensor for JAX, or to `share` the memory where nobody else will write to it."""
    tensor = tensor.detach().resolve_neg()
    if not share:  # a plain clone is the faster one by 3 us
        tensor = tensor.clone() if tensor.is_contiguous() else tensor.contiguous()
    if tensor.is_cpu:
        return tensor.numpy()
    try:
        return jnp.from_dlpack(tensor.contiguous())
    except Exception as error:
        raise RuntimeError(
            f"inputs must be on a device that JAX can use too, but were on {tensor.device}, and JAX sees "
            f"{jax.devices()}. Install JAX for that device, for example pip install 'jax[cuda12]', or move "
            "the layer to the CPU."
        ) from error


def to_torch(array: jax.Array | np.ndarray) -> torch.Tensor:
    """An array for torch, which may write to it if nobody keeps the array."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.size <= LARGE and is_on_cpu(array):
        return torch.from_numpy(np.array(array))
    tensor: torch.Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor
