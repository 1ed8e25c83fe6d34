"""Parameter-shift differentiation: gradients from expectation values alone, as hardware must.

Every occurrence of an angle is shifted by itself, by the rule of its own gate (see `shift_rules`), and all
shifts of the whole batch run in one compiled program. The other methods are far faster on a simulated
state vector; this one checks them, and is what works on devices and with shots.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate, InputSlot, WeightSlot
from qproj.differentiation.adjoint import Residuals
from qproj.differentiation.shift_rules import shift_rule
from qproj.planning.fusion import rest_of
from qproj.simulation.angles import multiple, reduced

# Amplitudes of all shifted states that are in memory at a time.
_CHUNK = 1 << 22


@dataclass(frozen=True)
class _Occurrences:
    """Where inputs, or weights, occur as angles: `index` and `scale` of each, and the shifts it needs.

    Attributes:
        index: Int `(n_angles,)`, into the features or the flattened weights.
        scale: Float `(n_angles,)`.
        angle: Int `(n_shifts,)`: which angle is shifted.
        shift: Float `(n_shifts,)`, radians.
        coefficient: Float `(n_shifts,)`, of the shifted value in the derivative.
    """

    index: np.ndarray
    scale: np.ndarray
    angle: np.ndarray
    shift: np.ndarray
    coefficient: np.ndarray

    def angles(self, values: Array) -> Array:
        """The angles `(..., n_angles)`, from features or weights `(..., n_values)`."""
        scale, rest = (jnp.asarray(part, values.dtype) for part in (self.scale, rest_of(self.scale)))
        return multiple(values[..., self.index], scale, rest)

    @classmethod
    def of(cls, gates: list[Gate]) -> _Occurrences:
        slots = [gate.angle for gate in gates]
        rows = [
            (angle, shift, coefficient)
            for angle, gate in enumerate(gates)
            for coefficient, shift in zip(*shift_rule(gate.kind.frequencies), strict=True)
        ]
        columns = np.array(rows, float).reshape(-1, 3).T
        return cls(
            np.array([slot.index for slot in slots], np.int32),  # type: ignore[union-attr]
            np.array([slot.scale for slot in slots], float),  # type: ignore[union-attr]
            columns[0].astype(np.int32),
            columns[1],
            columns[2],
        )


class ParameterShift:
    """Forward and backward of a circuit; see `Adjoint` for shapes.

    Args:
        circuit: The circuit.
        build: Makes what runs a circuit: an object with the `forward` of `Adjoint`.
    """

    def __init__(self, circuit: Circuit, build: Callable[[Circuit], Any]) -> None:
        self._circuit = circuit
        # The same gates, each angle in a slot of its own.
        gates: list[Gate] = []
        entered: list[Gate] = []
        trained: list[Gate] = []
        for gate in circuit.plain_gates:
            if isinstance(gate.angle, InputSlot):
                gates.append(replace(gate, parameter=InputSlot(len(entered))))
                entered.append(gate)
            elif isinstance(gate.angle, WeightSlot):
                gates.append(replace(gate, parameter=WeightSlot(len(trained))))
                trained.append(gate)
            else:
                gates.append(gate)
        self._entered, self._trained = _Occurrences.of(entered), _Occurrences.of(trained)
        self._whole = build(circuit)
        self._apart = build(circuit.with_gates(gates))

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """See `Adjoint.forward`; nothing is kept."""
        return self._whole.forward(inputs, weights)[0], ()

    def backward(
        self, residuals: Residuals, inputs: Array, weights: Array, cotangents: Array
    ) -> tuple[Array, Array]:
        """See `Adjoint.backward`."""
        del residuals
        flat = weights.reshape(-1)
        # Reduced, so that a shift is not lost in a large angle.
        angles_w = reduced(self._trained.angles(flat))
        if self._circuit.amplitudes:
            angles_x = inputs
            grad_x = self._by_amplitudes(inputs, angles_w, cotangents)
        else:
            angles_x = reduced(self._entered.angles(inputs))
            grad_x = self._by_inputs(inputs, angles_x, angles_w, cotangents)
        grad_w = self._by_weights(flat, angles_x, angles_w, cotangents)
        return grad_x, grad_w.reshape(weights.shape)

    def _by_weights(self, weights: Array, angles_x: Array, angles_w: Array, cotangents: Array) -> Array:
        at, real = self._trained, weights.dtype
        if not len(at.shift):
            return jnp.zeros_like(weights)

        def product(shift: tuple[Array, Array]) -> Array:
            angle, by = shift
            return (self._run(angles_x, angles_w.at[angle].add(by)) * cotangents).sum()

        products = self._map(product, (at.angle, jnp.asarray(at.shift, real)), len(angles_x))
        slopes = jnp.asarray(at.coefficient, real) * products * jnp.asarray(at.scale[at.angle], real)
        return jnp.zeros_like(weights).at[at.index[at.angle]].add(slopes)

    def _by_inputs(self, inputs: Array, angles_x: Array, angles_w: Array, cotangents: Array) -> Array:
        at, real = self._entered, inputs.dtype
        if not len(at.shift):
            return jnp.zeros_like(inputs)

        def product(shift: tuple[Array, Array]) -> Array:
            angle, by = shift
            return (self._run(angles_x.at[:, angle].add(by), angles_w) * cotangents).sum(axis=1)

        products = self._map(product, (at.angle, jnp.asarray(at.shift, real)), len(inputs))
        factor = jnp.asarray(at.coefficient * at.scale[at.angle], real)[:, None]
        return jnp.zeros_like(inputs).at[:, at.index[at.angle]].add((factor * products).T)

    def _by_amplitudes(self, inputs: Array, angles_w: Array, cotangents: Array) -> Array:
        """An expectation value is a quadratic form of the amplitudes: its central differences are exact."""

        def product(place: Array) -> Array:
            up, down = (self._run(inputs.at[:, place].add(step), angles_w) for step in (1, -1))
            return ((up - down) / 2 * cotangents).sum(axis=1)

        return self._map(product, jnp.arange(inputs.shape[1]), 2 * len(inputs)).T

    def _run(self, angles_x: Array, angles_w: Array) -> Array:
        values: Array = self._apart.forward(angles_x, angles_w)[0]
        return values

    def _map(self, function: Callable[[Any], Array], shifts: Any, batch: int) -> Array:
        """All shifts, so many at once as fit; at least one."""
        at_once = max(1, _CHUNK // (2**self._circuit.n_qubits * batch))
        mapped: Array = jax.lax.map(function, shifts, batch_size=at_once)
        return mapped
