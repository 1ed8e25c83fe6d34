"""PennyLane's tapes as a torch function, differentiable once."""

from __future__ import annotations

from typing import Any

import torch

from qproj.backends.pennylane_tapes import Array, Method


def run_tapes(runner: Method, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Run a batch of tapes.

    Args:
        runner: Runs them, and knows their gradient.
        inputs: `(batch, n_features)`.
        weights: The weights.

    Returns:
        Expectation values `(batch, n_outputs)`.

    Raises:
        RuntimeError: Under a transformation such as `torch.func.vmap`, and on a second derivative.
    """
    if torch._C._are_functorch_transforms_active():
        raise RuntimeError(
            "torch.func's transformations of a quantum layer need backend='jax', or backend='default.qubit' "
            "with diff_method='backprop', but the layer runs as PennyLane tapes. Use layer.to_backend('jax')."
        )
    values: torch.Tensor = _TapeRun.apply(inputs, weights, runner)  # type: ignore[no-untyped-call]
    return values


class _TapeRun(torch.autograd.Function):
    """A run of scripts, and their gradient: NumPy inside, torch outside."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, runner: Method) -> torch.Tensor:
        ctx.save_for_backward(inputs, weights)
        ctx.runner = runner
        return torch.from_numpy(runner.forward(_to_numpy(inputs), _to_numpy(weights).ravel())).to(inputs)

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        arrays = _to_numpy(inputs), _to_numpy(weights).ravel(), _to_numpy(cotangents)
        gradients = zip(ctx.runner.backward(*arrays), (inputs, weights), ctx.needs_input_grad, strict=False)
        found = [
            _first_order(torch.from_numpy(gradient).reshape(like.shape).to(like), cotangents, inputs, weights)
            if needed
            else None
            for gradient, like, needed in gradients
        ]
        return *found, None


def _to_numpy(tensor: torch.Tensor) -> Array:
    array: Array = tensor.detach().resolve_neg().cpu().double().numpy()
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
            "differentiated again. Detach the gradient, or run the layer with backend='jax', which can."
        )
