"""A quantum circuit between two linear maps, as a torch module."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict, Unpack

import torch
from torch import Tensor, nn

from qproj.circuits.ansatz import AnsatzName
from qproj.circuits.circuit import Circuit
from qproj.circuits.encodings import EncodingName
from qproj.circuits.observables import Observable, ObservablesName
from qproj.circuits.parameters import count
from qproj.inputs import check_tensor
from qproj.layers import QuantumLayer
from qproj.planning.strategies import DiffMethod, Strategy


class LayerOptions(TypedDict, total=False):
    """The options of `QuantumLayer` that `QuantumProjection` hands on."""

    encoding: EncodingName | None
    ansatz: AnsatzName | None
    observables: ObservablesName | Iterable[Observable]
    reupload: bool
    circuit: Circuit | None
    diff_method: DiffMethod
    strategy: Strategy
    backend: Any
    shots: int | None
    seed: int | None
    noise: Any
    backend_options: Mapping[str, Any] | None


class Changes(TypedDict, total=False):
    """What `QuantumLayer.to_backend` can change besides."""

    seed: int | Literal["same"] | None
    noise: Any
    backend_options: Mapping[str, Any] | Literal["same"] | None


class QuantumProjection(nn.Module):
    """A linear map down to a few angles, a quantum circuit, a linear map up to the features wanted.

    Args:
        in_features: Width of the inputs, at least 1.
        out_features: Width of the outputs, at least 1.
        n_qubits: As for `QuantumLayer`.
        n_layers: As for `QuantumLayer`.
        generator: Source of all initial weights; torch's global one if `None`.
        options: As for `QuantumLayer`: `encoding`, `ansatz`, `observables`, `reupload`, `circuit`,
            `diff_method`, `strategy`, `backend`, `shots`, `seed`, `noise`, `backend_options`.

    Attributes:
        reduce: `nn.Linear(in_features, n_inputs)` without bias.
        circuit: The `QuantumLayer`.
        expand: `nn.Linear(n_outputs, out_features)`.

    Raises:
        ValueError: If a width is below 1; or as `QuantumLayer`.
        TypeError: If a width is not an integer; or as `QuantumLayer`.
        ImportError: As `QuantumLayer`.
    """

    def __init__(
        self,
        in_features: int,
        out_features: int,
        n_qubits: int | None = None,
        n_layers: int | None = None,
        *,
        generator: torch.Generator | None = None,
        **options: Unpack[LayerOptions],
    ) -> None:
        super().__init__()
        in_features, out_features = count("in_features", in_features), count("out_features", out_features)
        self.circuit = QuantumLayer(n_qubits, n_layers, **options)
        if self.circuit.circuit.is_state:
            raise ValueError(
                "observables must be real numbers in a QuantumProjection, whose last linear map is real, but "
                "were 'state'. Use 'probs', or a QuantumLayer."
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

    def to_backend(
        self, backend: Any, shots: int | Literal["same"] | None = "same", **changes: Unpack[Changes]
    ) -> Self:
        """Let another backend run the circuit; see `QuantumLayer.to_backend`."""
        self.circuit.to_backend(backend, shots, **changes)
        return self

    if TYPE_CHECKING:  # torch's own is of any arguments and any result

        def __call__(self, x: Tensor) -> Tensor:
            """See `forward`."""

    def forward(self, x: Tensor) -> Tensor:
        """Project.

        Args:
            x: Features, `(..., in_features)`.

        Returns:
            Features, `(..., out_features)`.

        Raises:
            TypeError: If `x` is not a tensor.
        """
        check_tensor(x)
        projected: Tensor = self.expand(self.circuit(self.reduce(x)))
        return projected
