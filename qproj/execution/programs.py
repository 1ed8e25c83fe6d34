"""Compiled circuits, and the cache that holds them."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, ParamSpec, Protocol, TypeVar

import jax
import numpy as np
from jax import Array

from qproj._compat.jax import synchronous_cpu
from qproj.circuits.circuit import Circuit
from qproj.differentiation.adjoint import Adjoint, Residuals
from qproj.differentiation.backprop import Backprop
from qproj.differentiation.dense import Dense
from qproj.differentiation.density import DensityMatrix
from qproj.differentiation.jacobian import Jacobian
from qproj.differentiation.parameter_shift import ParameterShift
from qproj.differentiation.trajectories import Trajectories
from qproj.execution.buffers import BufferPool, Shapes
from qproj.execution.cache import cached_by_circuit, on_clear
from qproj.memory import memory_budget
from qproj.planning.cost import choose
from qproj.planning.noisy import keeps_states
from qproj.planning.strategies import NOISY_STRATEGIES, Fused, parse
from qproj.simulation import xla_cpu

P = ParamSpec("P")
T = TypeVar("T")

# Residuals of fewer bytes are not pooled: malloc reuses memory of this size by itself.
_PAGES = 1 << 17
# One pool for all programs, so that circuits share buffers of the same shapes.
_BUFFERS = BufferPool(memory_budget())
on_clear(_BUFFERS.clear)


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
        strategy: `"dense"` or `"fused-k"`, one that can run it; `"density-matrix"` or `"trajectories"` where
            it has noise.
        diff_method: `"adjoint"`, `"backprop"`, `"jacobian"` or `"parameter-shift"`.

    Returns:
        The pair.
    """
    if strategy in NOISY_STRATEGIES and diff_method != "parameter-shift":
        if strategy == "trajectories":
            return Trajectories(circuit)
        return DensityMatrix(circuit, keeps_states=keeps_states(circuit))
    if diff_method == "jacobian":
        return Jacobian(_adjoint(circuit, strategy, keeps_states=True))
    if diff_method == "parameter-shift":
        return ParameterShift(circuit, lambda c: build(c, strategy, "adjoint"))
    return _adjoint(circuit, strategy, keeps_states=diff_method == "backprop")


def _adjoint(circuit: Circuit, strategy: str, *, keeps_states: bool) -> Adjoint:
    fusion = parse(strategy)
    if not isinstance(fusion, Fused):
        return Dense(circuit)
    return (Backprop if keeps_states else Adjoint)(circuit, fusion.block)


class Program:
    """Jitted functions of a circuit; JAX keeps a compiled version for each dtype and batch size.

    Arrays of NumPy are computed on the CPU, as `qproj.simulation.xla_cpu` says; JAX's own where they are.

    Args:
        method: Forward and backward, not compiled yet.
        one_kernel: Whether batches are small enough for a single kernel on the CPU.
    """

    def __init__(self, method: Differentiation, *, one_kernel: bool = False) -> None:
        self._method = method
        self._one_kernel = one_kernel
        self._residuals: dict[object, Shapes] = {}
        self._on_cpu = _Functions(method, functools.partial(xla_cpu.compiled, one_kernel=one_kernel))
        self._by_jax = _Functions(method, jax.jit)

    def run(self, inputs: Any, weights: Any) -> Array:
        """Expectation values."""
        values: Array = self._of(inputs).run(inputs, weights)
        return values

    def forward(self, inputs: Any, weights: Any) -> tuple[Array, Residuals]:
        """Expectation values, and what `backward` needs."""
        shapes = self._residuals.get((inputs.shape, inputs.dtype))
        if shapes is None:
            shapes = self._residuals[inputs.shape, inputs.dtype] = self._buffer_shapes(inputs, weights)
        values, residuals = self._of(inputs).forward(
            inputs, weights, _BUFFERS.acquire(shapes, synchronous_cpu()) if shapes else ()
        )
        return values, residuals

    def backward(
        self,
        residuals: Residuals,
        inputs: Any,
        weights: Any,
        cotangents: Any,
        needs: tuple[bool, bool] = (True, True),
        *,
        last: bool = False,
    ) -> tuple[Any, Any]:
        """Gradients for inputs and weights, with `None` for what is not needed.

        Args:
            residuals: From `forward`.
            inputs: As given to `forward`.
            weights: As given to `forward`.
            cotangents: `(batch, n_outputs)`.
            needs: Which of both gradients are needed.
            last: Whether the residuals are free afterwards, so that they go into the buffer pool.
        """
        # What is left of a Jacobian takes NumPy a microsecond.
        if isinstance(self._method, Jacobian) and isinstance(inputs, np.ndarray):
            return self._method.backward(residuals, inputs, weights, cotangents)
        functions, given = self._of(inputs), (residuals, inputs, weights, cotangents)
        if not last or not self._residuals[inputs.shape, inputs.dtype]:
            gradients: tuple[Any, Any] = functions.backward(needs)(*given)
            return gradients
        if isinstance(self._method, Adjoint) and self._method.in_place:
            gradients, residuals = functions.backward(needs, in_place=True)(*given)
        else:
            gradients = functions.backward(needs)(*given)
        _BUFFERS.release(jax.tree.leaves(residuals))
        return gradients

    def _of(self, inputs: Any) -> _Functions:
        return self._on_cpu if isinstance(inputs, np.ndarray) else self._by_jax

    def _buffer_shapes(self, inputs: Any, weights: Any) -> Shapes:
        """Shapes of the buffers to donate to `forward` for its residuals; none if they are small."""
        # JAX pools memory on accelerators, and a single kernel has small residuals.
        if self._one_kernel or not isinstance(inputs, np.ndarray):
            return ()
        if isinstance(self._method, Adjoint) and not self._method.keeps_states:
            residuals = self._method.residual_shapes(inputs)  # to trace forward for it would take a while
        else:
            _, residuals = jax.eval_shape(permissive(self._method.forward), inputs, weights)
        leaves = jax.tree.leaves(residuals)
        if sum(leaf.size * leaf.dtype.itemsize for leaf in leaves) < _PAGES:
            return ()
        return tuple((leaf.shape, leaf.dtype) for leaf in leaves)


