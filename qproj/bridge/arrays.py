"""Conversion between tensors and arrays.

Small CPU arrays are copied through NumPy: a copy of a few kilobytes takes a third of the time of DLPack.
Large results are shared by DLPack. Inputs are copied, so that a later in-place change of the tensor cannot
reach an array that JAX takes for immutable. NumPy makes the copy, from the address: `Tensor.clone` takes
6 us more, and `Tensor.numpy` on the caller's tensor would make its storage unresizable; FSDP resizes those of
weights.
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

# Above this many elements a copy takes longer than DLPack.
LARGE = 1 << 14

_REAL = {torch.float32: np.dtype(np.float32).str, torch.float64: np.dtype(np.float64).str}


class _Memory:
    """Elements in C order at an address, for NumPy to copy."""

    __slots__ = ("__array_interface__",)
    __array_interface__: dict[str, Any]


def setting(like: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """Set JAX's precision and device to those of a tensor; see `qproj.execution.settings.running`."""
    return settings.running(double=like.dtype == torch.float64, on_cpu=like.is_cpu)


def padded(tensor: torch.Tensor) -> Any:
    """A copy of `(batch, k)` for JAX, with zero rows up to the bucket's size."""
    tensor = _detached(tensor)
    rows = padding.padded(tensor, torch)
    return to_jax(rows, share=rows is not tensor)


def to_jax(tensor: torch.Tensor, *, share: bool = False) -> Any:
    """A tensor for JAX: a copy, or with `share` the same memory, if nobody else will write to it."""
    if not share and tensor.is_cpu and (copy := _copied(tensor)) is not None:
        return copy
    tensor = _detached(tensor).resolve_neg()
    if not share:  # faster than contiguous() by 3 us
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
    """A tensor with the contents of an array that nobody else keeps."""
    if isinstance(array, np.ndarray):
        return torch.from_numpy(np.ascontiguousarray(array))
    if array.size <= LARGE and is_on_cpu(array):
        return torch.from_numpy(np.array(array))
    tensor: torch.Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor


def _copied(tensor: torch.Tensor) -> np.ndarray | None:
    """A copy, if the tensor is real numbers in C order, as they are."""
    kind = _REAL.get(tensor.dtype)
    if kind is None or not tensor.is_contiguous() or tensor.is_neg():
        return None
    address = tensor.data_ptr()
    if not address:  # an empty tensor, or one of zeros that has no memory
        return None
    memory = _Memory()
    memory.__array_interface__ = {
        "version": 3,
        "shape": tuple(tensor.shape),
        "typestr": kind,
        "data": (address, True),
    }
    return np.array(memory)


def _detached(tensor: torch.Tensor) -> torch.Tensor:
    # To ask is faster than to detach.
    return tensor.detach() if tensor.requires_grad else tensor
