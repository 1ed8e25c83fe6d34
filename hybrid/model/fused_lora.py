"""PEFT's linear map with LoRA as one operation, which makes no arrays but the result.

PEFT scales the update and adds it to the map's own result, each in an array of the result's size, and torch
does the same again for the gradient. With a small language model on a processor that is a fifth of a step.
"""

from typing import Any

import torch
from peft.tuners import lora
from torch import Tensor, nn
from torch.autograd.function import once_differentiable


class FusedLinear(lora.Linear):  # type: ignore[misc]
    """`peft.tuners.lora.Linear`, fused where nothing but one plain adapter is on it; else as PEFT does it."""

    def forward(self, x: Tensor, *args: Any, **kwargs: Any) -> Tensor:
        """See PEFT."""
        name = str(self.active_adapters[0]) if len(self.active_adapters) == 1 else ""
        if args or kwargs or name not in self.lora_A or not self._is_plain(name):
            return super().forward(x, *args, **kwargs)  # type: ignore[no-any-return]
        base = self.base_layer
        a, b = self.lora_A[name].weight, self.lora_B[name].weight
        given: tuple[Tensor | None, ...] = (x, base.weight, base.bias, a, b)
        if torch.is_autocast_enabled(x.device.type):
            dtype = torch.get_autocast_dtype(x.device.type)
            given = tuple(None if t is None else t.to(dtype) for t in given)
        elif len({t.dtype for t in given if t is not None}) > 1:
            return super().forward(x)  # type: ignore[no-any-return]
        out: Tensor = _Fused.apply(*given, self.scaling[name])  # type: ignore[no-untyped-call]
        return out

    def _is_plain(self, name: str) -> bool:
        dropped = self.training and not isinstance(self.lora_dropout[name], nn.Identity)
        special = dropped or name in self.lora_variant or self.lora_bias[name]
        trained = any(
            p.requires_grad for p in (self.base_layer.weight, self.base_layer.bias) if p is not None
        )
        return not (special or trained or self.disable_adapters or self.merged)


def fuse(model: nn.Module) -> None:
    """Let PEFT's plain linear maps be `FusedLinear`, in place; quantised ones and others stay."""
    for module in model.modules():
        if type(module) is lora.Linear and type(module.base_layer) is nn.Linear:
            module.__class__ = FusedLinear


class _Fused(torch.autograd.Function):
    """``x W^T + bias + scale x A^T B^T``; the gradient of ``W`` and of the bias is none."""

    @staticmethod
    def forward(
        ctx: Any, x: Tensor, weight: Tensor, bias: Tensor | None, a: Tensor, b: Tensor, scale: float
    ) -> Tensor:
        flat = x.reshape(-1, x.shape[-1])
        low = flat @ a.T
        out = nn.functional.linear(flat, weight, bias)
        out.addmm_(low, b.T, alpha=scale)
        ctx.save_for_backward(flat, weight, a, b, low)
        ctx.scale, ctx.shape = scale, x.shape
        return out.view(*x.shape[:-1], -1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        flat, weight, a, b, low = ctx.saved_tensors
        above = gradient.reshape(-1, gradient.shape[-1])
        by_low = (above @ b).mul_(ctx.scale)
        by_x = None
        if ctx.needs_input_grad[0]:
            by_x = (above @ weight).addmm_(by_low, a).view(ctx.shape)
        return by_x, None, None, by_low.T @ flat, (above.T @ low).mul_(ctx.scale), None
