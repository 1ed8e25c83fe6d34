"""Cut the things in a picture from its ground, if the ground is plain.

A scene is one or two things on a plain ground. Cut out and brought to one size, a thing looks the same
wherever it lies and however large it is, so a small network that is shown few of them can tell what they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import NamedTuple, Self

import numpy as np
import torch
from PIL import Image
from torch import Tensor

FRAME = 96  # pixels on a side of what things are cut from
SIDE = 36  # of a thing that was cut out, in pixels
MOST = 2  # things in a scene
_LEAST = 12  # pixels of a thing; what is smaller is dust
_SHADOW = 2  # pixels; boxes that overlap by no more are of two things, one of which throws a shadow
_AWAY = 0.08  # from the ground's colour, half of what a thing is away at least: JPEGs have faint halos
_NOISE = 3.5  # medians of the ground's own distances, instead of the other half where they are more
_BORDER = 0.08  # of the border at most is not of the ground
_PLAIN = 0.15  # what of the border is farther from its median is no ground


class Frame(NamedTuple):
    """A picture as it is judged: its proportions are kept as a number.

    Attributes:
        pixels: ``(3, FRAME, FRAME)``, 0 to 1; a picture that is wider than high is squeezed.
        aspect: Width over height.
    """

    pixels: Tensor
    aspect: float

    @classmethod
    def of(cls, picture: Image.Image) -> Self:
        """Bring a picture, RGB, to the size."""
        small = np.asarray(picture.resize((FRAME, FRAME), Image.Resampling.BICUBIC, reducing_gap=2.0))
        pixels = torch.from_numpy(small.transpose(2, 0, 1) / np.float32(255))
        return cls(pixels, picture.width / picture.height)


@dataclass(frozen=True)
class Things:
    """What was cut out of pictures.

    Attributes:
        count: ``(n,)``, how many things there are in each picture.
        crops: ``(k, 3, SIDE, SIDE)``, those of pictures with one to `MOST`, as differences from the ground.
        owner: ``(k,)``, the picture that each comes from, in ascending order.
    """

    count: Tensor
    crops: Tensor
    owner: Tensor


def cut_out(frames: Sequence[Frame]) -> Things:
    """Cut things out of pictures.

    Args:
        frames: One a picture.

    Returns:
        Connected areas that differ from a plane of colour fitted to the border. Those whose boxes overlap are
        one thing. Where much of the border differs from the plane there is no ground, and no thing on it.
    """
    from scipy.ndimage import find_objects, label

    difference, noise = _from_ground(torch.stack([frame.pixels for frame in frames]))
    limits = _AWAY + (_NOISE * noise).clamp(min=_AWAY)[:, None, None]
    away = (_length(difference) > limits).numpy()
    count = torch.zeros(len(away), dtype=torch.long)
    owner, cut, rows, columns = [], [], [], []
    for index, mask in enumerate(away):
        if mask[_edge()].mean() > _BORDER:
            continue
        areas, _ = label(mask, np.ones((3, 3)))
        sizes = np.bincount(areas.ravel())[1:]
        boxes = [box for box, size in zip(find_objects(areas), sizes, strict=True) if size >= _LEAST]
        found = _joined([_Box(*box) for box in boxes])
        count[index] = len(found)
        if 1 <= len(found) <= MOST:
            for box in found:
                shown = difference[index].clone()
                for other in found:
                    if other is not box:
                        shown[:, other.rows, other.columns] = 0
                owner.append(index)
                cut.append(shown)
                height, width = box.square(frames[index].aspect)
                rows.append((box.rows, height))
                columns.append((box.columns, width))
    if not owner:
        return Things(count, torch.zeros(0, 3, SIDE, SIDE), torch.zeros(0, dtype=torch.long))
    crops = _shares(rows) @ torch.stack(cut) @ _shares(columns).mT
    return Things(count, crops, torch.tensor(owner))


def _shares(sides: list[tuple[slice, float]]) -> Tensor:
    """How much of each pixel of frames is in each of crops: ``(k, 1, SIDE, FRAME)``.

    A side of a crop is so long, and its middle is that of the slice. The filter is a triangle.
    """
    middle, length = torch.tensor([((side.start + side.stop) / 2, length) for side, length in sides]).T
    step = (length / SIDE)[:, None, None, None]
    at = middle[:, None, None, None] + step * (torch.arange(SIDE)[:, None] + 0.5 - SIDE / 2)
    reach = step.clamp(min=1)
    found: Tensor = (1 - (at - torch.arange(FRAME) - 0.5).abs() / reach).clamp(min=0)
    return found / found.sum(-1, keepdim=True).clamp(min=0.5)  # beyond the frame is ground


class _Box(NamedTuple):
    """The box around what is one thing."""

    rows: slice
    columns: slice

    def square(self, aspect: float) -> tuple[float, float]:
        """Height and width, in pixels of the frame, of a square around the box and somewhat more."""
        wide, high = max(aspect, 1.0), max(1 / aspect, 1.0)  # of the picture, in units of its short side
        height, width = (side.stop - side.start for side in (self.rows, self.columns))
        side = max(height * high, width * wide) * 1.15 + 2
        return side / high, side / wide


def _joined(boxes: list[_Box]) -> list[_Box]:
    """Join those that overlap, unless there are far too many in any case."""
    if len(boxes) > 8 * MOST:
        return boxes
    for one, other in combinations(boxes, 2):
        sides = list(zip(one, other, strict=True))
        if all(min(a.stop, b.stop) - max(a.start, b.start) > _SHADOW for a, b in sides):
            box = _Box(*(slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in sides))
            return _joined([*(each for each in boxes if each not in (one, other)), box])
    return boxes


def _from_ground(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Differences ``(n, 3, height, width)`` from the ground; their median length ``(n,)`` at the border."""
    height, width = pixels.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    plane = torch.stack([torch.ones_like(x), x, y])
    edge = torch.from_numpy(_edge())
    border, known = pixels[:, :, edge], plane[:, edge]
    middle = border.median(2, keepdim=True).values
    near = (_length(border - middle) < _PLAIN).float()
    # Least squares, with a little weight on a level ground where objects cover most of the border.
    weighted = near[:, None] * known
    normal = weighted @ known.T + torch.diag(torch.tensor([1e-4, 0.1, 0.1]))
    slopes = torch.linalg.solve(normal, weighted @ (border - middle).mT)
    difference = pixels - middle[..., None] - (slopes.mT @ plane.flatten(1)).view_as(pixels)
    return difference, _length(difference[:, :, edge]).median(1).values


