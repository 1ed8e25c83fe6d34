"""Cut the things in a picture from its ground, if the ground is plain.

A scene is one or two things on a plain ground. Cut out and brought to one size, a thing looks the same
wherever it lies and however large it is, so a small network that is shown few of them can tell what they are.
"""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import affine_grid, avg_pool2d, grid_sample

SIDE = 28  # of a thing that was cut out, in pixels
MOST = 2  # things in a scene
_LEAST = 8  # pixels of a thing; what is smaller is dust
_AWAY = 0.3  # least distance from the ground's colour, in standard deviations of pixels
_NOISE = 3.5  # the same, in medians of the ground's own distances
_PLAIN = 0.55  # what of the border is farther from its median is no ground


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


def cut_out(pixels: Tensor) -> Things:
    """Cut things out of pictures.

    Args:
        pixels: ``(n, 3, height, width)``, standardised, on the CPU.

    Returns:
        Connected areas that differ from a plane of colour fitted to the border. Those whose boxes overlap are
        one thing.
    """
    from scipy.ndimage import find_objects, label

    difference, noise = _from_ground(pixels.float())
    limits = (_NOISE * noise).clamp(min=_AWAY)[:, None, None]
    away = (_length(difference) > limits).numpy()
    count = torch.zeros(len(away), dtype=torch.long)
    owner, cut, places = [], [], []
    for index, mask in enumerate(away):
        areas, _ = label(mask, np.ones((3, 3)))
        boxes, sizes = find_objects(areas), np.bincount(areas.ravel())[1:]
        found = _joined([_Group((int(i) + 1,), *boxes[i]) for i in np.flatnonzero(sizes >= _LEAST)])
        count[index] = len(found)
        if 1 <= len(found) <= MOST:
            for group in found:
                others = [i for other in found if other is not group for i in other.areas]
                owner.append(index)
                cut.append(difference[index] * torch.from_numpy(~np.isin(areas, others)))
                places.append(group.square(*mask.shape))
    if not owner:
        return Things(count, torch.zeros(0, 3, SIDE, SIDE), torch.zeros(0, dtype=torch.long))
    # Twice as large first: a large thing would lose what lies between the pixels of its crop.
    grid = affine_grid(torch.tensor(places), [len(owner), 3, 2 * SIDE, 2 * SIDE], align_corners=False)
    crops = avg_pool2d(grid_sample(torch.stack(cut), grid, align_corners=False), 2)
    return Things(count, crops, torch.tensor(owner))


@dataclass(frozen=True)
class _Group:
    """Areas that are one thing, by their numbers, and the box around them."""

    areas: tuple[int, ...]
    rows: slice
    columns: slice

    def square(self, height: int, width: int) -> list[list[float]]:
        """The affine map of a square onto the box, and somewhat more; square and picture from -1 to 1."""
        (top, bottom), (left, right) = ((side.start, side.stop) for side in (self.rows, self.columns))
        half = max(bottom - top, right - left) / 2 * 1.15 + 1
        return [
            [2 * half / width, 0.0, (left + right) / width - 1],
            [0.0, 2 * half / height, (top + bottom) / height - 1],
        ]


def _joined(groups: list[_Group]) -> list[_Group]:
    """Join those whose boxes overlap, unless there are far too many in any case."""
    if len(groups) > 8 * MOST:
        return groups
    for one, other in combinations(groups, 2):
        pairs = (one.rows, other.rows), (one.columns, other.columns)
        if all(a.start < b.stop and b.start < a.stop for a, b in pairs):
            box = (slice(min(a.start, b.start), max(a.stop, b.stop)) for a, b in pairs)
            rest = [group for group in groups if group not in (one, other)]
            return _joined([*rest, _Group(one.areas + other.areas, *box)])
    return groups


def _from_ground(pixels: Tensor) -> tuple[Tensor, Tensor]:
    """Differences ``(n, 3, height, width)`` from the ground; their median length ``(n,)`` at the border."""
    height, width = pixels.shape[-2:]
    y, x = torch.meshgrid(torch.linspace(-1, 1, height), torch.linspace(-1, 1, width), indexing="ij")
    plane = torch.stack([torch.ones_like(x), x, y])
    edge = torch.ones(height, width, dtype=torch.bool)
    edge[2:-2, 2:-2] = False
    border, known = pixels[:, :, edge], plane[:, edge]
    middle = border.median(2, keepdim=True).values
    near = (_length(border - middle) < _PLAIN).float()
    # Least squares, with a little weight on a level ground where objects cover most of the border.
    normal = torch.einsum("ip,np,jp->nij", known, near, known) + torch.diag(torch.tensor([1e-4, 0.1, 0.1]))
    right = torch.einsum("ip,np,ncp->nic", known, near, border - middle)
    slopes = torch.linalg.solve(normal, right)
    difference = pixels - middle[..., None] - torch.einsum("nic,ihw->nchw", slopes, plane)
    return difference, _length(difference[:, :, edge]).median(1).values


def outlines(crops: Tensor) -> Tensor:
    """What is left of things without their colours.

    Args:
        crops: ``(k, 3, height, width)``, as in `Things`.

    Returns:
        ``(k, 2, height, width)``: how much of a thing's median colour is in each pixel, 0 on the ground and 1
        on a plain thing; and the length of what is in it of other colours, in the same unit.
    """
    ground = _length(crops)[:, None] <= _AWAY
    colour = (
        crops.masked_fill(ground, torch.nan).flatten(2).nanmedian(2).values.nan_to_num(0)[..., None, None]
    )
    length = _length(colour)[:, None].clamp(min=1e-2)
    share = (crops * colour).sum(1, keepdim=True) / length**2
    rest = _length(crops - share * colour)[:, None] / length
    return torch.cat([share.clamp(-1, 2), rest.clamp(max=2)], 1)


def _length(colours: Tensor) -> Tensor:
    """Lengths ``(n, ...)`` of colours ``(n, 3, ...)``; `Tensor.norm` is several times slower here."""
    return colours.square().sum(1).sqrt()
