"""What can be read of a layer's final states beside its outputs: bits, amplitudes, density matrices."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

import torch
from torch import Tensor, nn

from qproj.backends import get_backend
from qproj.circuits.circuit import Circuit
from qproj.circuits.parameters import count
from qproj.circuits.reduction import density_matrices, entropies, some_wires
from qproj.planning.execution import Execution


class Readout(nn.Module):
    """Methods of `qproj.QuantumLayer`. The circuit's observables do not matter to them."""

    weights: nn.Parameter
    execution: Execution
    backend: object

    @property
    def circuit(self) -> Circuit:
        """The circuit as data."""
        raise NotImplementedError

    def _evaluate(
        self, x: Tensor, weights: Tensor, circuit: Circuit | None = None, execution: Execution | None = None
    ) -> Tensor:
        raise NotImplementedError

    def state(self, x: Tensor) -> Tensor:
        """The final states, exact whatever the layer's `shots`.

        Args:
            x: As for `forward`.

        Returns:
            Amplitudes `(..., 2**n_qubits)`, complex64, or complex128 for float64; wire 0 is the most
            significant bit. Differentiable, with torch's gradients of complex numbers.

        Raises:
            ValueError: If the backend has no states; or as `forward`.
        """
        circuit = self.circuit.measuring("state")
        execution = replace(self.execution, shots=None, seed=None, diff_method="best")
        get_backend(self.backend).check(circuit, execution)
        return self._evaluate(x, self.weights, circuit, execution)

    def density_matrix(self, x: Tensor, wires: Iterable[int] | int) -> Tensor:
        """Density matrices of some wires, the others traced out.

        Args:
            x: As for `forward`.
            wires: The wires, the first of them the most significant bit of a row's index.

        Returns:
            `(..., 2**k, 2**k)` for `k` wires, complex, differentiable.

        Raises:
            ValueError: If a wire does not exist; or as `state`.
        """
        return density_matrices(self.state(x), some_wires(self.circuit.n_qubits, wires), torch)  # type: ignore[no-any-return]

    def entropy(self, x: Tensor, wires: Iterable[int] | int) -> Tensor:
        """Von Neumann entropies of some wires, `-tr(rho log rho)`, in nats: divide by `log(2)` for bits.

        Args:
            x: As for `forward`.
            wires: The wires.

        Returns:
            `(...)`, real, differentiable. Where eigenvalues of `rho` vanish, the gradient through them is
            zero, the limit for smooth changes of the angles.

        Raises:
            ValueError: As `density_matrix`.
        """
        return entropies(self.state(x), some_wires(self.circuit.n_qubits, wires), torch)  # type: ignore[no-any-return]

    def sample(self, x: Tensor, shots: int | None = None, seed: int | None = None) -> Tensor:
        """Measure every wire in the computational basis, again and again.

        Args:
            x: As for `forward`.
            shots: Measurements of each sample; the layer's own if `None`.
            seed: Equal calls of equal seed give equal bits; the layer's own if `None`, and fresh randomness
                if it has none. Samples of a batch have generators of their own, numbered by their place.

        Returns:
            Bits, uint8 `(..., shots, n_qubits)`, as `qml.sample` orders them. They have no gradient.

        Raises:
            ValueError: If `shots` is below 1, `x` is not finite, or the backend has no samples.
            TypeError: If `shots` is not an int.
        """
        shots = self.execution.shots if shots is None else shots
        if shots is None:
            raise ValueError("shots must be a number where the layer itself has none, but was None.")
        shots = count("shots", shots)
        seed = self.execution.seed if seed is None else seed
        execution = replace(self.execution, shots=shots, seed=seed, diff_method="best")
        circuit = self.circuit.measuring("z")
        backend, inputs = get_backend(self.backend), self._inputs(x)
        if not len(inputs):
            return torch.zeros(*x.shape[:-1], shots, circuit.n_qubits, dtype=torch.uint8, device=x.device)
        with torch.no_grad():
            bits = backend.sample(circuit, execution, inputs, self.weights.to(inputs.dtype))
        return bits.reshape(*x.shape[:-1], shots, circuit.n_qubits)

    def counts(
        self, x: Tensor, shots: int | None = None, seed: int | None = None
    ) -> dict[str, int] | list[dict[str, int]]:
        """How often `sample` finds each bit string.

        Args:
            x: `(n_inputs)` or `(batch, n_inputs)`.
            shots: As for `sample`.
            seed: As for `sample`.

        Returns:
            For each sample a dictionary such as `{"01": 3, "11": 997}`, wire 0 first; for `x` without a batch
            the dictionary itself.

        Raises:
            ValueError: If `x` has more dimensions; or as `sample`.
        """
        bits = self.sample(x, shots, seed)
        if x.ndim > 2:
            raise ValueError(f"x must have at most 2 dimensions for counts, but had shape {tuple(x.shape)}.")
        found = [_counted(rows) for rows in bits.reshape(-1, *bits.shape[-2:])]
        return found if x.ndim == 2 else found[0]

    def _inputs(self, x: Tensor) -> Tensor:
        raise NotImplementedError


def _counted(bits: Tensor) -> dict[str, int]:
    strings, numbers = torch.unique(bits.cpu(), dim=0, return_counts=True)
    names = ("".join(map(str, row)) for row in strings.tolist())
    return dict(zip(names, numbers.tolist(), strict=True))
