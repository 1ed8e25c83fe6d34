"""Fit a detector of strange pictures; see `hybrid.inference.out_of_distribution`.

``python -m hybrid.training.out_of_distribution FOLDER`` fits that of a captioner of drawn scenes anew.
"""

import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from hybrid.data.drawing import draw_scene
from hybrid.data.other_pictures import draw_other
from hybrid.data.scenes import sample_scene
from hybrid.inference.out_of_distribution import Detector, network, statistics
from hybrid.loading.load import load
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor

N_SCENES = 8_000  # to fit to; half as many set the limits, and half as many again are other pictures
_COMPONENTS, _HIDDEN = 192, 64
_EPOCHS, _BATCH, _RATE = 25, 128, 2e-3


def fit_detector(scenes: Tensor, held_out: Tensor, others: Tensor, *, needless: float = 0.003) -> Detector:
    """Fit a detector to statistics of pictures.

    Args:
        scenes: ``(n, d)``, of training pictures.
        held_out: ``(m, d)``, of others of the same kind, on which the limits are set.
        others: ``(o, d)``, of pictures of anything else.
        needless: The share of held-out pictures that may lie beyond a limit, half of it for each measure.

    Returns:
        The detector. Its network starts from seed 0; torch's global generator is left alone.
    """
    mean = scenes.mean(0)
    _, directions = torch.linalg.eigh(torch.cov(scenes.T))
    count = min(_COMPONENTS, len(scenes) // 4, scenes.shape[1])
    none = torch.zeros(1)
    found = Detector(mean, directions[:, -count:].half().contiguous(), none, none + 1, none, none, none)
    spread, centre = torch.std_mean(found.components(scenes), 0)
    found = replace(found, centre=centre, spread=spread.clamp_min(1e-6))
    hidden, output = _train(found.components(scenes), found.components(others))
    found = replace(found, hidden=hidden, output=output)
    limits = torch.quantile(found.measures(held_out), 1 - needless / 2, dim=0)
    return replace(found, limits=limits)


def _train(scenes: Tensor, others: Tensor) -> tuple[Tensor, Tensor]:
    """Train the network to tell components of scenes from those of others."""
    generator = torch.Generator().manual_seed(0)
    width = scenes.shape[1]
    hidden = torch.zeros(width + 1, _HIDDEN)
    hidden[:-1] = torch.randn(width, _HIDDEN, generator=generator) / width**0.5
    weights = [hidden.requires_grad_(), torch.zeros(_HIDDEN + 1, requires_grad=True)]
    x = torch.cat([scenes, others])
    wanted = torch.cat([torch.zeros(len(scenes)), torch.ones(len(others))])
    optimizer = torch.optim.AdamW(weights, _RATE, weight_decay=1e-2)
    steps = _EPOCHS * -(-len(x) // _BATCH)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, _RATE, total_steps=steps)
    for _ in range(_EPOCHS):
        for rows in torch.split(torch.randperm(len(x), generator=generator), _BATCH):
            score = network(x[rows], *weights)
            loss = torch.nn.functional.binary_cross_entropy_with_logits(score, wanted[rows])
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            schedule.step()
    hidden, output = (weight.detach() for weight in weights)
    return hidden, output


@torch.inference_mode()
def statistics_of(
    model: HybridForConditionalGeneration, processor: HybridProcessor, pictures: Iterator[Image.Image]
) -> Tensor:
    """Statistics ``(n, d)`` of pictures, as `statistics` has them."""
    parts = []
    while batch := [processor.pixel_values(picture) for picture in islice(pictures, 128)]:
        parts.append(statistics(model.vision_outputs(torch.cat(batch), output_hidden_states=True)))
    return torch.cat(parts)


def scene_detector(
    model: HybridForConditionalGeneration, processor: HybridProcessor, seed: int = 0, n_scenes: int = N_SCENES
) -> Detector:
    """Fit the detector of a captioner of drawn scenes.

    Args:
        model: The captioner.
        processor: Its processor.
        seed: Decides what is drawn.
        n_scenes: How many scenes are drawn to fit to.

    Returns:
        The detector, fitted to scenes and to `hybrid.data.other_pictures`.
    """

    def drawn(count: int, which: int, draw: Callable[[np.random.Generator], Image.Image]) -> Tensor:
        rng = np.random.default_rng([seed, which])
        return statistics_of(model, processor, (draw(rng) for _ in range(count)))

    def scene(rng: np.random.Generator) -> Image.Image:
        return draw_scene(sample_scene(rng), rng)

    scenes, held_out = drawn(n_scenes, 1, scene), drawn(n_scenes // 2, 2, scene)
    return fit_detector(scenes, held_out, drawn(n_scenes * 3 // 2, 3, draw_other))


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    scene_detector(*load(folder)).save(folder)
