"""The layer as an operator of torch's own, `torch.ops.qproj.expectation`.

`torch.compile` and `torch.export` cannot look into JAX or PennyLane. They see this operator instead: they
know the shape of its result and its gradient, and call it when their program runs. It takes text and numbers
beside tensors, since nothing else can be written into a program.

Between forward and backward an operator can keep tensors only, of shapes known beforehand, and not what an
engine keeps. So its backward runs the circuit forward again; outside of compiled programs nothing does.
"""

import typing

import torch
from torch import Tensor

from qproj.backends import get_backend
from qproj.circuits import text
from qproj.planning import execution as how

# Read by torch when it registers an operator, so written out, and not as text.


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
        circuit: What `qproj.circuits.text.dumps` wrote.
        backend: Its name.
        execution: What `qproj.planning.execution.dumps` wrote.

    Returns:
        Expectation values `(batch, n_outputs)`.
    """
    if not len(inputs):
        return inputs.new_empty(0, text.loads(circuit).n_outputs)
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
        cotangents: `(batch, n_outputs)`.
        inputs: As for `expectation`.
        weights: As for `expectation`.
        circuit: As for `expectation`.
        backend: As for `expectation`.
        execution: As for `expectation`.
        wanted: Whether the gradients for inputs and for weights are.

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


@expectation.register_fake
def _(inputs, weights, circuit, backend, execution):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return inputs.new_empty(inputs.shape[0], text.loads(circuit).n_outputs)


@expectation_backward.register_fake
def _(cotangents, inputs, weights, circuit, backend, execution, wanted):  # type: ignore[no-untyped-def]  # noqa: ARG001
    return torch.empty_like(inputs), torch.empty_like(weights)


def _keep(ctx, inputs, output):  # type: ignore[no-untyped-def]  # noqa: ARG001
    given, weights, *ctx.texts = inputs
    ctx.save_for_backward(given, weights)


def _backward(ctx, cotangents):  # type: ignore[no-untyped-def]
    wanted = list(ctx.needs_input_grad[:2])
    found = expectation_backward(cotangents, *ctx.saved_tensors, *ctx.texts, wanted)
    return *(gradient if want else None for gradient, want in zip(found, wanted, strict=True)), *[None] * 3


expectation.register_autograd(_backward, setup_context=_keep)
