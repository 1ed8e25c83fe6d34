"""What the backends' autograd functions share."""

from __future__ import annotations

from typing import Any

import torch


def first_order(gradient: torch.Tensor, *sources: torch.Tensor) -> torch.Tensor:
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
            "Second derivatives of a quantum layer are not available: its gradient was differentiated again. "
            "Detach the gradient, or run the layer with backend='default.qubit', which can."
        )
