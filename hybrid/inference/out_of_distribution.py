"""Whether a picture is like those a model was trained on.

A captioner says something of every picture, with the same confidence. The layers of its vision tower tell
strange pictures better than the embedding at its end, which keeps what captions need. A picture is noted
where either of two measures exceeds its limit: the Mahalanobis distance from the training pictures (Lee et
al., arXiv:1807.03888), or the score of a small network that was shown drawings of other things as well
(outlier exposure, Hendrycks et al., arXiv:1812.04606).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FILE = "out_of_distribution.safetensors"
_FAR = 8.0  # standard deviations beyond which the network is not told how far


def statistics(seen: Any) -> Tensor:
    """What a vision tower's layers make of pictures.

    Args:
        seen: The output of a tower of transformers with hidden states ``(batch, tokens, width)``, a class
            token first.

    Returns:
        ``(batch, 3 * layers * width)``: of each layer the class token, and mean and standard deviation of the
        patches.
    """
    parts = [(h[:, 0], h[:, 1:].mean(1), h[:, 1:].std(1)) for h in seen.hidden_states]
    return torch.cat([torch.cat(part, 1) for part in parts], 1).float()


@dataclass(frozen=True)
class Detector:
    """What the training pictures were like.

    Attributes:
        mean: ``(d,)``, of the training pictures' `statistics`.
        directions: ``(d, k)``, their leading principal components; half precision, to be small.
        centre: ``(k + 1,)``, mean of the components and of the length of the rest.
        spread: ``(k + 1,)``, their standard deviations.
        hidden: ``(k + 2, h)``, weights and, in the last row, biases of the network's first layer.
        output: ``(h + 1,)``, likewise of its second.
        limits: ``(2,)``: of the Mahalanobis distance, and of the network's score.
    """

    mean: Tensor
    directions: Tensor
    centre: Tensor
    spread: Tensor
    hidden: Tensor
    output: Tensor
    limits: Tensor

    def components(self, found: Tensor) -> Tensor:
        """Standardised components ``(n, k + 1)`` of statistics ``(n, d)``."""
        difference, directions = found - self.mean, self.directions.float()
        inside = difference @ directions
        rest = (difference - inside @ directions.T).norm(dim=1, keepdim=True)
        return (torch.cat([inside, rest], 1) - self.centre) / self.spread

    def measures(self, found: Tensor) -> Tensor:
        """Mahalanobis distance and score ``(n, 2)`` of statistics ``(n, d)``."""
        components = self.components(found)
        score = network(components, self.hidden, self.output)
        return torch.stack([components.norm(dim=1), score], 1)

    def unfamiliar(self, seen: Any) -> list[bool]:
        """Say of each picture in a vision tower's output, hidden states included, whether it is strange."""
        found = statistics(seen).to(self.mean.device)
        return (self.measures(found) > self.limits).any(1).tolist()

    def save(self, folder: Path) -> None:
        """Write it beside a model."""
        save_file({name: tensor.contiguous() for name, tensor in vars(self).items()}, folder / FILE)

    @classmethod
    def load(cls, folder: str | Path) -> Self | None:
        """Read it back from a model's folder.

        Args:
            folder: Where it lies beside a model.

        Returns:
            What was saved there, or nothing if there is nothing that can be read.
        """
        try:
            return cls(**load_file(Path(folder) / FILE))
        except (OSError, SafetensorError, TypeError):
            return None


def network(components: Tensor, hidden: Tensor, output: Tensor) -> Tensor:
    """The detector's network: two layers, scores ``(n,)`` of components ``(n, k + 1)``."""
    inner = torch.nn.functional.gelu(components.clamp(-_FAR, _FAR) @ hidden[:-1] + hidden[-1])
    return inner @ output[:-1] + output[-1]
