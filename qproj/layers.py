"""The layers: quantum circuits as torch modules."""

from __future__ import annotations

import math
from typing import Self

import torch
from torch import Tensor, nn

from qproj.backends import check_backend, get_backend
from qproj.circuits.circuit import Circuit
from qproj.circuits.observables import PauliWord


class QuantumLayer(nn.Module):
    """A parametrised quantum circuit: angles in, expectation values out.

    Simulated exactly, without sampling noise. The weights have the shape and meaning of those of PennyLane's
    template of the same name as the ansatz, so they can be taken from one to the other.

    Args:
        n_qubits: Number of qubits.
        n_layers: Number of ansatz layers.
        encoding: How inputs enter: `"angle_x"`, `"angle_y"` or `"angle_z"`.
        ansatz: The trainable part: `"strongly_entangling"` or `"basic_entangler"`. Note that `"angle_x"`
            with `"basic_entangler"` is a degenerate circuit: but for the CNOTs all its gates commute.
        observables: What is measured: `"z"` (`n_qubits` outputs), `"xyz"` (three times as many), or a tuple
            of `PauliWord`.
        diff_method: How gradients are computed: `"adjoint"`.
        backend: Who runs the circuit: `"jax"`, or the name of a PennyLane device.
        generator: Source of the initial weights; torch's global one if `None`.

    Attributes:
        circuit: The circuit as data; `print(layer.circuit)` draws it.
        weights: The trainable angles in radians, `circuit.weight_shape`, uniform in (0, 2 pi) at first.

    Raises:
        ValueError: If a name is unknown or a count below 1.
        TypeError: If a count is not an integer.
        ImportError: If the backend needs PennyLane and it is not installed.
    """

    weights: nn.Parameter

    def __init__(
        self,
        n_qubits: int = 4,
        n_layers: int = 3,
        *,
        encoding: str = "angle_y",
        ansatz: str = "strongly_entangling",
        observables: str | tuple[PauliWord, ...] = "z",
        diff_method: str = "adjoint",
        backend: str = "jax",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.circuit = Circuit(n_qubits, n_layers, encoding, ansatz, observables)
        check_backend(backend, diff_method)
        self.diff_method = diff_method
        self.backend = backend
        self.weights = nn.Parameter(torch.empty(self.circuit.weight_shape))
        self.reset_parameters(generator)

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.circuit.n_qubits

    @property
    def n_layers(self) -> int:
        """Number of ansatz layers."""
        return self.circuit.n_layers

    @property
    def n_inputs(self) -> int:
        """Number of input angles per sample."""
        return self.circuit.n_inputs

    @property
    def n_outputs(self) -> int:
        """Number of expectation values per sample."""
        return self.circuit.n_outputs

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw the weights anew, uniform in (0, 2 pi).

        Args:
            generator: Source of randomness; torch's global one if `None`.
        """
        nn.init.uniform_(self.weights, 0.0, 2 * math.pi, generator=generator)

    def to_backend(self, backend: str) -> Self:
        """Let another backend run the same circuit with the same weights.

        Args:
            backend: `"jax"`, or the name of a PennyLane device such as `"lightning.qubit"`.

        Returns:
            The layer itself.

        Raises:
            ValueError: If there is no such backend.
            ImportError: If it needs PennyLane and PennyLane is not installed.
        """
        check_backend(backend, self.diff_method)
        self.backend = backend
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Run the circuit.

        Args:
            x: Angles in radians, `(..., n_inputs)`; float32, float64, float16 or bfloat16. The latter two are
                computed in float32.

        Returns:
            Expectation values, `(..., n_outputs)`, with dtype and device of `x`.

        Raises:
            TypeError: If `x` is not a tensor of one of these dtypes.
            ValueError: If its last dimension is not `n_inputs`, or the weights are on another device.
        """
        _check_input(x, self.n_inputs, self.weights)
        dtype = torch.float64 if x.dtype == torch.float64 else torch.float32
        flat = x.reshape(math.prod(x.shape[:-1]), self.n_inputs).to(dtype)
        empty = len(flat) == 0
        if empty:
            # A row to run keeps the result in the graph, and every backend free of this case.
            flat = torch.cat([flat, flat.new_zeros(1, self.n_inputs)])
        # torch.compile must not look inside: it would trace into JAX. Asked for only when it is at work,
        # since torch.compiler.disable takes seconds to load.
        run = torch.compiler.disable(_run) if torch.compiler.is_dynamo_compiling() else _run  # type: ignore[no-untyped-call]
        values = run(self.backend, self.circuit, self.diff_method, flat, self.weights.to(dtype))
        if empty:
            values = values[:0]
        return values.to(x.dtype).reshape(*x.shape[:-1], self.n_outputs)

    def extra_repr(self) -> str:
        """What `repr` shows of the layer."""
        c = self.circuit
        return (
            f"n_qubits={c.n_qubits}, n_layers={c.n_layers}, encoding={c.encoding!r}, ansatz={c.ansatz!r}, "
            f"n_inputs={c.n_inputs}, n_outputs={c.n_outputs}, diff_method={self.diff_method!r}, "
            f"backend={self.backend!r}"
        )


class QuantumProjection(nn.Module):
    """A linear map down to a few angles, a quantum circuit, a linear map up to the features wanted.

    Args:
        in_features: Width of the inputs.
        out_features: Width of the outputs.
        n_qubits: As for `QuantumLayer`.
        n_layers: As for `QuantumLayer`.
        encoding: As for `QuantumLayer`.
        ansatz: As for `QuantumLayer`.
        observables: As for `QuantumLayer`.
        diff_method: As for `QuantumLayer`.
        backend: As for `QuantumLayer`.
        generator: Source of all initial weights; torch's global one if `None`.

    Attributes:
        reduce: `nn.Linear(in_features, n_inputs)` without bias.
        circuit: The `QuantumLayer`.
        expand: `nn.Linear(n_outputs, out_features)`.

    Raises:
        ValueError: If a name is unknown or a count below 1.
        TypeError: If a count is not an integer.
        ImportError: If the backend needs PennyLane and it is not installed.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_qubits: int = 4,
        n_layers: int = 3,
        *,
        encoding: str = "angle_y",
        ansatz: str = "strongly_entangling",
        observables: str | tuple[PauliWord, ...] = "z",
        diff_method: str = "adjoint",
        backend: str = "jax",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.circuit = QuantumLayer(
            n_qubits,
            n_layers,
            encoding=encoding,
            ansatz=ansatz,
            observables=observables,
            diff_method=diff_method,
            backend=backend,
        )
        self.reduce = nn.Linear(in_features, self.circuit.n_inputs, bias=False)
        self.expand = nn.Linear(self.circuit.n_outputs, out_features)
        self.reset_parameters(generator)

    @property
    def in_features(self) -> int:
        """Width of the inputs."""
        return self.reduce.in_features

    @property
    def out_features(self) -> int:
        """Width of the outputs."""
        return self.expand.out_features

    @property
    def n_qubits(self) -> int:
        """Number of qubits."""
        return self.circuit.n_qubits

    @property
    def n_layers(self) -> int:
        """Number of ansatz layers."""
        return self.circuit.n_layers

    def reset_parameters(self, generator: torch.Generator | None = None) -> None:
        """Draw all weights anew.

        `reduce` is normal with variance `1 / in_features`: inputs of unit variance give angles of standard
        deviation 1 rad, wide enough to be seen and narrow enough not to wrap. `expand` is torch's default
        for a linear map, times 4, since expectation values are well below 1, and its bias is zero.

        Args:
            generator: Source of randomness; torch's global one if `None`.
        """
        self.circuit.reset_parameters(generator)
        nn.init.normal_(self.reduce.weight, std=self.in_features**-0.5, generator=generator)
        bound = 4 * self.expand.in_features**-0.5
        nn.init.uniform_(self.expand.weight, -bound, bound, generator=generator)
        nn.init.zeros_(self.expand.bias)

    def to_backend(self, backend: str) -> Self:
        """Let another backend run the circuit; see `QuantumLayer.to_backend`."""
        self.circuit.to_backend(backend)
        return self

    def forward(self, x: Tensor) -> Tensor:
        """Project.

        Args:
            x: Features, `(..., in_features)`.

        Returns:
            Features, `(..., out_features)`.
        """
        projected: Tensor = self.expand(self.circuit(self.reduce(x)))
        return projected


def _run(backend: str, circuit: Circuit, diff_method: str, inputs: Tensor, weights: Tensor) -> Tensor:
    return get_backend(backend).run(circuit, diff_method, inputs, weights)


_DTYPES = (torch.float32, torch.float64, torch.float16, torch.bfloat16)


def _check_input(x: object, n_inputs: int, weights: Tensor) -> None:
    if not isinstance(x, Tensor):
        raise TypeError(f"x must be a torch.Tensor, but was {type(x).__name__}.")
    if x.dtype not in _DTYPES:
        raise TypeError(
            f"x must be a tensor of float32, float64, float16 or bfloat16, but its dtype was {x.dtype}. "
            "Angles are real numbers in radians; convert with x.float()."
        )
    if x.ndim == 0 or x.shape[-1] != n_inputs:
        raise ValueError(
            f"x must have shape (..., {n_inputs}), one angle for each input of the circuit, but had shape "
            f"{tuple(x.shape)}."
        )
    if x.device != weights.device:
        raise ValueError(
            f"x must be on the device of the layer's weights ({weights.device}), but was on {x.device}. "
            f"Move the layer with layer.to({str(x.device)!r})."
        )
