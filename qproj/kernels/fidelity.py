"""The fidelity kernel: overlaps of states."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import count
from qproj.kernels.base import Kernel
from qproj.layers import QuantumLayer
from qproj.planning.cost import memory_budget


class FidelityKernel(Kernel):
    """`K(x, y) = |<psi(x)|psi(y)>|**2` (Havlicek et al., 2019, arXiv:1804.11326).

    All states are computed in one batch, and the kernel is one matrix product of them, in blocks where they
    do not fit into memory. Gates that follow the last input cancel: weights count where inputs enter after
    them, as with `reupload=True`.

    Args:
        circuit: The circuit that makes states of samples; what it measures does not matter.
        weights: Of the circuit, an array or a tensor; zeros if `None`.
        shots: Measurements of each entry: of how often a circuit of `y` that is undone by that of `x` ends
            where it began; `None` for exact values. An entry on the diagonal is 1.
        seed: Of the measurements' randomness; equal calls of equal seed give equal values. `None` for fresh
            randomness.
    """

    def __init__(
        self, circuit: Circuit, weights: Any = None, shots: int | None = None, seed: int | None = None
    ) -> None:
        self.circuit, self.weights, self.shots, self.seed = circuit, weights, shots, seed

    def matrix(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """See `Kernel`.

        Raises:
            ValueError: If `shots` is below 1, or a gradient is wanted of measured values.
        """
        same, layer = x is y, _layer(self.circuit)
        # Rows whose states fit beside those of the other samples.
        most = max(1, memory_budget() // (2 * 16 * 2**self.circuit.n_qubits))
        # States of no more than a block are computed once, those of more again for each block of the others.
        held = list(_states(layer, y, weights, most)) if len(y) <= most else None
        rows = []
        for first in held if same and held else _states(layer, x, weights, most):
            others = held or _states(layer, y, weights, most)
            rows.append(torch.cat([_overlaps(first, second) for second in others], dim=1))
        values = torch.cat(rows)
        if same:
            values = (values + values.T) / 2  # rounding may differ in both halves
        if self.shots is None:
            return values
        if values.requires_grad:
            raise ValueError(
                "shots must be None where a gradient of the kernel is wanted, but was "
                f"{self.shots!r}. Call it within torch.no_grad(), or train on exact values."
            )
        return self._measured(values, same=same)

    def _measured(self, values: Tensor, *, same: bool) -> Tensor:
        shots = count("shots", self.shots)
        generator = np.random.default_rng(self.seed)
        found = generator.binomial(shots, values.cpu().double().clamp(0, 1).numpy()) / shots
        if same:
            found = np.triu(found, 1) + np.triu(found, 1).T + np.eye(len(found))
        return torch.from_numpy(found).to(values)


def _states(layer: QuantumLayer, x: Tensor, weights: Tensor, most: int) -> Iterator[Tensor]:
    """The states of samples, so many at a time."""
    for start in range(0, max(1, len(x)), most):
        yield torch.func.functional_call(layer, {"weights": weights}, (x[start : start + most],))


def _overlaps(first: Tensor, second: Tensor) -> Tensor:
    product = first @ second.mH
    return product.real.square() + product.imag.square()


@functools.lru_cache(maxsize=64)
def _layer(circuit: Circuit) -> QuantumLayer:
    return QuantumLayer(circuit=circuit.measuring("state"), generator=torch.Generator().manual_seed(0))
