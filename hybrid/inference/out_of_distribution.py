"""Whether a model has seen anything like a picture: how far its embedding lies from those trained on.

A captioner says something of every picture, with the same confidence. The distance is Mahalanobis', to the
nearest of a number of centres (Lee et al., arXiv:1807.03888, with clusters in the place of classes).
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

FILE = "familiarity.safetensors"


@dataclass(frozen=True)
class Familiarity:
    """What the embeddings of the training pictures were like.

    Attributes:
        whiten: ``(d, d)``, multiplied from the right; what is left around the centres has covariance 1 then.
        centres: ``(k, d)``, whitened.
        threshold: ``()``, the distance beyond which a picture is unlike all that was seen.
    """

    whiten: Tensor
    centres: Tensor
    threshold: Tensor

    def distances(self, features: Tensor) -> Tensor:
        """Measure.

        Args:
            features: ``(n, d)``, what `HybridForConditionalGeneration.vision_features` gives.

        Returns:
            ``(n,)``, in standard deviations.
        """
        white = features.to(self.whiten) @ self.whiten
        return torch.cdist(white, self.centres).amin(1)

    def unfamiliar(self, features: Tensor) -> list[bool]:
        """Say of each of ``(n, d)`` embeddings whether it lies beyond the threshold."""
        return (self.distances(features) > self.threshold).tolist()

    def save(self, folder: Path) -> None:
        """Write it beside a model."""
        save_file({name: tensor.contiguous() for name, tensor in vars(self).items()}, folder / FILE)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """Read it back from a model's folder.

        Args:
            folder: Where it lies beside a model.

        Returns:
            What was saved there, or nothing if there is nothing that can be read.
        """
        try:
            return cls(**load_file(folder / FILE))
        except (OSError, SafetensorError, TypeError):
            return None
