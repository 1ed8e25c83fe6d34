"""The projected kernel: Gaussian similarity of what single qubits show."""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import real
from qproj.kernels.base import Kernel
from qproj.layers import QuantumLayer


class ProjectedKernel(Kernel):
    """`K(x, y) = exp(-gamma * sum_q |rho_q(x) - rho_q(y)|**2)` (Huang et al., 2021, arXiv:2011.01938).

    `rho_q` is the density matrix of qubit `q`, and the norm is Frobenius'. So what stands in the exponent is
    half the squared distance of the expectation values of X, Y and Z on each qubit.

    Args:
        circuit: The circuit that makes states of samples; what it measures does not matter.
        weights: Of the circuit, an array or a tensor; zeros if `None`.
        gamma: How fast similarity falls with distance; above 0.
        shots: Measurements of each basis, for each sample; `None` for exact values.
        seed: Of the measurements' and the noise's randomness; equal calls of equal seed give equal values.
            `None` for fresh randomness.
        noise: A `qproj.noise.NoiseModel`; `None` for none.
    """

    def __init__(
        self,
        circuit: Circuit,
        weights: Any = None,
        gamma: float = 1.0,
        shots: int | None = None,
        seed: int | None = None,
        noise: Any = None,
    ) -> None:
        self.circuit, self.weights, self.gamma = circuit, weights, gamma
        self.shots, self.seed, self.noise = shots, seed, noise

    def matrix(self, x: Tensor, y: Tensor, weights: Tensor) -> Tensor:
        """See `Kernel`.

        Raises:
            ValueError: If `gamma` is not above 0, or `shots` is below 1.
        """
        gamma = real("gamma", self.gamma)
        if gamma <= 0:
            raise ValueError(f"gamma must be above 0, but was {gamma}.")
        # All samples in one batch, so that those of x and of y are measured by different generators.
        both = x if x is y else torch.cat([x, y])
        layer = _layer(self.circuit, self.shots, self.seed, self.noise)
        values = torch.func.functional_call(layer, {"weights": weights}, (both,))
        first, second = values[: len(x)], values if x is y else values[len(x) :]
        squares = first.square().sum(1)[:, None] + second.square().sum(1) - 2 * first @ second.T
        if x is y:
            squares = (squares + squares.T) / 2 * (1 - torch.eye(len(x)).to(values))
        similar: Tensor = torch.exp(-gamma / 2 * squares.clamp(min=0))
        return similar


@functools.lru_cache(maxsize=64)
def _layer(circuit: Circuit, shots: int | None, seed: int | None, noise: Any) -> QuantumLayer:
    generator, measured = torch.Generator().manual_seed(0), circuit.measuring("xyz")
    return QuantumLayer(circuit=measured, shots=shots, seed=seed, noise=noise, generator=generator)