def _edge() -> np.ndarray:
    """Which pixels ``(FRAME, FRAME)`` of a frame are its border."""
    edge = np.ones((FRAME, FRAME), bool)
    edge[2:-2, 2:-2] = False
    return edge


def outlines(crops: Tensor) -> Tensor:
    """What is left of things without their colours.

    Args:
        crops: ``(k, 3, height, width)``, as in `Things`.

    Returns:
        ``(k, 2, height, width)``: how much of a thing's median colour is in each pixel, 0 on the ground and 1
        on a plain thing; and the length of what is in it of other colours, in the same unit.
    """
    some = crops[..., ::2, ::2]  # are enough for a median, and faster
    ground = _length(some)[:, None] <= _AWAY
    colour = some.masked_fill(ground, torch.nan).flatten(2).nanmedian(2).values.nan_to_num(0)[..., None, None]
    length = _length(colour)[:, None].clamp(min=1e-3)
    share = (crops * colour).sum(1, keepdim=True) / length**2
    rest = _length(crops - share * colour)[:, None] / length
    return torch.cat([share.clamp(-1, 2), rest.clamp(max=2)], 1)


def _length(colours: Tensor) -> Tensor:
    """Lengths ``(n, ...)`` of colours ``(n, 3, ...)``; `Tensor.norm` is several times slower here."""
    return colours.square().sum(1).sqrt()
