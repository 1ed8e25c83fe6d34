"""Which captions are learnt from, and how they are written."""

from collections.abc import Sequence
from dataclasses import replace

from hybrid.data.pairs import Pair
from hybrid.evaluation.metrics.cider import agreement
from hybrid.evaluation.metrics.words import words_of


def choose_captions(
    pairs: Sequence[Pair], *, agreeing: int = 0, longest: int = 0, plain: bool = False
) -> list[Pair]:
    """Choose among the captions of each picture.

    People see different things in a picture. What most of them say is in the picture more surely, and a
    caption's score is how like theirs it is; so a short training does better to leave the odd ones out.

    Args:
        pairs: Pictures and captions. Those whose captions answer questions keep them all.
        agreeing: Keep so many captions of a picture, those most like its others by CIDEr-D; all if 0.
        longest: Leave out captions of more words, unless a picture has no other; none if 0.
        plain: Write captions in lower case, without full stops at their end.

    Returns:
        The pictures in their order.
    """
    if agreeing or longest:
        words = [[words_of(caption, "words") for caption in pair.captions] for pair in pairs]
        scores = agreement(words) if words else []
        pairs = [
            pair if pair.prompts else _best(pair, texts, found, agreeing, longest)
            for pair, texts, found in zip(pairs, words, scores, strict=True)
        ]
    if plain:
        pairs = [replace(pair, captions=tuple(map(_plain, pair.captions))) for pair in pairs]
    return list(pairs)


def _best(
    pair: Pair, texts: Sequence[Sequence[str]], scores: Sequence[float], agreeing: int, longest: int
) -> Pair:
    order = sorted(range(len(texts)), key=lambda i: -scores[i])
    short = [i for i in order if not longest or len(texts[i]) <= longest] or order[:1]
    return replace(pair, captions=tuple(pair.captions[i] for i in short[: agreeing or None]))


def _plain(caption: str) -> str:
    """Lower case, single spaces, no full stop at the end; a caption of stops alone stays."""
    return " ".join(caption.lower().split()).rstrip(" .") or caption
