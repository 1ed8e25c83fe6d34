"""Final states of circuits, as complex amplitudes, and circuits that start in given states. JAX only."""

from __future__ import annotations

import functools
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array
from jax.typing import ArrayLike

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Constant, InputSlot, WeightSlot
from qproj.circuits.observables import PauliWord
from qproj.differentiation.adjoint import Adjoint
from qproj.execution.programs import permissive
from qproj.kernels.statevector import as_complex
from qproj.planning.cost import choose


class FromStates(Adjoint):
    """Forward and backward of a circuit that starts in any states; see `Adjoint`.

    Inputs are `(batch, 2 * 2**n_qubits)`: all real parts of the amplitudes, then all imaginary ones. They are
    used as they are, not normalised.

    Args:
        circuit: The circuit, with encoding `"amplitude"`.
        block: Largest number of wires in a block.
    """

    def _prepare(self, x: Array, w: Array) -> Array:  # noqa: ARG002 (the weights do not prepare anything)
        return x.reshape(2, self._n_states, -1)

    def _finish(
        self,
        gradients: tuple[Array, Array],
        bra: Array,
        x: Array,  # noqa: ARG002
        w: Array,  # noqa: ARG002
    ) -> tuple[Array, Array]:
        return gradients[0] + 2 * bra.reshape(gradients[0].shape), gradients[1]


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
    inputs, weights = jnp.asarray(inputs), jnp.asarray(weights)
    strategy, _ = choose(circuit, len(inputs), inputs.dtype.itemsize, "auto", "adjoint")
    return _program(circuit, strategy)(inputs, weights)


@functools.lru_cache(maxsize=128)
def _program(circuit: Circuit, strategy: str) -> Callable[[Array, Array], Array]:
    # A word other than Z, so that no permutation is absorbed by the measurement; XLA drops the rest of it.
    measured = Circuit(
        circuit.n_qubits,
        encoding="amplitude" if circuit.amplitudes else None,
        observables=[PauliWord("X", (0,))],
        gates=circuit.gates,
    )
    method = (FromStates if circuit.amplitudes else Adjoint)(measured, block_of(strategy))
    constant, of_inputs, of_weights = _phases(circuit)

    def run(inputs: Array, weights: Array) -> Array:
        _, (state,) = method.forward(inputs, weights)
        flat, real = weights.reshape(-1), weights.dtype
        phase = constant + (flat * jnp.asarray(of_weights, real)).sum()
        if not circuit.amplitudes:
            phase = phase + (inputs * jnp.asarray(of_inputs, real)).sum(axis=1)
        turned: Array = as_complex(state) * jnp.exp(1j * phase)
        return turned.T

    return jax.jit(permissive(run))


def block_of(strategy: str) -> int:
    """Wires in a block where states are walked through; a dense matrix is used for gradients alone."""
    return 4 if strategy == "dense" else int(strategy.removeprefix("fused-"))


def _phases(circuit: Circuit) -> tuple[float, np.ndarray, np.ndarray]:
    """The global phase that decompositions leave out: a constant, and factors of features and weights."""
    constant = 0.0
    of_inputs, of_weights = np.zeros(circuit.n_features), np.zeros(int(np.prod(circuit.weight_shape)))
    for gate in circuit.plain_gates:
        phase = gate.kind.phase
        match gate.parameter:
            case None:
                constant += phase
            case Constant(value):
                constant += phase * value
            case InputSlot(index, scale):
                of_inputs[index] += phase * scale
            case WeightSlot(index, scale):
                of_weights[index] += phase * scale
    return constant, of_inputs, of_weights
