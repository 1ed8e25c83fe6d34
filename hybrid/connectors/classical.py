"""The classical connector the quantum one is compared with: the original "projector" and "gate"."""

from torch import Tensor, nn

from hybrid.connectors.connector import Connector


class ClassicalConnector(Connector):
    """Two linear maps without an activation, as in TinyLlama-VLM-LoRA (768 -> 512 -> hidden).

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of the vision token.
        width: Between the two maps.
    """

    def __init__(self, vision_hidden_size: int, hidden_size: int, width: int = 512) -> None:
        super().__init__(vision_hidden_size, hidden_size)
        self.projector = nn.Linear(vision_hidden_size, width)
        self.gate = nn.Linear(width, hidden_size)

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        super().reset_parameters()
        self.projector.reset_parameters()
        self.gate.reset_parameters()

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        token: Tensor = self.gate(self.projector(x))
        return token
