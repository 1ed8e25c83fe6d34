"""A run of a sampler as a torch function, differentiable once: NumPy inside, torch outside."""

from __future__ import annotations

from typing import Any

import torch

from qproj._compat.torch import accumulating, transforms_active
from qproj.backends.sampler import Array
from qproj.backends.shifts import Method


def run_method(method: Method, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Run a batch.

    Args:
        method: Runs it, and knows its gradient.
        inputs: `(batch, n_features)`.
        weights: The weights.

    Returns:
        Expectation values `(batch, n_outputs)`.

    Raises:
        RuntimeError: Under a transformation such as `torch.func.vmap`, and on a second derivative.
    """
    if transforms_active(inputs, weights):
        raise RuntimeError(
            "torch.func's transformations of a quantum layer need backend='jax' with shots=None, or "
            "backend='default.qubit' with diff_method='backprop', but this backend runs circuits of plain "
            "numbers. Use layer.to_backend('jax', shots=None)."
        )
    alive = accumulating(inputs, weights)
    values: torch.Tensor = _Run.apply(inputs, weights, method)  # type: ignore[no-untyped-call]
    del alive
    return values


class _Run(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, method: Method) -> torch.Tensor:
        ctx.save_for_backward(inputs, weights)
        ctx.method = method
        return torch.from_numpy(method.forward(to_numpy(inputs), to_numpy(weights).ravel())).to(inputs)

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        arrays = to_numpy(inputs), to_numpy(weights).ravel(), to_numpy(cotangents)
        gradients = zip(ctx.method.backward(*arrays), (inputs, weights), ctx.needs_input_grad, strict=False)
        found = [
            _first_order(torch.from_numpy(gradient).reshape(like.shape).to(like), cotangents, inputs, weights)
            if needed
            else None
            for gradient, like, needed in gradients
        ]
        return *found, None


def to_numpy(tensor: torch.Tensor) -> Array:
    """A tensor as NumPy in double precision."""
    # A copy, since `Tensor.numpy` makes the caller's storage one that cannot be resized.
    array: Array = tensor.detach().resolve_neg().to("cpu", torch.float64, copy=True).numpy()
    return array


def _first_order(gradient: torch.Tensor, *sources: torch.Tensor) -> torch.Tensor:
    """Mark a gradient as one that cannot be differentiated again.

    To be called in a backward pass. `once_differentiable` of torch does this only if the incoming cotangent
    requires gradients, so that a gradient penalty on `layer(x).sum()` would silently lose its share.

    Args:
        gradient: The gradient.
        sources: What it depends on.

    Returns:
        The gradient; with `create_graph=True`, one whose derivative raises RuntimeError.
    """
    if not torch.is_grad_enabled():
        return gradient
    marked: torch.Tensor = _FirstOrder.apply(gradient, *sources)  # type: ignore[no-untyped-call]
    return marked


class _FirstOrder(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, gradient: torch.Tensor, *sources: torch.Tensor) -> torch.Tensor:  # noqa: ARG004
        return gradient.clone()

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> None:  # noqa: ARG004
        raise RuntimeError(
            "Second derivatives of a quantum layer are not available on this backend: its gradient was "
            "differentiated again. Detach the gradient, or run the layer with backend='jax', shots=None."
        )
