"""Measure what a model has seen; see `hybrid.inference.out_of_distribution`."""

import torch
from torch import Tensor

from hybrid.inference.out_of_distribution import Familiarity

_ROUNDS = 8  # of k-means: the centres need not be the best ones


@torch.inference_mode()
def measure_familiarity(
    train: Tensor, held_out: Tensor, *, centres: int = 256, needless: float = 0.01, seed: int = 0
) -> Familiarity:
    """Fit centres to the embeddings trained on, and set the threshold on others of the same kind.

    Args:
        train: ``(n, d)`` embeddings of training pictures.
        held_out: ``(m, d)`` embeddings of pictures that took no part in training.
        centres: How many, but no more than one to 16 training pictures.
        needless: The share of held-out pictures that may lie beyond the threshold.
        seed: Decides where the centres begin.

    Returns:
        What was measured.
    """
    whiten = _whitening(train)
    white = train @ whiten
    generator = torch.Generator().manual_seed(seed)
    count = max(1, min(centres, len(train) // 16))
    places = white[torch.randperm(len(white), generator=generator)[:count]].clone()
    nearest = _nearest(white, places)
    for _ in range(_ROUNDS):
        members = torch.bincount(nearest, minlength=count).clamp_min(1)
        places = torch.zeros_like(places).index_add_(0, nearest, white) / members[:, None]
        nearest = _nearest(white, places)
    within = _whitening(white - places[nearest])
    known = Familiarity(whiten @ within, places @ within, torch.tensor(0.0))
    threshold = torch.quantile(known.distances(held_out), 1 - needless)
    return Familiarity(known.whiten, known.centres, threshold)


def _whitening(x: Tensor) -> Tensor:
    """A matrix that gives ``x`` unit covariance, but for directions in which hardly anything varies."""
    variance, directions = torch.linalg.eigh(torch.cov(x.T))
    whitening: Tensor = directions * variance.clamp_min(1e-6 * float(variance[-1])).rsqrt()
    return whitening


def _nearest(x: Tensor, places: Tensor) -> Tensor:
    return torch.cat([torch.cdist(part, places).argmin(1) for part in torch.split(x, 16384)])
