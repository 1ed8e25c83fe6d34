"""Tensors as arrays and back.

Small CPU arrays cross as NumPy copies, both ways: jitted functions take them without further ado, and a copy
of a few kilobytes costs a third of a DLPack hand-over. Large ones cross by DLPack without a copy where nobody
else can write to them. What goes in is copied, so that no in-place change of a tensor reaches an array that
JAX believes to be immutable.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from qproj.execution import programs

# Above this many elements a copy costs more than a DLPack hand-over.
LARGE = 1 << 14


@functools.cache
def _accelerated() -> bool:
    """Whether JAX would put arrays elsewhere than on the CPU."""
    return jax.default_backend() != "cpu"


def setting(like: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """JAX's precision and default device as a tensor has them, in this thread, for as long as the call."""
    double, stay = like.dtype == torch.float64, like.is_cpu and _accelerated()
    if not double and not stay:
        return contextlib.nullcontext()
    stack = contextlib.ExitStack()
    if double:
        stack.enter_context(jax.enable_x64(True))
    if stay:
        stack.enter_context(jax.default_device(jax.devices("cpu")[0]))
    return stack


def padded(tensor: torch.Tensor) -> Any:
    """A copy of `(batch, k)`, with zero rows up to the bucket's size.

    Zero rows cost nothing in exactness: samples do not meet, and a zero cotangent adds a zero gradient.
    """
    batch, width = tensor.shape
    rows = programs.bucket(batch)
    if rows == batch:
        return to_jax(tensor)
    if tensor.is_cpu:
        array = np.zeros((rows, width), _numpy_dtype(tensor))
        array[:batch] = tensor.detach().resolve_neg().numpy()
        return array
    more = tensor.new_zeros((rows, width))
    more[:batch] = tensor.detach()
    return to_jax(more, share=True)


def to_jax(tensor: torch.Tensor, *, share: bool = False) -> Any:
    """A copy of a tensor for JAX, or on an accelerator the same memory if nobody else will write to it."""
    tensor = tensor.detach().resolve_neg()
    if tensor.is_cpu:
        return tensor.numpy().copy()
    try:
        return jnp.from_dlpack((tensor if share else tensor.clone()).contiguous())
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
    if array.size <= LARGE and array.platform() == "cpu":
        return torch.from_numpy(np.array(array))
    tensor: torch.Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor


def _numpy_dtype(tensor: torch.Tensor) -> type[np.floating[Any]]:
    return np.float64 if tensor.dtype == torch.float64 else np.float32
