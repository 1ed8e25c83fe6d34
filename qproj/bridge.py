"""Where torch and JAX meet: a compiled circuit as a differentiable torch function. The only such file.

Small CPU arrays cross as NumPy copies, both ways: jitted functions take them without further ado, and a copy
of a few kilobytes costs a third of a DLPack hand-over. Large ones cross by DLPack without a copy where nobody
else can write to them. What goes in is copied, so that no in-place change of a tensor reaches an array that
JAX believes to be immutable. Inputs and weights are also kept by `save_for_backward`, so that torch notices
such a change and says so.
"""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import torch

from qproj.autograd import first_order
from qproj.circuits.circuit import Circuit
from qproj.simulation import engine
from qproj.simulation.planning import choose

# Above this many elements a copy costs more than a DLPack hand-over.
_LARGE = 1 << 14


def run(
    circuit: Circuit, diff_method: str, strategy: str, inputs: torch.Tensor, weights: torch.Tensor
) -> torch.Tensor:
    """Run a circuit on JAX.

    Args:
        circuit: The circuit.
        diff_method: How gradients are computed, a name the engine knows, or `"best"`.
        strategy: A name the engine knows, or `"auto"`.
        inputs: `(batch, n_features)`, radians or amplitudes, float32 or float64; batch at least 1.
        weights: `circuit.weight_shape`, radians, same dtype and device.

    Returns:
        Expectation values `(batch, n_outputs)`, same dtype and device, differentiable once.

    Raises:
        RuntimeError: If JAX has no device like that of the inputs, or on a second derivative.
    """
    program = _program(circuit, engine.bucket(len(inputs)), inputs.element_size(), strategy, diff_method)
    # Inside the function torch always has gradients switched off, so whether to keep a state is asked here.
    keep = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    values: torch.Tensor = _Run.apply(inputs, weights, program, keep)  # type: ignore[no-untyped-call]
    return values


@functools.lru_cache(maxsize=1024)
def _program(circuit: Circuit, rows: int, itemsize: int, strategy: str, diff_method: str) -> engine.Program:
    return engine.program(circuit, *choose(circuit, rows, itemsize, strategy, diff_method))


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, program: engine.Program, keep: bool
    ) -> torch.Tensor:
        with _setting(inputs):
            x, w = _padded(inputs), _to_jax(weights)
            if not keep:
                return _cut(_to_torch(program.run(x, w)), len(inputs))
            values, residuals = program.forward(x, w)
            ctx.program = program
            leaves, ctx.structure = jax.tree.flatten(residuals)
            if sum(leaf.size for leaf in leaves) <= _LARGE and inputs.device.type == "cpu":
                # Nothing worth freeing early: what backward takes is kept as it is.
                ctx.arguments = (residuals, x, w)
                ctx.save_for_backward(inputs, weights)
            else:
                ctx.arguments = None
                ctx.save_for_backward(inputs, weights, *map(_to_torch, leaves))
            return _cut(_to_torch(values), len(inputs))

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights, *leaves = ctx.saved_tensors
        # Autograd may run backward in a thread of its own, and JAX's settings are per thread: set them again.
        with _setting(inputs):
            arguments = ctx.arguments
            if arguments is None:
                residuals = jax.tree.unflatten(ctx.structure, [_to_jax(leaf, share=True) for leaf in leaves])
                arguments = (residuals, _padded(inputs), _to_jax(weights))
            grad_inputs, grad_weights = ctx.program.backward(*arguments, _padded(cotangents))
            needs, sources = ctx.needs_input_grad, (cotangents, inputs, weights)
            return (
                first_order(_cut(_to_torch(grad_inputs), len(inputs)), *sources) if needs[0] else None,
                first_order(_to_torch(grad_weights), *sources) if needs[1] else None,
                None,
                None,
            )


@functools.cache
def _accelerated() -> bool:
    """Whether JAX would put arrays elsewhere than on the CPU."""
    return jax.default_backend() != "cpu"


def _setting(like: torch.Tensor) -> contextlib.AbstractContextManager[Any]:
    """JAX's precision and default device as a tensor has them, in this thread, for as long as the call."""
    double, stay = like.dtype == torch.float64, like.device.type == "cpu" and _accelerated()
    if not double and not stay:
        return contextlib.nullcontext()
    stack = contextlib.ExitStack()
    if double:
        stack.enter_context(jax.enable_x64(True))
    if stay:
        stack.enter_context(jax.default_device(jax.devices("cpu")[0]))
    return stack


def _padded(tensor: torch.Tensor) -> Any:
    """A copy of `(batch, k)`, with zero rows up to the bucket's size.

    Zero rows cost nothing in exactness: samples do not meet, and a zero cotangent adds a zero gradient.
    """
    batch, width = tensor.shape
    rows = engine.bucket(batch)
    if rows == batch:
        return _to_jax(tensor)
    if tensor.device.type == "cpu":
        array = np.zeros((rows, width), _numpy_dtype(tensor))
        array[:batch] = tensor.detach().resolve_neg().numpy()
        return array
    padded = tensor.new_zeros((rows, width))
    padded[:batch] = tensor.detach()
    return _to_jax(padded, share=True)


def _to_jax(tensor: torch.Tensor, *, share: bool = False) -> Any:
    """A tensor for JAX: a copy, unless it is `share`d because nobody else will write to it."""
    tensor = tensor.detach().resolve_neg()
    if tensor.device.type == "cpu" and not (share and tensor.numel() > _LARGE):
        return tensor.numpy().copy()
    try:
        return jnp.from_dlpack((tensor if share else tensor.clone()).contiguous())
    except Exception as error:
        raise RuntimeError(
            f"inputs must be on a device that JAX can use too, but were on {tensor.device}, and JAX sees "
            f"{jax.devices()}. Install JAX for that device, for example pip install 'jax[cuda12]', or move "
            "the layer to the CPU."
        ) from error


def _to_torch(array: jax.Array) -> torch.Tensor:
    if array.size <= _LARGE and array.platform() == "cpu":
        return torch.from_numpy(np.array(array))
    tensor: torch.Tensor = torch.utils.dlpack.from_dlpack(array)
    return tensor


def _cut(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """The first `batch` rows, in memory of their own if there were more."""
    return tensor if len(tensor) == batch else tensor[:batch].clone()


def _numpy_dtype(tensor: torch.Tensor) -> type[np.floating[Any]]:
    return np.float64 if tensor.dtype == torch.float64 else np.float32
