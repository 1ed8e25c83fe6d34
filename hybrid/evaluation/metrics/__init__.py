"""How near captions come to references: the field's metrics, in pure Python.

A metric is one file here with a function of tokenised captions and references, named in `METRICS`.
"""

from collections.abc import Callable, Sequence

from hybrid.evaluation.metrics.bleu import bleu
from hybrid.evaluation.metrics.cider import cider_d
from hybrid.evaluation.metrics.rouge import rouge_l
from hybrid.evaluation.metrics.words import Words, words_of

Metric = Callable[[Sequence[Words], Sequence[Sequence[Words]]], dict[str, float]]
METRICS: tuple[Metric, ...] = (bleu, rouge_l, cider_d)

__all__ = ["METRICS", "bleu", "cider_d", "rouge_l", "score_captions", "words_of"]


def score_captions(captions: Sequence[str], references: Sequence[Sequence[str]]) -> dict[str, float]:
    """Score captions by every metric.

    Args:
        captions: One a picture.
        references: What people wrote of each picture, one or more.

    Returns:
        ``bleu_1`` to ``bleu_4`` and ``rouge_l`` from 0 to 1, ``cider_d`` from 0 to 10.

    Raises:
        ValueError: If there are no captions, their numbers differ, or a picture has no reference.
    """
    if not captions or len(captions) != len(references):
        raise ValueError(
            f"captions and references must be as many, and at least one, but were {len(captions)} and "
            f"{len(references)}"
        )
    if not all(references):
        raise ValueError("references must hold at least one for every picture, but one was empty")
    said = [words_of(text) for text in captions]
    right = [[words_of(text) for text in texts] for texts in references]
    return {name: value for metric in METRICS for name, value in metric(said, right).items()}
