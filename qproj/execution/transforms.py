"""Derivatives and batches of a circuit's function, of any order, each compiled once.

A training step uses the engine's own forward and backward. Anything else, such as a second derivative or a
batch of weights, is JAX's transformation of the same function. Transformations are frozen data, so equal ones
share a compiled program.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Protocol

import jax
import jax.numpy as jnp
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.execution import programs
from qproj.execution.cache import cached_by_circuit

Arrays = tuple[Array, ...]


class Function(Protocol):
    """Takes arrays and gives a tuple of arrays."""

    @property
    def circuit(self) -> Circuit:
        """The circuit that is run."""

    def __hash__(self) -> int:
        """Equal functions are compiled once."""

    def __call__(self, *arrays: Array) -> Arrays:
        """Run it, within a trace."""

    def plain(self) -> Function:
        """The same, differentiable in forward mode too."""


@dataclass(frozen=True)
class Expectation:
    """`(inputs, weights) -> (values,)`, with the engine's gradients in reverse mode.

    Attributes:
        circuit: The circuit.
        strategy: As for `qproj.QuantumLayer`.
        diff_method: As for `qproj.QuantumLayer`.
        own_gradients: Whether derivatives are the engine's or JAX's.
    """

    circuit: Circuit
    strategy: str
    diff_method: str
    own_gradients: bool = True

    def __call__(self, *arrays: Array) -> Arrays:
        """See `Function`."""
        inputs, weights = arrays
        run = programs.expectation if self.own_gradients else programs.plain_expectation
        return (run(self.circuit, inputs, weights, self.strategy, self.diff_method),)

    def plain(self) -> Function:
        """See `Function`: JAX has no forward mode through a gradient of one's own."""
        return replace(self, own_gradients=False)


@dataclass(frozen=True)
class Vjp:
    """`(*arguments, *cotangents) -> gradients` for the arguments asked for.

    Attributes:
        of: What is differentiated.
        n_arguments: How many arguments it has.
        wanted: Indices of the arguments to differentiate.
    """

    of: Function
    n_arguments: int
    wanted: tuple[int, ...]

    @property
    def circuit(self) -> Circuit:
        """See `Function`."""
        return self.of.circuit

    def __call__(self, *arrays: Array) -> Arrays:
        """See `Function`."""
        arguments, cotangents = list(arrays[: self.n_arguments]), arrays[self.n_arguments :]

        def of_the_wanted(*given: Array) -> Arrays:
            for place, array in zip(self.wanted, given, strict=True):
                arguments[place] = array
            return self.of(*arguments)

        _, pull_back = jax.vjp(of_the_wanted, *(arguments[place] for place in self.wanted))
        gradients: Arrays = pull_back(cotangents)
        return gradients

    def plain(self) -> Function:
        """See `Function`."""
        return self


@dataclass(frozen=True)
class Jvp:
    """`(*arguments, *tangents) -> tangents` of the results.

    Attributes:
        of: What is differentiated.
    """

    of: Function

    @property
    def circuit(self) -> Circuit:
        """See `Function`."""
        return self.of.circuit

    def __call__(self, *arrays: Array) -> Arrays:
        """See `Function`."""
        half = len(arrays) // 2
        tangents: Arrays = jax.jvp(self.of.plain(), arrays[:half], arrays[half:])[1]
        return tangents

    def plain(self) -> Function:
        """See `Function`."""
        return self


@dataclass(frozen=True)
class Vmap:
    """The function over one more axis; results have it in front.

    Attributes:
        of: What is repeated.
        axes: The axis of each argument, or `None`.
    """

    of: Function
    axes: tuple[int | None, ...]

    @property
    def circuit(self) -> Circuit:
        """See `Function`."""
        return self.of.circuit

    def __call__(self, *arrays: Array) -> Arrays:
        """See `Function`."""
        if isinstance(self.of, Expectation) and self.axes[0] is not None and self.axes[1] is None:
            # A batch of batches with one set of weights is a longer batch.
            inputs = jnp.moveaxis(arrays[0], self.axes[0], 0)
            (values,) = self.of(inputs.reshape(-1, inputs.shape[-1]), arrays[1])
            return (values.reshape(*inputs.shape[:2], -1),)
        results: Arrays = jax.vmap(self.of, self.axes)(*arrays)
        return results

    def plain(self) -> Function:
        """See `Function`."""
        return replace(self, of=self.of.plain())


def compiled(function: Function) -> Callable[..., Arrays]:
    """Compile a function; equal ones are compiled once for each dtype and shape.

    Args:
        function: Such as `Vjp(Expectation(circuit, "auto", "best"), 2, (0, 1))`.

    Returns:
        The jitted function.
    """
    return _compiled(function.circuit, function)


@cached_by_circuit
def _compiled(circuit: Circuit, function: Function) -> Callable[..., Arrays]:  # noqa: ARG001 (the key)
    return jax.jit(programs.permissive(function))
