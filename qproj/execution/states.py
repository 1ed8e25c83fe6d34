"""Final states of circuits, as complex amplitudes, and circuits that start in given states. JAX only."""

from __future__ import annotations

from dataclasses import dataclass, replace

import jax.numpy as jnp
from jax import Array, lax
from jax.typing import ArrayLike

from qproj.circuits.circuit import Circuit
from qproj.circuits.features import amplitudes
from qproj.differentiation.adjoint import Adjoint
from qproj.differentiation.chain import Gradients
from qproj.execution.cache import cached_by_circuit
from qproj.execution.programs import differentiable
from qproj.execution.transforms import compiled
from qproj.planning.cost import choose
from qproj.planning.strategies import Fused, parse
from qproj.simulation.angles import multiples
from qproj.simulation.given import Given


class FromStates(Adjoint):
    """Forward and backward of a circuit that may start in any states; see `Adjoint`.

    With encoding `"amplitude"` inputs are `(batch, 2 * 2**n_qubits)`: all real parts of the amplitudes, then
    all imaginary ones. They are used as they are, not normalised.

    Args:
        circuit: The circuit.
        block: Largest number of wires in a block.
    """

    def _prepare(self, given: Given) -> Array:
        if self._start is not None:
            return super()._prepare(given)
        return given.inputs.reshape(2, self._n_states, -1)

    def _finish(self, gradients: Gradients, bra: Array, given: Given) -> Gradients:
        if self._start is not None:
            return super()._finish(gradients, bra, given)
        return gradients[0] + 2 * bra.reshape(gradients[0].shape), gradients[1]


class FinalStates(FromStates):
    """Forward and backward of a circuit that is not measured, but returns its states, up to a global phase.

    Args:
        circuit: The circuit; what it measures does not matter.
        block: Largest number of wires in a block.
    """

    def __init__(self, circuit: Circuit, block: int) -> None:
        super().__init__(circuit.measuring("state"), block)


@dataclass(frozen=True)
class Evolution:
    """`(inputs, weights) -> (values,)`, or the final states, with the engine's gradients in reverse mode.

    A function of arrays, as `qproj.execution.transforms.Function` describes it. Inputs may be states to start
    from, as for `FromStates`; final states are `(batch, 2 * 2**n_qubits)` likewise, with their global phases.

    Attributes:
        circuit: The circuit.
        measures: Whether the expectation values are wanted, and not the states.
        own_gradients: Whether derivatives are the engine's or JAX's.
    """

    circuit: Circuit
    measures: bool = False
    own_gradients: bool = True

    def __call__(self, *arrays: Array) -> tuple[Array, ...]:
        """See `qproj.execution.transforms.Function`."""
        inputs, weights = arrays
        strategy, _ = choose(self.circuit, len(inputs), inputs.dtype.itemsize, "auto", "adjoint")
        method = _method(self.circuit, block_of(strategy), self.measures)
        run = differentiable(method) if self.own_gradients else lambda *given: method.forward(*given)[0]
        values = run(inputs, weights)  # type: ignore[no-untyped-call]
        return (values if self.measures else self._turned(values, inputs, weights),)

    def plain(self) -> Evolution:
        """See `qproj.execution.transforms.Function`."""
        return replace(self, own_gradients=False)

    def _turned(self, states: Array, inputs: Array, weights: Array) -> Array:
        """States with the global phase that the circuit's decompositions leave out."""
        turned = amplitudes(self.circuit, states, inputs, weights, jnp, multiples=multiples)
        return jnp.concatenate([turned.real, turned.imag], axis=1)


@cached_by_circuit
def _method(circuit: Circuit, block: int, measures: bool) -> Adjoint:
    return (FromStates if measures else FinalStates)(circuit, block)


def final_states(circuit: Circuit, inputs: ArrayLike, weights: ArrayLike) -> Array:
    """Run a circuit and return the states it ends in, with their global phases.

    Compiled on the first call with a new circuit, dtype or size of batch.

    Args:
        circuit: The circuit; what it measures does not matter.
        inputs: `(batch, circuit.n_features)`, radians, products in their own columns as
            `circuit.plain_gates` has them; with encoding `"amplitude"` the states to start from, as
            `FromStates` has them. float32, or float64 where JAX has it switched on.
        weights: `circuit.weight_shape`, radians, same dtype.

    Returns:
        Amplitudes `(batch, 2**n_qubits)`, complex64 or complex128; wire 0 is the most significant bit.
    """
    (pair,) = compiled(Evolution(circuit))(jnp.asarray(inputs), jnp.asarray(weights))
    real, imag = jnp.split(pair, 2, axis=1)
    return lax.complex(real, imag)


def block_of(strategy: str) -> int:
    """Wires in a block where states are computed; a dense matrix is for expectation values only."""
    fusion = parse(strategy)
    return fusion.block if isinstance(fusion, Fused) else 4
