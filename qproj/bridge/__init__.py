"""Where torch and JAX meet: a compiled circuit as a differentiable torch function. The only such folder."""

from __future__ import annotations

from typing import Any

import jax
import torch

from qproj._compat import torch as compat
from qproj.bridge import rows, transforms
from qproj.bridge.arrays import padded, setting, to_jax, to_torch
from qproj.circuits.circuit import Circuit
from qproj.circuits.text import dumps
from qproj.execution.cache import cached_by_circuit
from qproj.execution.forks import check_not_forked
from qproj.execution.microbatches import Runner, program_for
from qproj.execution.padding import bucket
from qproj.execution.transforms import Expectation


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
        Expectation values `(batch, n_outputs)`, same dtype and device, differentiable any number of times.

    Raises:
        RuntimeError: If JAX cannot use the device of the inputs, or this process was forked after JAX had
            started.
    """
    check_not_forked()  # before anything is compiled
    # Under a transformation every tensor is a wrapper.
    if compat.transforms_active(inputs, weights):
        return transforms.expectation(Expectation(circuit, strategy, diff_method), inputs, weights)
    program, function = _program(
        circuit, bucket(inputs.shape[0]), inputs.element_size(), strategy, diff_method, inputs.is_cpu
    )
    # Asked here, since gradients are always disabled inside a torch function.
    keep = torch.is_grad_enabled() and (inputs.requires_grad or weights.requires_grad)
    if not keep and not compat.forward_ad_active():
        return _values(inputs, weights, program)  # a torch function would cost a third more
    alive = compat.accumulating(inputs, weights)
    values: torch.Tensor = _Run.apply(inputs, weights, program, function, keep)  # type: ignore[no-untyped-call]
    del alive
    return values


@cached_by_circuit
def _program(
    circuit: Circuit, rows: int, itemsize: int, strategy: str, diff_method: str, on_cpu: bool = True
) -> tuple[Runner, Expectation]:
    runner, names = program_for(circuit, rows, itemsize, strategy, diff_method, on_cpu=on_cpu)
    return runner, Expectation(circuit, *names)


class _Run(torch.autograd.Function):
    """A training step: forward keeps the residuals that backward needs.

    Inputs and weights are kept by `save_for_backward`, so that torch detects changes in place. Residuals are
    JAX arrays, which backward may overwrite. Under hooks for saved tensors, as in `checkpoint` and
    `save_on_cpu`, residuals are saved tensors too.
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
            if compat.has_saved_tensor_hooks():
                leaves, ctx.structure = jax.tree.flatten(residuals)
                ctx.kept = None
                ctx.save_for_backward(inputs, weights, *map(to_torch, leaves))
            else:
                ctx.kept = (residuals, x, w)
                ctx.save_for_backward(inputs, weights)
            return _cut(to_torch(values), inputs.shape[0])

    @staticmethod
    def backward(ctx: Any, cotangents: torch.Tensor) -> tuple[torch.Tensor | None, ...]:
        inputs, weights, *saved = ctx.saved_tensors
        needs = ctx.needs_input_grad[:2]
        if rows.is_batched(cotangents):
            found = rows.gradients(cotangents, inputs, weights, *_written(ctx.function))
            return *(g if need else None for g, need in zip(found, needs, strict=True)), None, None, None
        if torch.is_grad_enabled():  # create_graph=True
            found = transforms.gradients(ctx.function, inputs, weights, cotangents, needs)
            return *found, None, None, None
        # Autograd may run backward in another thread, and JAX's settings are per thread.
        with setting(inputs):
            last = not compat.keeps_graph()
            kept = ctx.kept
            if kept is None:  # tensors from a hook, which others may hold: not to be overwritten
                last = False
                residuals = ctx.structure.unflatten([to_jax(leaf, share=True) for leaf in saved])
                kept = (residuals, padded(inputs), to_jax(weights))
            elif last:
                ctx.kept = ()
            grad_inputs, grad_weights = ctx.program.backward(*kept, padded(cotangents), needs, last=last)
            return (
                None if grad_inputs is None else _cut(to_torch(grad_inputs), inputs.shape[0]),
                None if grad_weights is None else to_torch(grad_weights),
                None,
                None,
                None,
            )

    @staticmethod
    def jvp(ctx: Any, *tangents: torch.Tensor | None) -> torch.Tensor:
        inputs, weights = ctx.saved_tensors
        if rows.is_batched(*tangents[:2]):
            pairs = zip(tangents, (inputs, weights), strict=False)
            known = [torch.zeros_like(of) if tangent is None else tangent for tangent, of in pairs]
            batched: torch.Tensor = rows.tangents(*known, inputs, weights, *_written(ctx.function))
            return batched
        return transforms.tangents(ctx.function, inputs, weights, *tangents[:2])


def _written(function: Expectation) -> tuple[str, str, str]:
    """The arguments of an operator for this function."""
    return dumps(function.circuit), function.strategy, function.diff_method


def _values(inputs: torch.Tensor, weights: torch.Tensor, program: Runner) -> torch.Tensor:
    with setting(inputs):
        return _cut(to_torch(program.run(padded(inputs), to_jax(weights))), inputs.shape[0])


def _cut(tensor: torch.Tensor, batch: int) -> torch.Tensor:
    """The first `batch` rows; a copy if there were more."""
    return tensor if tensor.shape[0] == batch else tensor[:batch].clone()
