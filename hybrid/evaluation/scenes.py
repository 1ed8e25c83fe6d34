"""How good captions of drawn scenes are, and whether the picture is used at all."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

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
        features: ``(n, vision_hidden_size)``.
        token: One of `TOKENS`.
        seed: Decides the shuffling, which leaves no token in its place.
        batch_size: Pictures at a time.

    Returns:
        ``(n, n_tokens, hidden_size)`` on the model's device.
    """
    parts = [features[i : i + batch_size] for i in range(0, len(features), batch_size)]
    tokens = torch.cat([model.connector(torch.from_numpy(part).to(model.device)) for part in parts])
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
        features: ``(n, vision_hidden_size)``.
        token: One of `TOKENS`.
        seed: Decides the shuffling.
        batch_size: Captions at a time.
        max_new_tokens: Longest caption, in tokens.
        **generation: Passed on to ``generate``.

    Returns:
        ``n`` captions.
    """
    model.eval()
    tokens = vision_tokens(model, features, token, seed)
    ids = torch.tensor([processor.prompt_ids()], device=model.device)
    options = {"max_new_tokens": max_new_tokens, "do_sample": False} | generation
    texts: list[str] = []
    for i in range(0, len(tokens), batch_size):
        part = tokens[i : i + batch_size]
        asked = ids.expand(len(part), -1)
        out = model.generate(
            input_ids=asked, attention_mask=torch.ones_like(asked), vision_tokens=part, **options
        )
        texts += processor.tokenizer.batch_decode(out[:, ids.shape[1] :], skip_special_tokens=True)
    return [text.strip() for text in texts]


def _derangement(n: int, seed: int) -> Tensor:
    """A permutation that leaves nothing in its place: a random cycle."""
    order = torch.from_numpy(np.random.default_rng(seed).permutation(n))
    moved = torch.empty_like(order)
    moved[order] = order.roll(1)
    return moved