class _Functions:
    """A method's functions, jitted in one way.

    Args:
        method: The method.
        jit: The way.
    """

    def __init__(self, method: Differentiation, jit: Callable[..., Any]) -> None:
        def run(inputs: Array, weights: Array) -> Array:
            return method.forward(inputs, weights)[0]

        def forward(inputs: Array, weights: Array, buffers: Any) -> tuple[Array, Residuals]:
            del buffers  # donated: XLA writes the residuals there
            return method.forward(inputs, weights)

        self.run = jit(permissive(run))
        self.forward = jit(permissive(forward), donate_argnums=2, keep_unused=True)
        self._method = method
        self._jit = jit
        self._backward: dict[tuple[bool, bool, bool], Callable[..., Any]] = {}

    def backward(self, needs: tuple[bool, bool], *, in_place: bool = False) -> Callable[..., Any]:
        """What computes the gradients that are needed; XLA drops what is not returned.

        Args:
            needs: Which of both gradients are needed.
            in_place: Whether the residuals are given away, as for `Adjoint.backward_in_place`.
        """
        key = (*needs, in_place)
        if key not in self._backward:
            method: Any = self._method

            def chosen(by_inputs: Array, by_weights: Array) -> tuple[Array | None, Array | None]:
                return by_inputs if needs[0] else None, by_weights if needs[1] else None

            def backward(*given: Any) -> Any:
                if not in_place:
                    return chosen(*method.backward(*given))
                gradients, residuals = method.backward_in_place(*given)
                return chosen(*gradients), residuals

            self._backward[key] = self._jit(permissive(backward), **{"donate_argnums": 0} if in_place else {})
        return self._backward[key]


@cached_by_circuit
def program(circuit: Circuit, strategy: str, diff_method: str, *, one_kernel: bool = False) -> Program:
    """Return the compiled functions of a circuit, the same ones for equal circuits.

    Args:
        circuit: The circuit.
        strategy: As for `build`.
        diff_method: As for `build`.
        one_kernel: As for `Program`.

    Returns:
        Functions that compile on their first call with a new dtype or batch size.
    """
    return Program(build(circuit, strategy, diff_method), one_kernel=one_kernel)


def permissive(function: Callable[P, T]) -> Callable[P, T]:
    """Trace a function under JAX's default rules of promotion.

    An application may be strict about promotion in its own JAX code; this code keeps to the dtypes it is
    given without that. The settings count while a function is traced, not when it runs.
    """

    @functools.wraps(function)
    def traced(*args: P.args, **kwargs: P.kwargs) -> T:
        with jax.numpy_dtype_promotion("standard"), jax.numpy_rank_promotion("allow"):
            return function(*args, **kwargs)

    return traced


def expectation(circuit: Circuit, inputs: Array, weights: Array, strategy: str, diff_method: str) -> Array:
    """A circuit as a pure function of arrays, with the engine's own gradients by `jax.custom_vjp`.

    Args:
        circuit: The circuit.
        inputs: `(batch, n_features)`, batch at least 1.
        weights: `circuit.weight_shape`, same dtype.
        strategy: As for `qproj.QuantumLayer`.
        diff_method: As for `qproj.QuantumLayer`.

    Returns:
        Expectation values `(batch, n_outputs)`.
    """
    names = choose(circuit, len(inputs), inputs.dtype.itemsize, strategy, diff_method, two_calls=False)
    return _differentiable(circuit, *names)(inputs, weights)


def plain_expectation(
    circuit: Circuit, inputs: Array, weights: Array, strategy: str, diff_method: str
) -> Array:
    """`expectation` with JAX's gradients, which exist in forward mode too, and keep every state."""
    names = choose(circuit, len(inputs), inputs.dtype.itemsize, strategy, diff_method, two_calls=False)
    return build(circuit, *names).forward(inputs, weights)[0]


@cached_by_circuit
def _differentiable(circuit: Circuit, strategy: str, diff_method: str) -> jax.custom_vjp[Array]:
    return differentiable(build(circuit, strategy, diff_method))


def differentiable(method: Differentiation) -> jax.custom_vjp[Array]:
    """A method's `forward` as a function of JAX, whose gradients are the method's own."""
    # Where nobody compiles what calls them, each is one program; within a program they leave no trace.
    inlined = functools.partial(jax.jit, inline=True)

    @jax.custom_vjp
    @inlined
    def run(inputs: Array, weights: Array) -> Array:
        return method.forward(inputs, weights)[0]

    @inlined
    def forward(inputs: Array, weights: Array) -> tuple[Array, tuple[object, Array, Array]]:
        values, residuals = method.forward(inputs, weights)
        return values, (residuals, inputs, weights)

    @inlined
    def backward(kept: tuple[Residuals, Array, Array], cotangents: Array) -> tuple[Array, Array]:
        return method.backward(*kept, cotangents)

    run.defvjp(forward, backward)
    return run
