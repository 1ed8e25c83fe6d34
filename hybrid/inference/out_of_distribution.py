"""Whether a picture is like those a model of drawn scenes was trained on.

A captioner says something of every picture, with the same confidence. A scene is one or two plain things on a
plain ground: a picture with none or with more of them is strange, and so is one with a thing that a small
network does not take for one of a scene's. The network was shown scenes, and drawings of anything else, most
of them nearly scenes (outlier exposure, Hendrycks et al., arXiv:1812.04606).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn.functional import conv2d, relu

from hybrid.inference.things import MOST, Frame, cut_out, outlines

FILE = "out_of_distribution.safetensors"
STRIDES = (2, 1, 2, 2)  # of the network's convolutions


@dataclass(frozen=True)
class Detector:
    """What the things in training pictures were like.

    Attributes:
        weights: Of the network, half precision: of each convolution its kernels and biases, then of each
            linear layer.
        limit: ``()``, the highest score of a thing that is not strange.
    """

    weights: tuple[Tensor, ...]
    limit: Tensor

    def scores(self, frames: Sequence[Frame]) -> Tensor:
        """How strange pictures are.

        Args:
            frames: One a picture.

        Returns:
            ``(n,)``: of the strangest thing in each; infinite where there are none, or too many.
        """
        things = cut_out(frames)
        found = network(outlines(things.crops), self.weights)
        scores = torch.full((len(frames),), -torch.inf).scatter_reduce_(0, things.owner, found, "amax")
        return scores.where((things.count >= 1) & (things.count <= MOST), torch.inf)

    def unfamiliar(self, frames: Sequence[Frame]) -> list[bool]:
        """Say of each picture whether it is strange."""
        return (self.scores(frames) > self.limit).tolist()

    def save(self, folder: Path) -> None:
        """Write it beside a model."""
        named = {f"{i}": weight for i, weight in enumerate(self.weights)}
        save_file(named | {"limit": self.limit}, folder / FILE)

    @classmethod
    def load(cls, folder: str | Path) -> Self | None:
        """Read it back from a model's folder.

        Args:
            folder: Where it lies beside a model.

        Returns:
            What was saved there, or nothing if there is nothing that can be read.
        """
        try:
            found = load_file(Path(folder) / FILE)
            limit = found.pop("limit")
            return cls(tuple(found[str(i)] for i in range(len(found))), limit)
        except (OSError, SafetensorError, KeyError):
            return None


def network(crops: Tensor, weights: tuple[Tensor, ...]) -> Tensor:
    """Scores ``(k,)`` of things ``(k, 2, SIDE, SIDE)``, as `outlines` gives them."""
    *first, a, b, c, d = (weight.float() for weight in weights)
    for kernel, bias, stride in zip(first[::2], first[1::2], STRIDES, strict=True):
        crops = relu(conv2d(crops, kernel, bias, stride, kernel.shape[-1] // 2))
    return (relu(crops.flatten(1) @ a.T + b) @ c.T + d)[:, 0]
