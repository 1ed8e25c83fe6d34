"""A circuit under torch's transformations: `torch.func`, forward mode, derivatives of derivatives.

Each becomes JAX's transformation of the same name, so they compose to any depth.
"""

from __future__ import annotations

from typing import Any

import torch

from qproj._compat.torch import untraced
from qproj.bridge.arrays import setting, to_jax, to_torch
from qproj.execution.padding import padded
from qproj.execution.transforms import Expectation, Function, Jvp, Vjp, Vmap, compiled


def expectation(function: Expectation, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
    """Expectation values, differentiable in every way; see `qproj.bridge.run`."""
    batch = len(inputs)
    values: torch.Tensor = _Call.apply(function, _with_rows(inputs), weights)[0]  # type: ignore[no-untyped-call]
    return values[:batch]


def gradients(
    function: Expectation,
    inputs: torch.Tensor,
    weights: torch.Tensor,
    cotangents: torch.Tensor,
    wanted: tuple[bool, bool],
) -> list[torch.Tensor | None]:
    """The vector-Jacobian product of `expectation`, with `None` for what is not wanted."""
    places = tuple(place for place in (0, 1) if wanted[place])
    found = _Call.apply(  # type: ignore[no-untyped-call]
        Vjp(function, 2, places), _with_rows(inputs), weights, _with_rows(cotangents)
    )
    by_place = dict(zip(places, found, strict=True))
    if 0 in by_place:
        by_place[0] = by_place[0][: len(inputs)]
    return [by_place.get(place) for place in (0, 1)]


def tangents(
    function: Expectation,
    inputs: torch.Tensor,
    weights: torch.Tensor,
    of_inputs: torch.Tensor | None,
    of_weights: torch.Tensor | None,
) -> torch.Tensor:
    """The Jacobian-vector product of `expectation`; `None` is a tangent of zeros."""
    given = [_with_rows(inputs), weights, _with_rows(_known(of_inputs, inputs)), _known(of_weights, weights)]
    values: torch.Tensor = _Call.apply(Jvp(function), *given)[0]  # type: ignore[no-untyped-call]
    return values[: len(inputs)]


def _known(tangent: torch.Tensor | None, of: torch.Tensor) -> torch.Tensor:
    return torch.zeros_like(of) if tangent is None else tangent


def _with_rows(tensor: torch.Tensor) -> torch.Tensor:
    rows: torch.Tensor = padded(tensor, torch)
    return rows


def _run(function: Function, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
    with setting(tensors[0]):
        return tuple(map(to_torch, compiled(function)(*map(to_jax, tensors))))


class _Call(torch.autograd.Function):
    """Calls a function of arrays; its derivatives are calls of other such functions."""

    @staticmethod
    def forward(function: Function, *tensors: torch.Tensor) -> tuple[torch.Tensor, ...]:
        # `torch.compile` would trace JAX here after a graph break within `torch.func`.
        return untraced(_run)(function, *tensors)

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[torch.Tensor, ...]) -> None:  # noqa: ARG004
        ctx.function, *tensors = inputs
        ctx.save_for_backward(*tensors)
        ctx.save_for_forward(*tensors)

    @staticmethod
    def backward(ctx: Any, *cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        tensors = ctx.saved_tensors
        places = tuple(i for i in range(len(tensors)) if ctx.needs_input_grad[i + 1])
        found = _Call.apply(Vjp(ctx.function, len(tensors), places), *tensors, *cotangents)  # type: ignore[no-untyped-call]
        by_place = dict(zip(places, found, strict=True))
        return None, *(by_place.get(i) for i in range(len(tensors)))

    @staticmethod
    def jvp(ctx: Any, _: None, *tangents: torch.Tensor | None) -> tuple[torch.Tensor, ...]:
        tensors = ctx.saved_tensors
        known = map(_known, tangents, tensors)
        found: tuple[torch.Tensor, ...] = _Call.apply(Jvp(ctx.function), *tensors, *known)  # type: ignore[no-untyped-call]
        return found

    @staticmethod
    def vmap(
        info: Any,  # noqa: ARG004
        in_dims: tuple[int | None, ...],
        function: Function,
        *tensors: torch.Tensor,
    ) -> tuple[tuple[torch.Tensor, ...], tuple[int, ...]]:
        found = _Call.apply(Vmap(function, tuple(in_dims[1:])), *tensors)  # type: ignore[no-untyped-call]
        return found, (0,) * len(found)
