"""Compiled circuits, and the cache that holds them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import jax
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.differentiation.adjoint import Adjoint, Residuals
from qproj.differentiation.backprop import Backprop
from qproj.differentiation.dense import Dense
from qproj.differentiation.parameter_shift import ParameterShift


class Differentiation(Protocol):
    """What a differentiation method gives the engine; see `Adjoint` for shapes."""

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """Expectation values, and what `backward` needs."""

    def backward(
        self, residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """Gradients for inputs and weights."""


def build(circuit: Circuit, strategy: str, diff_method: str) -> Differentiation:
    """Forward and backward of a circuit, not compiled yet.

    Args:
        circuit: The circuit.
        strategy: `"dense"` or `"fused-k"`, one that can run it.
        diff_method: `"adjoint"`, `"backprop"` or `"parameter-shift"`.

    Returns:
        The pair.
    """
    if diff_method == "parameter-shift":
        return ParameterShift(circuit, lambda c: build(c, strategy, "adjoint"))
    if strategy == "dense":
        return Dense(circuit)
    method = Backprop if diff_method == "backprop" else Adjoint
    return method(circuit, int(strategy.removeprefix("fused-")))


@dataclass(frozen=True)
class Program:
    """Jitted functions of a circuit; JAX keeps a compiled version for each dtype and batch size.

    Attributes:
        run: `(inputs, weights) -> values`.
        forward: `(inputs, weights) -> (values, residuals)`.
        backward: `(residuals, inputs, weights, cotangents) -> (grad_inputs, grad_weights)`.
    """

    run: Callable[[Array, Array], Array]
    forward: Callable[[Array, Array], tuple[Array, Residuals]]
    backward: Callable[[Residuals, Array, Array, Array], tuple[Array, Array]]


# Bounded, so that a search over many circuits does not keep every compiled program.
@functools.lru_cache(maxsize=128)
def program(circuit: Circuit, strategy: str, diff_method: str) -> Program:
    """Return the compiled functions of a circuit, the same ones for equal circuits.

    Args:
        circuit: The circuit.
        strategy: As for `build`.
        diff_method: As for `build`.

    Returns:
        Functions that compile on their first call with a new dtype or batch size.
    """
    method = build(circuit, strategy, diff_method)

    # The settings count while a function is traced, not when it runs: an application may be strict about
    # promotion in its own JAX code, and this code keeps to the dtypes it is given without that.
    def run(inputs: Array, weights: Array) -> Array:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return method.forward(inputs, weights)[0]

    def forward(inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return method.forward(inputs, weights)

    def backward(
        residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return method.backward(residuals, inputs, weights, cotangents)

    return Program(run=jax.jit(run), forward=jax.jit(forward), backward=jax.jit(backward))


def bucket(batch: int) -> int:
    """The batch size that a batch is padded to, so that few sizes are compiled.

    Powers of two and the numbers half-way between them: less than half of a batch is added.
    """
    power = 1 << max(batch - 1, 0).bit_length()
    return 3 * power // 4 if power >= 4 and batch <= 3 * power // 4 else power
