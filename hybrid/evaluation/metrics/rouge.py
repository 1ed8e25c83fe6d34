"""ROUGE-L (Lin, 2004): the longest run of words, gaps allowed, that caption and reference share."""

from collections.abc import Sequence

from hybrid.evaluation.metrics.words import Words

_BETA = 1.2  # recall weighs more than precision; COCO's choice


def rouge_l(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> dict[str, float]:
    """Score every caption against the reference that is best for it, in precision and in recall.

    Args:
        captions: One a picture.
        references: One or more a picture.

    Returns:
        ``rouge_l``, the mean over captions.
    """
    scores = [_score(said, texts) for said, texts in zip(captions, references, strict=True)]
    return {"rouge_l": sum(scores) / len(scores)}


def _score(said: Words, texts: Sequence[Words]) -> float:
    shared = [_shared(said, text) for text in texts]
    precision = max(n / len(said) if said else 0.0 for n in shared)
    recall = max(n / len(text) if text else 0.0 for n, text in zip(shared, texts, strict=True))
    if precision == 0 or recall == 0:
        return 0.0
    return (1 + _BETA**2) * precision * recall / (recall + _BETA**2 * precision)


def _shared(one: Words, other: Words) -> int:
    """Length of the longest common subsequence."""
    lengths = [0] * (len(other) + 1)
    for word in one:
        before = 0
        for i, candidate in enumerate(other, 1):
            above = lengths[i]
            lengths[i] = before + 1 if word == candidate else max(above, lengths[i - 1])
            before = above
    return lengths[-1]
