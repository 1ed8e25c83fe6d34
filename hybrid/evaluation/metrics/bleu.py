"""BLEU (Papineni et al., 2002): the share of a caption's n-grams that a reference has, over all captions."""

import math
from collections import Counter
from collections.abc import Sequence

from hybrid.evaluation.metrics.words import Words, ngrams


def bleu(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> dict[str, float]:
    """Score all captions together.

    N-gram counts are clipped to the most in any one reference. The brevity penalty uses, for every caption,
    the reference of the nearest length, the shorter of two.

    Args:
        captions: One a picture.
        references: One or more a picture.

    Returns:
        ``bleu_1`` to ``bleu_4``, without smoothing.
    """
    right, said = [0] * 4, [0] * 4
    length = wanted = 0
    for caption, texts in zip(captions, references, strict=True):
        most: Counter[Words] = Counter()
        for text in texts:
            most |= ngrams(text)
        for ngram, count in ngrams(caption).items():
            said[len(ngram) - 1] += count
            right[len(ngram) - 1] += min(count, most[ngram])
        length += len(caption)
        wanted += min((abs(len(text) - len(caption)), len(text)) for text in texts)[1]
    penalty = 1.0 if length >= wanted else math.exp(1 - wanted / length) if length else 0.0
    scores, product = {}, 1.0
    for n in range(4):
        product *= right[n] / said[n] if said[n] else 0.0
        scores[f"bleu_{n + 1}"] = penalty * product ** (1 / (n + 1))
    return scores
