"""The fidelity kernel: overlaps of states."""

from __future__ import annotations

import functools
import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import pad

from qproj.circuits.circuit import Circuit
from qproj.circuits.gates import Gate, InputSlot
from qproj.circuits.inverses import inverse
from qproj.circuits.measurements import Projector
from qproj.inputs import check_input
from qproj.kernels.base import Kernel
from qproj.layers import QuantumLayer
from qproj.memory import memory_budget

_ROWS = 64  # of a block of overlaps at least; fewer take a product as long


class FidelityKernel(Kernel):
    """`K(x, y) = |<psi(x)|psi(y)>|**2` (Havlicek et al., 2019, arXiv:1804.11326).

    All states are computed in one batch, and the kernel is one matrix product of them, in blocks where they
    do not fit into memory. With shots or noise each entry is a circuit of its own, all of them in one batch.
    Gates that follow the last input cancel, so exact kernels leave them out: weights count where inputs enter
    after them, as with `reupload=True`.

    Args:
        circuit: The circuit that makes states of samples; what it measures does not matter.
        weights: Of the circuit, an array or a tensor; zeros if `None`.
        shots: Measurements of each entry: of how often the circuit of `y`, undone by that of `x`, ends where
            it began; `None` for exact values. Gradients are by the parameter-shift rule.
        seed: Of the measurements' and the noise's randomness; equal calls of equal seed give equal values.
            `None` for fresh randomness.
        noise: A `qproj.noise.NoiseModel`, of both circuits one after the other; `None` for none.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Any = None,
        shots: int | None = None,
        seed: int | None = None,
        noise: Any = None,
    ) -> None:
        self.circuit, self.weights, self.shots, self.seed, self.noise = circuit, weights, shots, seed, noise

    def matrix(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """See `Kernel`.

        Raises:
            ValueError: If `shots` is below 1; with shots or noise also where inputs are amplitudes, whose
                preparation is no gate that can be undone, or the circuit has channels of its own.
        """
        if self.shots is not None or self.noise is not None:
            return self._by_pairs(x, y, weights)
        check_input(x, self.circuit, weights)
        same, layer = x is y, _layer(_without_tail(self.circuit))
        weights = weights.reshape(-1)[: layer.weights.numel()].reshape(layer.weights.shape)
        # Rows whose states fit beside those of the other samples.
        most = max(1, memory_budget() // (2 * 16 * 2**self.circuit.n_qubits))
        # States of no more than a block are computed once, those of more again for each block of the others.
        held = list(_states(layer, y, weights, most)) if len(y) <= most else None
        if same and held:
            return _square(held[0])
        rows = []
        for first in _states(layer, x, weights, most):
            others = held or _states(layer, y, weights, most)
            rows.append(torch.cat([_overlaps(first, second) for second in others], dim=1))
        values = torch.cat(rows)
        return (values + values.T) / 2 if same else values  # rounding may differ in both halves

    def _by_pairs(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """Each entry as the probability that all qubits of a circuit of its own end in 0."""
        layer, same = _undone(self.circuit, self.shots, self.seed, self.noise), x is y
        n, m = len(x), len(y)
        first, second = torch.triu_indices(n, n) if same else torch.ones(n, m).nonzero().T
        given = {"weights": weights.reshape(-1)}
        pairs = torch.cat([y[second], x[first]], dim=1)
        values = torch.func.functional_call(layer, given, (pairs,))[:, 0]
        found: Tensor = values.new_zeros(n, m).index_put((first, second), values)
        return found + found.triu(1).T if same else found


def _states(layer: QuantumLayer, x: Tensor, weights: Tensor, most: int) -> Iterator[Tensor]:
    """The states of samples, so many at a time."""
    for start in range(0, max(1, len(x)), most):
        yield torch.func.functional_call(layer, {"weights": weights}, (x[start : start + most],))


def _overlaps(first: Tensor, second: Tensor) -> Tensor:
    product = first @ second.mH
    return product.real.square() + product.imag.square()


def _square(states: Tensor) -> Tensor:
    """Overlaps of states with each other, those of most pairs once: the blocks on and above the diagonal."""
    size = max(_ROWS, math.ceil(len(states) / 4))
    starts = range(0, max(1, len(states)), size)
    rows = [pad(_overlaps(states[k : k + size], states[k:]), (k, 0)) for k in starts]
    upper = torch.cat(rows)
    return upper.triu() + upper.triu(1).T


@functools.lru_cache(maxsize=64)
def _without_tail(circuit: Circuit) -> Circuit:
    """The circuit without gates that no input follows: one unitary for all samples, which overlaps cancel."""
    kept: list[Gate] = []
    before: set[int] = set()  # wires of what is kept, from the end of the circuit to here
    for gate in reversed(circuit.gates):
        if before & {*gate.wires} or any(isinstance(slot, InputSlot) for slot in gate.parameters):
            before |= {*gate.wires}
            kept.append(gate)
    # A state that is mixed is for the layer to refuse.
    if circuit.channels or not kept:
        return circuit
    return circuit.with_gates(reversed(kept))


@functools.lru_cache(maxsize=64)
def _layer(circuit: Circuit) -> QuantumLayer:
    return QuantumLayer(circuit=circuit.measuring("state"), generator=torch.Generator().manual_seed(0))


@functools.lru_cache(maxsize=64)
def _undone(circuit: Circuit, shots: int | None, seed: int | None, noise: Any) -> QuantumLayer:
    """The circuit with its inputs, undone with as many others: how often it ends where it began."""
    for wrong, what in (
        (circuit.amplitudes, "enter its inputs by gates, which can be undone, and not as amplitudes"),
        (circuit.channels, "be free of noise, which has no inverse (give noise=... instead)"),
    ):
        if wrong:
            raise ValueError(f"circuit must {what} where a kernel is measured or noisy, but did not.")
    gates = (*circuit.gates, *(_later(gate, circuit.n_inputs) for gate in inverse(circuit.gates)))
    both = circuit.with_gates(gates, [Projector("0" * circuit.n_qubits)])
    generator = torch.Generator().manual_seed(0)
    return QuantumLayer(circuit=both, shots=shots, seed=seed, noise=noise, generator=generator)


def _later(gate: Gate, n: int) -> Gate:
    """A gate of inputs that come `n` places later."""

    def later(slot: Any) -> Any:
        if not isinstance(slot, InputSlot):
            return slot
        return replace(slot, index=slot.index + n, times=None if slot.times is None else slot.times + n)

    if isinstance(gate.parameter, tuple):
        return replace(gate, parameter=tuple(map(later, gate.parameter)))
    return replace(gate, parameter=later(gate.parameter))
