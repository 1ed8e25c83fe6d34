"""CIDEr-D (Vedantam et al., 2015): n-grams weighed by how rare they are among all references."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from hybrid.evaluation.metrics.words import Words, ngrams

_SIGMA = 6.0


@dataclass(frozen=True)
class _Vector:
    weights: tuple[dict[Words, float], ...]  # by the n-grams' length
    norms: tuple[float, ...]
    length: int


def cider_d(captions: Sequence[Words], references: Sequence[Sequence[Words]]) -> dict[str, float]:
    """Score every caption against all references of its picture.

    An n-gram's weight falls with the number of pictures whose references have it, so a caption's score
    depends on the other pictures, and one picture alone scores 0. As in COCO's evaluation, the length the
    penalty compares is that in pairs of words.

    Args:
        captions: One a picture.
        references: One or more a picture.

    Returns:
        ``cider_d``, the mean over captions, from 0 to 10.
    """
    score = scorer(references)
    if len(captions) != len(references):
        raise ValueError(f"captions must be one a picture, {len(references)}, but were {len(captions)}")
    return {"cider_d": sum(map(score, range(len(captions)), captions)) / len(captions)}


def scorer(references: Sequence[Sequence[Words]]) -> Callable[[int, Words], float]:
    """What scores one caption at a time, for pictures that are captioned again and again.

    Args:
        references: One or more a picture.

    Returns:
        A function of a picture's number and a caption of it; `cider_d` is its mean.
    """
    vector = _vectors(references)
    known = [[vector(text) for text in texts] for texts in references]

    def score(picture: int, caption: Words) -> float:
        said, texts = vector(caption), known[picture]
        return 10 * sum(_likeness(said, text) for text in texts) / len(texts)

    return score


def agreement(references: Sequence[Sequence[Words]]) -> list[list[float]]:
    """How like the other references of its picture each reference is, as `cider_d` has it, from 0 to 1.

    Args:
        references: One or more a picture.

    Returns:
        A number a reference; 0 where a picture has no other.
    """
    vector = _vectors(references)
    found = []
    for texts in references:
        all_ = [vector(text) for text in texts]
        others = max(1, len(texts) - 1)
        found.append(
            [sum(_likeness(mine, other) for other in all_ if other is not mine) / others for mine in all_]
        )
    return found


def _vectors(references: Sequence[Sequence[Words]]) -> Callable[[Words], _Vector]:
    """What makes a vector of a text: its n-grams, weighed by how rare they are among these."""
    pictures: Counter[Words] = Counter()
    for texts in references:
        pictures.update({ngram for text in texts for ngram in ngrams(text)})
    whole = math.log(len(references))

    def vector(words: Words) -> _Vector:
        weights: tuple[dict[Words, float], ...] = ({}, {}, {}, {})
        for ngram, count in ngrams(words).items():
            weights[len(ngram) - 1][ngram] = count * (whole - math.log(max(1, pictures[ngram])))
        norms = tuple(math.sqrt(sum(w * w for w in part.values())) for part in weights)
        return _Vector(weights, norms, max(0, len(words) - 1))

    return vector


def _likeness(said: _Vector, text: _Vector) -> float:
    """Mean over n of the cosine with clipped counts, less where the lengths differ."""
    cosines = 0.0
    for mine, theirs, a, b in zip(said.weights, text.weights, said.norms, text.norms, strict=True):
        if a and b:
            shared = sum(min(w, theirs.get(ngram, 0.0)) * theirs.get(ngram, 0.0) for ngram, w in mine.items())
            cosines += shared / (a * b)
    return cosines / 4 * math.exp(-((said.length - text.length) ** 2) / (2 * _SIGMA**2))
