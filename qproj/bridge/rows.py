"""Derivatives for a batch of cotangents or tangents, as with `is_grads_batched=True`.

`torch.autograd.functional.jacobian(vectorize=True)` uses them. The rows come as one legacy batched tensor,
older than those of `torch.func`, which an autograd function cannot unpack. torch calls a custom operator row
by row, so both derivatives are custom operators here.
"""

import torch
from torch import Tensor

from qproj._compat.torch import is_legacy_batched
from qproj.bridge import transforms
from qproj.circuits.text import loads
from qproj.execution.transforms import Expectation

# torch reads the annotations when it registers the operators, so they must not be strings.


def is_batched(*tensors: Tensor | None) -> bool:
    """Whether any tensor is such a batch."""
    return any(t is not None and is_legacy_batched(t) for t in tensors)


@torch.library.custom_op("qproj::gradients", mutates_args=())
def gradients(
    cotangents: Tensor, inputs: Tensor, weights: Tensor, circuit: str, strategy: str, diff_method: str
) -> tuple[Tensor, Tensor]:
    """See `transforms.gradients`."""
    function = Expectation(loads(circuit), strategy, diff_method)
    by_inputs, by_weights = transforms.gradients(function, inputs, weights, cotangents, (True, True))
    assert by_inputs is not None
    assert by_weights is not None
    return by_inputs.clone(), by_weights


@torch.library.custom_op("qproj::tangents", mutates_args=())
def tangents(
    of_inputs: Tensor,
    of_weights: Tensor,
    inputs: Tensor,
    weights: Tensor,
    circuit: str,
    strategy: str,
    diff_method: str,
) -> Tensor:
    """See `transforms.tangents`."""
    function = Expectation(loads(circuit), strategy, diff_method)
    return transforms.tangents(function, inputs, weights, of_inputs, of_weights).clone()
