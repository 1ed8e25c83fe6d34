"""Captions from cached features of drawn scenes, also with shuffled or zero vision tokens."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from hybrid.inference.prompting import Question
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor

# What the language model is given: its picture's token, another picture's, or zeros. The last two say how
# much is guessed from language alone.
TOKENS = ("picture", "shuffled", "zeroed")


@torch.inference_mode()
def vision_tokens(
    model: HybridForConditionalGeneration,
    features: np.ndarray,
    token: str = "picture",
    seed: int = 0,
    batch_size: int = 250,
) -> Tensor:
    """Make vision tokens of cached embeddings.

    Args:
        model: Whose connector is used.
        features: ``(n, ...)``, see `HybridForConditionalGeneration.vision_features`.
        token: One of `TOKENS`.
        seed: Decides the shuffling, which leaves no token in its place.
        batch_size: Pictures at a time.

    Returns:
        ``(n, n_tokens, hidden_size)`` on the model's device.
    """
    parts = [features[i : i + batch_size] for i in range(0, len(features), batch_size)]
    tokens = torch.cat([model.vision_tokens(torch.from_numpy(part).to(model.device)) for part in parts])
    if token == "shuffled":
        tokens = tokens[_derangement(len(tokens), seed)]
    elif token == "zeroed":
        tokens = torch.zeros_like(tokens)
    return tokens


@torch.inference_mode()
def captions_of_features(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    features: np.ndarray,
    token: str = "picture",
    seed: int = 0,
    batch_size: int = 250,
    max_new_tokens: int = 32,
    **generation: Any,
) -> list[str]:
    """Caption pictures from their cached embeddings, greedily.

    Args:
        model: The captioner.
        processor: Its processor, for the default prompt and the tokenizer.
        features: ``(n, ...)``, see `HybridForConditionalGeneration.vision_features`.
        token: One of `TOKENS`.
        seed: Decides the shuffling.
        batch_size: Captions at a time.
        max_new_tokens: Longest caption, in tokens.
        **generation: Passed on to ``generate``.

    Returns:
        ``n`` captions, as `hybrid.inference.captioning` gives them.

    Raises:
        OptionError: As `hybrid.inference.prompting.Question`.
    """
    question = Question(model, processor, None, max_new_tokens, generation)
    model.eval()
    tokens = vision_tokens(model, features, token, seed)
    texts: list[str] = []
    for i in range(0, len(tokens), batch_size):
        texts += [said[0] for said in question.answers(tokens[i : i + batch_size], "vision_tokens")]
    return texts


def _derangement(n: int, seed: int) -> Tensor:
    """A permutation that leaves nothing in its place: a random cycle."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    moved = torch.empty_like(order)
    moved[order] = order.roll(1)
    return moved
