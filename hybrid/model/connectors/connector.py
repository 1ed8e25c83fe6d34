"""What every connector shares."""

from abc import abstractmethod

import torch
from torch import Tensor, nn


class Connector(nn.Module):
    """A map from picture embeddings to vision tokens, with the embeddings standardised first.

    A vision tower's features differ widely in scale (some of CLIP's are a hundred times others), which
    matters where they become angles. Until `standardise_to` is called the map is the identity.

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of the vision tokens.

    Attributes:
        mean: ``(vision_hidden_size,)``, subtracted first.
        scale: ``(vision_hidden_size,)``, multiplied then.
    """

    n_tokens = 1
    mean: Tensor
    scale: Tensor

    def __init__(self, vision_hidden_size: int, hidden_size: int) -> None:
        super().__init__()
        self.vision_hidden_size = vision_hidden_size
        self.hidden_size = hidden_size
        self.register_buffer("mean", torch.zeros(vision_hidden_size))
        self.register_buffer("scale", torch.ones(vision_hidden_size))

    @torch.no_grad()
    def standardise_to(self, features: Tensor) -> None:
        """Make these embeddings, and others like them, have mean 0 and variance 1 in every feature.

        Args:
            features: ``(n, vision_hidden_size)``, a sample of what will be read.
        """
        std, mean = torch.std_mean(features.to(self.mean), dim=0)
        self.mean.copy_(mean)
        self.scale.copy_(1 / std.clamp_min(1e-6))

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.scale)

    def forward(self, features: Tensor) -> Tensor:
        """Make vision tokens.

        Args:
            features: ``(batch, vision_hidden_size)``.

        Returns:
            ``(batch, n_tokens, hidden_size)`` in the connector's dtype, under autocast too.
        """
        # Whitened values are small differences, which do not survive half precision.
        with torch.autocast(features.device.type, enabled=False):
            x = self._standardised(features)
            return self.tokens(x).reshape(*x.shape[:-1], self.n_tokens, self.hidden_size)

    def _standardised(self, features: Tensor) -> Tensor:
        return (features.to(self.mean.dtype) - self.mean) * self.scale

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """The map itself.

        Args:
            x: ``(batch, vision_hidden_size)``, standardised.

        Returns:
            ``(batch, n_tokens * hidden_size)``.
        """
