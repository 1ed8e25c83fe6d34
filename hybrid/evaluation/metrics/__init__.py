"""How near captions come to references: the field's metrics, in pure Python.

A metric is one file here with a function of `Texts`, named in `METRICS`; `of_words` makes one of a function
of words. Its scores then stand in every table and report. Other packages add theirs by the entry-point group
``hybrid.metrics``.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from hybrid.evaluation.metrics.bleu import bleu
from hybrid.evaluation.metrics.cider import cider_d
from hybrid.evaluation.metrics.rouge import rouge_l
from hybrid.evaluation.metrics.words import Units, Words, without_spaces, words_of
from hybrid.model.extensions import installed


@dataclass(frozen=True)
class Texts:
    """Captions and references, as they were written and as words.

    Attributes:
        captions: One a picture.
        references: One or more a picture.
        units: See `words_of`.
    """

    captions: Sequence[str]
    references: Sequence[Sequence[str]]
    units: Units = "words"

    @cached_property
    def said(self) -> list[Words]:
        """The captions as words."""
        return [words_of(text, self.units) for text in self.captions]

    @cached_property
    def right(self) -> list[list[Words]]:
        """The references as words."""
        return [[words_of(text, self.units) for text in texts] for texts in self.references]


Metric = Callable[[Texts], dict[str, float]]


def of_words(score: Callable[[Sequence[Words], Sequence[Sequence[Words]]], dict[str, float]]) -> Metric:
    """Make a metric of a function that compares words."""
    return lambda texts: score(texts.said, texts.right)


METRICS: tuple[Metric, ...] = (of_words(bleu), of_words(rouge_l), of_words(cider_d))
HEADLINE = "cider_d"  # the score that is shown where there is place for one

__all__ = [
    "HEADLINE",
    "METRICS",
    "Texts",
    "Units",
    "bleu",
    "cider_d",
    "of_words",
    "rouge_l",
    "score_captions",
    "without_spaces",
    "words_of",
]


def score_captions(
    captions: Sequence[str], references: Sequence[Sequence[str]], units: Units = "words"
) -> dict[str, float]:
    """Score captions by every metric.

    Args:
        captions: One a picture.
        references: What people wrote of each picture, one or more.
        units: What is compared: ``"words"``, or ``"characters"`` in scripts that put no spaces between words.

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
    texts = Texts(captions, references, units)
    others = [entry.load() for entry in installed("hybrid.metrics").values()]
    return {name: value for metric in (*METRICS, *others) for name, value in metric(texts).items()}
