"""The quantum connector: the picture passes through the expectation values of one circuit."""

from typing import Any

from torch import Tensor

from hybrid.connectors.connector import Connector
from qproj import QuantumProjection


class QuantumConnector(Connector):
    """Linear down to one angle a qubit, a trained circuit, linear up to one vision token.

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of the vision token.
        n_qubits: Qubits, and with ``observables="z"`` the number of values the picture passes through.
        n_layers: Layers of the ansatz.
        options: ``encoding``, ``ansatz``, ``observables``, ``diff_method``, as for `qproj.QuantumLayer`.
    """

    def __init__(
        self, vision_hidden_size: int, hidden_size: int, n_qubits: int = 4, n_layers: int = 3, **options: Any
    ) -> None:
        super().__init__(vision_hidden_size, hidden_size)
        self.projection = QuantumProjection(vision_hidden_size, hidden_size, n_qubits, n_layers, **options)

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        super().reset_parameters()
        self.projection.reset_parameters()

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        token: Tensor = self.projection(x)
        return token
