"""Where torch and JAX meet: a compiled circuit as a differentiable torch function. The only such folder."""

from __future__ import annotations

import functools
from typing import Any

import torch

from qproj.bridge import transforms
from qproj.bridge.arrays import padded, setting, to_jax, to_torch
from qproj.bridge.forks import check_not_forked
from qproj.circuits.circuit import Circuit
from qproj.circuits.text import dumps
from qproj.execution import programs
from qproj.execution.microbatches import Runner, program_for
from qproj.execution.transforms import Expectation
from qproj.planning.execution import Execution


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
        Expectation values `(batch, n_outputs)`, same dtype and device, differentiable as often as one likes.

    Raises:
        RuntimeError: If JAX has no device like that of the inputs, or this process was forked from one in
            which JAX had run.
    """
    check_not_forked()
    # Torch's own functions ask this in the same way. Under a transformation every tensor is a wrapper.
    if torch._C._are_functorch_transforms_active():
        return transforms.expectation(Expectation(circuit, strategy, diff_method), inputs, weights)
    program, function = _program(
        circuit, programs.bucket(len(inputs)), inputs.element_size(), strategy, diff_method, inputs.is_cpu
    )
    # Inside the function torch always has gradients switched off, so whether to keep a state is asked here.
    keep = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    if not keep and torch.autograd.forward_ad._current_level < 0:
        return _values(inputs, weights, program)  # a torch function would cost a third more
    values: torch.Tensor = _Run.apply(inputs, weights, program, function, keep)  # type: ignore[no-untyped-call]
    return values


@functools.lru_cache(maxsize=1024)
def _program(
    circuit: Circuit, rows: int, itemsize: int, strategy: str, diff_method: str, on_host: bool = True
) -> tuple[Runner, Expectation]:
    runner, names = program_for(circuit, rows, itemsize, strategy, diff_method, on_host=on_host)
    return runner, Expectation(circuit, *names)


class _Run(torch.autograd.Function):
    """The path of a training step: forward keeps what backward needs.

    Inputs and weights are kept by `save_for_backward`, so that torch notices a change in place and says so.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: torch.Tensor,
        weights: torch.Tensor,
        program: Runner,
        function: Expectation,
        keep: bool,
    ) -> torch.Tensor:
        ctx.function = function
        ctx.save_for_forward(inputs, weights)
        if not keep:
            return _values(inputs, weights, program)
        with setting(inputs):
            x, w = padded(inputs), to_jax(weights)
            values, residuals = program.forward(x, w)
            ctx.program = program
            ctx.kept = (residuals, x, w)
            ctx.save_for_backward(inputs, weights)
            return _cut(to_torch(values), len(inputs))

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights = ctx.saved_tensors
        needs = ctx.needs_input_grad[:2]
        if torch._C._functorch.is_legacy_batchedtensor(cotangents):
            # `torch.autograd.grad(..., is_grads_batched=True)`: torch takes an operator for each row in turn.
            f = ctx.function
            how = Execution(f.diff_method, f.strategy).text
            given = (inputs, weights, dumps(f.circuit), "jax", how, list(needs))
            rows = torch.ops.qproj.expectation_backward(cotangents, *given)
            return *(row if need else None for row, need in zip(rows, needs, strict=True)), None, None, None
        if torch.is_grad_enabled():  # create_graph=True: the gradient is to be differentiated again
            found = transforms.gradients(ctx.function, inputs, weights, cotangents, needs)
            return *found, None, None, None
        # Autograd may run backward in a thread of its own, and JAX's settings are per thread: set them again.
        with setting(inputs):
            # Where torch frees what it keeps at this point, though the graph may live on, so is this.
            last = not torch._C._autograd._get_current_graph_task_keep_graph()
            given = (*ctx.kept, padded(cotangents), needs)
            if last:
                ctx.kept = None
            grad_inputs, grad_weights = ctx.program.backward(*given, last=last)
            return (
                None if grad_inputs is None else _cut(to_torch(grad_inputs), len(inputs)),
                None if grad_weights is None else to_torch(grad_weights),
                None,
                None,
                None,
            )

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> torch.Tensor:
        inputs, weights = ctx.saved_tensors
        return transforms.tangents(ctx.function, inputs, weights, *tangents[:2])


def _values(inputs: torch.Tensor, weights: torch.Tensor, program: Runner) -> torch.Tensor:
    with setting(inputs):
        return _cut(to_torch(program.run(padded(inputs), to_jax(weights))), len(inputs))


def _cut(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """The first `batch` rows, in memory of their own if there were more."""
    return tensor if len(tensor) == batch else tensor[:batch].clone()
