"""Fit a detector of strange pictures; see `hybrid.inference.out_of_distribution`.

``python -m hybrid.training.out_of_distribution FOLDER`` fits that of a captioner of drawn scenes anew.
"""

import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import chain, islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor, nn

from hybrid.data.drawing import draw_scene
from hybrid.data.near_scenes import draw_near
from hybrid.data.other_pictures import draw_other
from hybrid.data.scenes import sample_scene
from hybrid.inference.out_of_distribution import STRIDES, Detector
from hybrid.inference.things import MOST, SIDE, Frame, Things, cut_out, outlines

# To fit to, beside a quarter more that are nearly scenes and a fifth of others; a third more set the limit.
N_SCENES = 10_000
_Draw = Callable[[np.random.Generator], Image.Image]
_CHANNELS, _HIDDEN, _DROPPED = (12, 24, 32, 64), 48, 0.2
_EPOCHS, _BATCH, _RATE, _DECAY = 10, 64, 4e-3, 0.05


def fit_detector(
    scenes: Things, held_out: Iterable[Frame], others: Things, *, needless: float = 0.006
) -> Detector:
    """Fit a detector to things that were cut out of pictures.

    Args:
        scenes: From training pictures.
        held_out: Others of the same kind, on which the limit is set.
        others: From pictures of anything else, each of which has at least one strange thing.
        needless: The share of held-out pictures that may lie beyond the limit.

    Returns:
        The detector. Its network starts from seed 0; torch's global generator is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        weights = _folded(_trained(scenes, others))
    found = Detector(weights, torch.tensor(torch.inf))
    scores = torch.cat([found.scores(batch) for batch in _batches(held_out)])
    return Detector(weights, torch.quantile(scores, 1 - needless, interpolation="lower"))


def _trained(scenes: Things, others: Things) -> nn.Sequential:
    """Train the network; a picture is strange where at least one of its things is."""
    parts = torch.split(torch.cat([scenes.crops, others.crops]), 500)
    crops = torch.cat([outlines(part.float()).half() for part in parts])
    _, counts = torch.unique_consecutive(
        torch.cat([scenes.owner, others.owner + len(scenes.count)]), return_counts=True
    )
    starts = counts.cumsum(0) - counts
    strange = starts >= len(scenes.crops)
    net = _fresh()
    optimizer = torch.optim.AdamW(net.parameters(), _RATE, weight_decay=_DECAY)
    steps = _EPOCHS * -(-len(counts) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps, pct_start=0.15)
    for _ in range(_EPOCHS):
        for rows in torch.split(torch.randperm(len(counts)), _BATCH):
            second = torch.nonzero(counts[rows] == MOST)[:, 0]
            batch = crops[torch.cat([starts[rows], starts[rows[second]] + 1])].float()
            batch = torch.where(torch.rand(len(batch), 1, 1, 1) < 0.5, batch.flip(3), batch)
            # -log of the probability that a thing is plain; summed, that all things of a picture are.
            plain = nn.functional.softplus(net(batch)[:, 0])
            plain = plain[: len(rows)].index_add(0, second, plain[len(rows) :]).clamp(min=1e-6)
            loss = torch.where(strange[rows], -torch.log(-torch.expm1(-plain)), plain).mean()
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    return net.eval()


def _fresh() -> nn.Sequential:
    """Convolutions with batch norm, and two linear layers."""
    layers: list[nn.Module] = []
    before, side = 2, SIDE
    for width, stride in zip(_CHANNELS, STRIDES, strict=True):
        kernel = 3 if layers else 5
        layers += [
            nn.Conv2d(before, width, kernel, stride, kernel // 2, bias=False),
            nn.BatchNorm2d(width),
            nn.ReLU(),
        ]
        before, side = width, -(-side // stride)
    layers += [nn.Flatten(), nn.Linear(before * side**2, _HIDDEN), nn.ReLU(), nn.Dropout(_DROPPED)]
    layers.append(nn.Linear(_HIDDEN, 1))
    # Channels last is faster on a CPU.
    return nn.Sequential(*(layer.to(memory_format=torch.channels_last) for layer in layers))  # type: ignore[call-overload]


@torch.no_grad()
def _folded(net: nn.Sequential) -> tuple[Tensor, ...]:
    """Kernels and biases, batch norms multiplied into them; half precision, to be small."""
    weights: list[Tensor] = []
    for layer in net:
        if isinstance(layer, nn.BatchNorm2d):
            assert layer.running_mean is not None
            assert layer.running_var is not None
            scale = layer.weight / (layer.running_var + layer.eps).sqrt()
            weights[-1] = weights[-1] * scale[:, None, None, None]
            weights.append(layer.bias - layer.running_mean * scale)
        elif isinstance(layer, (nn.Conv2d, nn.Linear)):
            weights += [w for w in (layer.weight, layer.bias) if w is not None]
    return tuple(weight.detach().half().contiguous() for weight in weights)


def _batches(frames: Iterable[Frame]) -> Iterator[list[Frame]]:
    rest = iter(frames)
    while batch := list(islice(rest, 128)):
        yield batch


def things_of(frames: Iterable[Frame]) -> Things:
    """Things in pictures, in half precision."""
    parts = [cut_out(batch) for batch in _batches(frames)]
    starts = np.cumsum([0, *(len(part.count) for part in parts)])
    owner = torch.cat([part.owner + int(start) for part, start in zip(parts, starts, strict=False)])
    return Things(torch.cat([p.count for p in parts]), torch.cat([p.crops.half() for p in parts]), owner)


def scene_detector(seed: int = 0, n_scenes: int = N_SCENES) -> Detector:
    """Fit the detector of a captioner of drawn scenes.

    Args:
        seed: Decides what is drawn.
        n_scenes: How many scenes are drawn to fit to.

    Returns:
        The detector, fitted to scenes, to `hybrid.data.near_scenes` and to `hybrid.data.other_pictures`.
    """

    def drawn(count: int, which: int, draw: _Draw) -> Iterator[Frame]:
        rng = np.random.default_rng([seed, which])
        return (Frame.of(draw(rng)) for _ in range(count))

    def scene(rng: np.random.Generator) -> Image.Image:
        return draw_scene(sample_scene(rng), rng)

    scenes = things_of(drawn(n_scenes, 1, scene))
    held_out = drawn(-(-n_scenes // 3), 2, scene)
    near, far = drawn(n_scenes * 5 // 4, 3, draw_near), drawn(-(-n_scenes // 5), 4, draw_other)
    return fit_detector(scenes, held_out, things_of(chain(near, far)))


if __name__ == "__main__":
    scene_detector().save(Path(sys.argv[1]))
