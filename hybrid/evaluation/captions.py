"""Scores of a model's captions, and how far they depend on the pictures."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch

from hybrid.data.caption_dataset import PairDataset
from hybrid.data.pairs import DataError, Pair
from hybrid.evaluation.metrics import Units, score_captions, without_spaces
from hybrid.evaluation.scenes import TOKENS, captions_of_features, vision_tokens
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor


def evaluate(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    pairs: Sequence[Pair],
    features: np.ndarray,
    *,
    batch_size: int = 32,
    tokens: Sequence[str] = TOKENS,
    units: Units = "words",
    with_perplexity: bool = True,
    log: Callable[[str], None] = lambda _: None,
    **generation: Any,
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Score a model on pictures with references.

    Args:
        model: The captioner.
        processor: Its processor.
        pairs: Pictures and what people wrote of them.
        features: ``(n, vision_hidden_size)`` of the pictures.
        batch_size: Captions at a time.
        tokens: Which of `hybrid.evaluation.scenes.TOKENS` to try; others than ``"picture"`` say how much
            of the score language alone would give.
        units: What metrics compare, see `hybrid.evaluation.metrics.score_captions`.
        with_perplexity: Whether the references are scored, too: it takes longer than the captions.
        log: Called with a line before each step.
        **generation: Passed on to ``generate``.

    Returns:
        For each token the scores: those of `hybrid.evaluation.metrics.score_captions`, and ``perplexity``,
        that of the references, a token of theirs each, their ends included. And the captions of the pictures.

    Raises:
        DataError: If a reference exceeds the model's context or answers a question of its own, or a single
            picture is to be shuffled.
    """
    if any(pair.prompts for pair in pairs):
        raise DataError(
            "data: its captions answer questions of their own, which is not scored; give captions"
        )
    if "shuffled" in tokens and len(pairs) < 2:
        raise DataError(
            "data: must have at least 2 pictures to shuffle, but had 1; leave the picture check out"
        )
    if units == "words" and without_spaces(text for pair in pairs for text in pair.captions):
        log(
            "note: the references put no spaces between words, so a run of letters counts as one word; to "
            "compare characters, use --units characters"
        )
    context = model.config.context
    data = PairDataset(pairs, features, processor, context)
    references = [pair.captions for pair in pairs]
    scores: dict[str, dict[str, float]] = {}
    captions: list[str] = []
    for token in tokens:
        log(f"captions with {'their own' if token == 'picture' else 'a ' + token} vision token")
        said = captions_of_features(model, processor, features, token, batch_size=batch_size, **generation)
        scores[token] = score_captions(said, references, units)
        if with_perplexity:
            scores[token]["perplexity"] = perplexity(model, data, token, batch_size)
        if token == "picture":
            captions = said
    return scores, captions


@torch.inference_mode()
def perplexity(
    model: HybridForConditionalGeneration, data: PairDataset, token: str = "picture", batch_size: int = 32
) -> float:
    """Perplexity of the references.

    Args:
        model: The captioner.
        data: Pictures and references.
        token: One of `hybrid.evaluation.scenes.TOKENS`.
        batch_size: References at a time.

    Returns:
        The exponential of the mean cross-entropy of a token.
    """
    model.eval()
    seen = vision_tokens(model, data.features, token)
    total, count = 0.0, 0
    for i in range(0, len(data), batch_size):
        rows = list(range(i, min(i + batch_size, len(data))))
        batch = {name: rows.to(model.device) for name, rows in data.__getitems__(rows).items()}
        del batch["vision_features"]
        out = model(**batch, vision_tokens=seen[torch.from_numpy(data.pictures[rows])])
        n = int((batch["labels"] >= 0).sum())
        assert out.loss is not None
        total += float(out.loss) * n
        count += n
    return math.exp(min(total / count, 700.0))
