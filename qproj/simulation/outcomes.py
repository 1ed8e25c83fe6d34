"""What is measured beside Pauli words, with the interface of `Measurement`. JAX only.

Probabilities, projectors and overlaps are expectation values of Hermitian operators as well. So each has the
same two functions: values of a state, and what the operators, weighted by cotangents, make of it.
"""

from __future__ import annotations

import itertools
from typing import Any, Protocol

import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.circuits.measurements import Fidelity, Outcomes, Probs, Projector, State, confusion
from qproj.planning.permutations import Permutation
from qproj.simulation.bases import in_basis
from qproj.simulation.measurement import Measurement
from qproj.simulation.statevector import by_digit, matmul


class Readout(Protocol):
    """Values of states, and their derivatives; `Measurement` is one for Pauli words."""

    def expectations(self, state: Array) -> Array:
        """`(2, 2**n_qubits, batch)` to `(n_values, batch)`."""

    def bra(self, state: Array, cotangents: Array) -> Array:
        """Half the gradient of `(expectations(state) * cotangents).sum()`, shaped like the state."""


def readout(circuit: Circuit, absorbed: Permutation | None = None) -> Readout:
    """What measures a circuit's observables; arguments as for `Measurement`."""
    if len(circuit.words) == len(circuit.terms):
        return Measurement(circuit, absorbed)
    parts: list[tuple[int, Readout]] = []
    # Pauli words that follow each other share their passes over the state.
    runs = itertools.groupby(enumerate(circuit.observables), lambda pair: type(pair[1]) in _PARTS and pair)
    for alone, pairs in runs:
        measured = circuit.measuring(observable for _, observable in pairs)
        one, *_ = measured.observables
        part = _PARTS[type(one)](one, circuit.n_qubits) if alone else Measurement(measured)
        parts.append((measured.n_values, part))
    return parts[0][1] if len(parts) == 1 else Several(parts)


class Several:
    """Several readouts, whose values come one after the other.

    Args:
        parts: For each how many values it has, and itself.
    """

    def __init__(self, parts: list[tuple[int, Readout]]) -> None:
        self._parts = parts

    def expectations(self, state: Array) -> Array:
        """See `Readout`."""
        return jnp.concatenate([part.expectations(state) for _, part in self._parts])

    def bra(self, state: Array, cotangents: Array) -> Array:
        """See `Readout`."""
        ends = np.cumsum([width for width, _ in self._parts])
        shares = jnp.split(cotangents, ends[:-1])
        pairs = zip(self._parts, shares, strict=True)
        return sum((part.bra(state, share) for (_, part), share in pairs), jnp.zeros_like(state))


class Probabilities:
    """Probabilities of outcomes of some wires: of all of them, or of one.

    Args:
        observable: Which.
        n_qubits: Of the state.
    """

    def __init__(self, observable: Outcomes, n_qubits: int) -> None:
        wires = observable.wires
        letters = dict(zip(wires, observable.basis, strict=True))
        self._outcome = None if isinstance(observable, Probs) else observable.outcome
        self._basis = "".join(letters.get(wire, "Z") for wire in range(n_qubits))
        self._shape = (2,) * n_qubits
        self._order = (*wires, *(wire for wire in range(n_qubits) if wire not in wires))
        self._n_outcomes = 2 ** len(wires)
        # In row `j` the probabilities of reading `j` where the bit is 0 and 1.
        self._reading = [confusion(*error).T for error in observable.errors]

    def expectations(self, state: Array) -> Array:
        """See `Readout`."""
        re, im = in_basis(state, self._basis)
        batch = state.shape[-1]
        split = (re**2 + im**2).reshape(*self._shape, batch).transpose(*self._order, len(self._shape))
        summed = by_digit(split.reshape(self._n_outcomes, -1, batch).sum(axis=1), self._reading)
        return summed if self._outcome is None else summed[self._outcome, None]

    def bra(self, state: Array, cotangents: Array) -> Array:
        """See `Readout`."""
        batch = state.shape[-1]
        if self._outcome is not None:
            nothing = jnp.zeros((self._n_outcomes, batch), state.dtype)
            cotangents = nothing.at[self._outcome].set(cotangents[0])
        cotangents = by_digit(cotangents, [matrix.T for matrix in self._reading])
        others = state.shape[1] // self._n_outcomes
        spread = jnp.broadcast_to(cotangents[:, None], (self._n_outcomes, others, batch))
        back = np.argsort(self._order)
        weights = spread.reshape(*self._shape, batch).transpose(*back, len(self._shape)).reshape(-1, batch)
        return in_basis(weights * in_basis(state, self._basis), self._basis, back=True)


class Overlap:
    """The fidelity with a given state.

    Args:
        observable: Holds the state.
        n_qubits: Of both states.
    """

    def __init__(self, observable: Fidelity, n_qubits: int) -> None:  # noqa: ARG002 (as the others have it)
        self._target = np.array(observable.state)

    def expectations(self, state: Array) -> Array:
        """See `Readout`."""
        real, imag = self._amplitude(state)
        return (real**2 + imag**2)[None]

    def bra(self, state: Array, cotangents: Array) -> Array:
        """See `Readout`."""
        real, imag = self._amplitude(state)
        re, im = (part[:, None] for part in self._pair(state))
        return cotangents[0] * jnp.stack([real * re - imag * im, imag * re + real * im])

    def _amplitude(self, state: Array) -> tuple[Array, Array]:
        """`<target|psi>` of each sample, its real and imaginary part."""
        re, im = (part[None] for part in self._pair(state))
        real = matmul(re, state[0]) + matmul(im, state[1])
        return real[0], (matmul(re, state[1]) - matmul(im, state[0]))[0]

    def _pair(self, like: Array) -> tuple[Array, Array]:
        return jnp.asarray(self._target.real, like.dtype), jnp.asarray(self._target.imag, like.dtype)


class Amplitudes:
    """The state itself: all real parts, then all imaginary ones."""

    def __init__(self, *_: Any) -> None:
        pass

    def expectations(self, state: Array) -> Array:
        """See `Readout`."""
        return state.reshape(-1, state.shape[-1])

    def bra(self, state: Array, cotangents: Array) -> Array:
        """See `Readout`: half, since the other readouts are quadratic in the state."""
        return cotangents.reshape(state.shape) / 2


_PARTS: dict[type, Any] = {
    Probs: Probabilities, Projector: Probabilities, Fidelity: Overlap, State: Amplitudes,
}  # fmt: skip
