"""The layer as a custom operator of torch, `torch.ops.qproj.expectation`.

`torch.compile` and `torch.export` cannot trace JAX or PennyLane. They see this operator instead, with a known
output shape and gradient. Its arguments are tensors and text, since a program can hold nothing else.

A custom operator can save only tensors for backward, not the residuals of an engine. So its backward runs the
circuit forward again. This applies to compiled programs only.
"""

import functools
import json
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
    run = functools.partial(get_backend(backend).run, text.loads(circuit), how.loads(execution))
    return compat.as_a_caller(lambda: torch.no_grad()(run)(inputs, weights))


@torch.library.custom_op("qproj::derivative", mutates_args=())
def derivative(
    given: typing.List[Tensor],  # noqa: UP006  (torch 2.6 knows no list[Tensor])
    circuit: str,
    backend: str,
    execution: str,
    steps: str,
) -> typing.List[Tensor]:  # noqa: UP006
    """Vector-Jacobian products of `expectation`, and those of such products.

    Args:
        given: Inputs and weights, then the cotangents of each step.
        circuit: As for `expectation`.
        backend: As for `expectation`.
        execution: As for `expectation`.
        steps: JSON: for each product the places in `given` of what it is differentiated by.

    Returns:
        The gradients of the last step, in the order of its places.
    """
    return _derived(given, circuit, backend, execution, json.loads(steps))  # type: ignore[no-untyped-call,no-any-return]


@torch.library.custom_op("qproj::gradient", mutates_args=())
def gradient(
    inputs: Tensor,
    weights: Tensor,
    cotangents: Tensor,
    circuit: str,
    backend: str,
    execution: str,
    wanted: typing.List[bool],  # noqa: UP006  (torch 2.6 knows no list[bool])
) -> tuple[Tensor, Tensor]:
    """`derivative` of one step, without lists of tensors, which not all of torch's transforms take.

    Args:
        inputs: As for `expectation`.
        weights: As for `expectation`.
        cotangents: `(batch, n_values)`.
        circuit: As for `expectation`.
        backend: As for `expectation`.
        execution: As for `expectation`.
        wanted: Whether the gradients for inputs and for weights are wanted.

    Returns:
        Both; zeros where not wanted.
    """
    places = [place for place in (0, 1) if wanted[place]]
    found = iter(_derived([inputs, weights, cotangents], circuit, backend, execution, [places]))  # type: ignore[no-untyped-call]
    first, second = (
        next(found) if want else torch.zeros_like(t)
        for t, want in zip((inputs, weights), wanted, strict=True)
    )
    return first, second


def _derived(given, circuit, backend, execution, places):  # type: ignore[no-untyped-def]
    if not len(given[0]):
        return [torch.zeros_like(given[place]) for place in places[-1]]
    run = functools.partial(get_backend(backend).run, text.loads(circuit), how.loads(execution))
    found = compat.as_a_caller(lambda: torch.enable_grad()(_products)(run, given, places))  # type: ignore[no-untyped-call]
    return [gradient.contiguous() for gradient in found]


def _products(run, given, places, create_graph=False):  # type: ignore[no-untyped-def]
    if not places:
        return [run(*given)]
    *before, last = places
    n = len(given) - (len(before[-1]) if before else 1)
    known = [
        t.detach().requires_grad_() if i in last and not t.requires_grad else t for i, t in enumerate(given)
    ]
    values = _products(run, known[:n], before, create_graph=True)  # type: ignore[no-untyped-call]
    options = {"create_graph": create_graph, "materialize_grads": True}
    return torch.autograd.grad(values, [known[i] for i in last], known[n:], **options)


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


@derivative.register_fake
def _(given, circuit, backend, execution, steps):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return [given[place].new_empty(given[place].shape) for place in json.loads(steps)[-1]]


@gradient.register_fake
def _(inputs, weights, cotangents, circuit, backend, execution, wanted):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return inputs.new_empty(inputs.shape), weights.new_empty(weights.shape)


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
        return _backward(ctx, cotangents)  # type: ignore[no-untyped-call]

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        given = ctx.saved_tensors
        zeros = given[0].new_zeros(ctx.shape)
        return _tangents(ctx.texts, [], given, tangents[:2], [zeros])[0]  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info, in_dims, *given):  # type: ignore[no-untyped-def]
        return torch.stack(_one_by_one(_Call.apply, info, in_dims, given)), 0  # type: ignore[no-untyped-call]


class _Derivative(torch.autograd.Function):
    """`derivative`, whose gradients are products of one more step."""

    @staticmethod
    def forward(texts, places, *given):  # type: ignore[no-untyped-def]
        if len(places) > 1:
            return tuple(derivative(list(given), *texts, json.dumps(places)))
        found = gradient(*given, *texts, [place in places[0] for place in (0, 1)])
        return tuple(found[place] for place in places[0])

    @staticmethod
    def setup_context(ctx, inputs, output):  # type: ignore[no-untyped-def]  # noqa: ARG004
        ctx.texts, ctx.places, *given = inputs
        ctx.save_for_backward(*given)
        ctx.save_for_forward(*given)

    @staticmethod
    def backward(ctx, *cotangents):  # type: ignore[no-untyped-def]
        given = ctx.saved_tensors
        found = _gradients(ctx.needs_input_grad[2:], ctx.texts, ctx.places, *given, *cotangents)  # type: ignore[no-untyped-call]
        return None, None, *found

    @staticmethod
    def jvp(ctx, *tangents):  # type: ignore[no-untyped-def]
        given = ctx.saved_tensors
        zeros = [torch.zeros_like(given[place]) for place in ctx.places[-1]]
        return _tangents(ctx.texts, ctx.places, given, tangents[2:], zeros)  # type: ignore[no-untyped-call]

    @staticmethod
    def vmap(info, in_dims, *given):  # type: ignore[no-untyped-def]
        rows = _one_by_one(_Derivative.apply, info, in_dims, given)  # type: ignore[no-untyped-call]
        return tuple(torch.stack(gradients) for gradients in zip(*rows, strict=True)), (0,) * len(rows[0])


def _gradients(wanted, texts, places, *given):  # type: ignore[no-untyped-def]
    """Gradients for the first of `given` by one more step, `None` where not wanted; then come cotangents."""
    last = [place for place, want in enumerate(wanted) if want]
    found = iter(_Derivative.apply(texts, [*places, last], *given))  # type: ignore[no-untyped-call]
    return [next(found) if want else None for want in wanted]


def _tangents(texts, places, given, tangents, zeros):  # type: ignore[no-untyped-def]
    """The Jacobian times tangents: the gradient by cotangents, which are `zeros`, of a product with them."""
    n = len(given)
    known = [torch.zeros_like(g) if t is None else t for g, t in zip(given, tangents, strict=True)]
    steps = [*places, list(range(n)), list(range(n, n + len(zeros)))]
    return _Derivative.apply(texts, steps, *given, *zeros, *known)  # type: ignore[no-untyped-call]


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]
    given, weights, *ctx.texts = inputs
    ctx.save_for_backward(given, weights)
    ctx.save_for_forward(given, weights)
    ctx.shape = output.shape


def _backward(ctx, cotangents):  # type: ignore[no-untyped-def]
    found = _gradients(ctx.needs_input_grad[:2], ctx.texts, [], *ctx.saved_tensors, cotangents)  # type: ignore[no-untyped-call]
    return *found, None, None, None


expectation.register_autograd(_backward, setup_context=_keep)
