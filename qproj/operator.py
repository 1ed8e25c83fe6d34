"""The layer as a custom operator of torch, `torch.ops.qproj.expectation`.

`torch.compile` and `torch.export` cannot trace JAX or PennyLane. They see this operator instead, with a known
output shape and gradient. Its arguments are tensors and text, since a program can hold nothing else.

A custom operator can save only tensors for backward, not the residuals of an engine. So its backward runs the
circuit forward again. This applies to compiled programs only.
"""

import typing

import torch
from torch import Tensor

from qproj._compat import torch as compat
from qproj.backends import get_backend
from qproj.circuits import text
from qproj.circuits.circuit import Circuit
from qproj.planning import execution as how

# torch reads the annotations when it registers the operator, so they must not be strings.


@torch.library.custom_op("qproj::expectation", mutates_args=())
def expectation(
    inputs: Tensor,
    weights: Tensor,
    circuit: str,
    backend: str,
    execution: str,
) -> Tensor:
    """Run a circuit.

    Args:
        inputs: As for `qproj.backends.Backend.run`.
        weights: As for `qproj.backends.Backend.run`.
        circuit: Text from `qproj.circuits.text.dumps`.
        backend: Its name.
        execution: Text from `qproj.planning.execution.dumps`.

    Returns:
        Values `(batch, n_values)`.
    """
    _check_shapes(text.loads(circuit), inputs, weights)
    if not len(inputs):
        return inputs.new_empty(0, text.loads(circuit).n_values)
    return get_backend(backend).run(text.loads(circuit), how.loads(execution), inputs, weights)


@torch.library.custom_op("qproj::expectation_backward", mutates_args=())
def expectation_backward(
    cotangents: Tensor,
    inputs: Tensor,
    weights: Tensor,
    circuit: str,
    backend: str,
    execution: str,
    wanted: typing.List[bool],  # noqa: UP006  (torch 2.6 knows no list[bool])
) -> tuple[Tensor, Tensor]:
    """The vector-Jacobian product of `expectation`.

    Args:
        cotangents: `(batch, n_values)`.
        inputs: As for `expectation`.
        weights: As for `expectation`.
        circuit: As for `expectation`.
        backend: As for `expectation`.
        execution: As for `expectation`.
        wanted: Whether the gradients for inputs and for weights are wanted.

    Returns:
        Both; zeros where not wanted.
    """
    if not len(inputs):
        return torch.zeros_like(inputs), torch.zeros_like(weights)
    given = [t.detach().requires_grad_(want) for t, want in zip((inputs, weights), wanted, strict=True)]
    with torch.enable_grad():
        values = get_backend(backend).run(text.loads(circuit), how.loads(execution), *given)
    found = iter(torch.autograd.grad(values, [t for t in given if t.requires_grad], cotangents))
    first, second = (next(found) if t.requires_grad else torch.zeros_like(t) for t in given)
    return first, second


def _check_shapes(circuit: Circuit, inputs: Tensor, weights: Tensor) -> None:
    """Check the tensors, which need not be those that the program was traced with."""
    if inputs.ndim != 2 or inputs.shape[1] != circuit.n_features:
        raise ValueError(
            f"inputs must have shape (batch, {circuit.n_features}), but had shape {tuple(inputs.shape)}."
        )
    if weights.shape != circuit.weight_shape:
        raise ValueError(
            f"weights must have shape {circuit.weight_shape}, but had shape {tuple(weights.shape)}."
        )


@expectation.register_fake
def _(inputs, weights, circuit, backend, execution):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return inputs.new_empty(inputs.shape[0], text.loads(circuit).n_values)


@expectation_backward.register_fake
def _(cotangents, inputs, weights, circuit, backend, execution, wanted):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return torch.empty_like(inputs), torch.empty_like(weights)


@torch.compiler.allow_in_graph
def call(inputs, weights, *options):  # type: ignore[no-untyped-def]
    """Call `expectation`, also under transformations of `torch.func`: in a program, or while it is traced.

    The arguments are those of `expectation`. Custom operators have no derivatives under `torch.func`.
    """
    transformed = compat.transforms_active(inputs, weights) or compat.forward_ad_active()
    return _Call.apply(inputs, weights, *options) if transformed else expectation(inputs, weights, *options)  # type: ignore[no-untyped-call]


def _one_by_one(operator, info, in_dims, given):  # type: ignore[no-untyped-def]
    """Call the operator once per index of the axis that `torch.vmap` maps over."""
    dims = [dim if isinstance(g, Tensor) else None for g, dim in zip(given, in_dims, strict=True)]
    return [
        operator(*(g if dim is None else g.select(dim, i) for g, dim in zip(given, dims, strict=True)))
        for i in range(info.batch_size)
    ]


class _Call(torch.autograd.Function):
    @staticmethod
    def forward(inputs, weights, *options):  # type: ignore[no-untyped-def]
        return expectation(inputs, weights, *options)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        _keep(ctx, inputs, output)  # type: ignore[no-untyped-call]

    @staticmethod
    def backward(ctx, cotangents):  # type: ignore[no-untyped-def]
        wanted = ctx.needs_input_grad[:2]
        found = _Gradients.apply(cotangents, *ctx.saved_tensors, *ctx.texts, list(wanted))  # type: ignore[no-untyped-call]
        return *(g if want else None for g, want in zip(found, wanted, strict=True)), *[None] * 3

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]  # noqa: ARG004
        raise RuntimeError(
            "forward mode of a quantum layer needs torch's eager mode, but the layer is part of a program of "
            "torch.compile or make_fx. Call it outside, or take derivatives in reverse mode."
        )

    @staticmethod
    def vmap(info, in_dims, *given):  # type: ignore[no-untyped-def]
        return torch.stack(_one_by_one(_Call.apply, info, in_dims, given)), 0  # type: ignore[no-untyped-call]


class _Gradients(torch.autograd.Function):
    @staticmethod
    def forward(*given):  # type: ignore[no-untyped-def]
        return expectation_backward(*given)

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]
        pass

    @staticmethod
    def backward(ctx, *cotangents):  # type: ignore[no-untyped-def]  # noqa: ARG004
        raise RuntimeError(
            "second derivatives of a quantum layer need torch's eager mode, but the layer is part of a "
            "program of torch.compile or make_fx. Differentiate twice outside of it."
        )

    jvp = backward

    @staticmethod
    def vmap(info, in_dims, *given):  # type: ignore[no-untyped-def]
        rows = _one_by_one(_Gradients.apply, info, in_dims, given)  # type: ignore[no-untyped-call]
        return tuple(torch.stack(gradients) for gradients in zip(*rows, strict=True)), (0, 0)


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]  # noqa: ARG001
    given, weights, *ctx.texts = inputs
    ctx.save_for_backward(given, weights)


def _backward(ctx, cotangents):  # type: ignore[no-untyped-def]
    wanted = list(ctx.needs_input_grad[:2])
    found = expectation_backward(cotangents, *ctx.saved_tensors, *ctx.texts, wanted)
    return *(gradient if want else None for gradient, want in zip(found, wanted, strict=True)), *[None] * 3


expectation.register_autograd(_backward, setup_context=_keep)
