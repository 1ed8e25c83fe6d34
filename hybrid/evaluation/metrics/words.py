"""Captions as words, nearly as the Java tool of COCO's evaluation makes them.

That tool (Stanford's PTBTokenizer, then a list of punctuation to drop) is not needed here. What differs:
"cannot" and "gonna" stay whole; abbreviations lose their dots ("u.s." becomes "u s"); fractions and times are
parted at their signs; every kind of punctuation is dropped, where the tool keeps some ("&", "%", "$").
Letters, plain numbers, contractions ("don't" is "do n't", "dog's" is "dog 's") and words with hyphens are
alike.
"""

import re
from collections import Counter
from collections.abc import Sequence

Words = tuple[str, ...]

_WORD = re.compile(r"\w+(?:-\w+)*(?:'\w+)*")
_CONTRACTION = re.compile(r"^(.+?)(n't|'s|'re|'ve|'ll|'d|'m)$")


def words_of(text: str) -> Words:
    """Part a caption into lower-case words without punctuation."""
    plain = text.lower().replace("\u2019", "'")
    found: list[str] = []
    for word in _WORD.findall(plain):
        parted = _CONTRACTION.match(word)
        found += parted.groups() if parted else [word]
    return tuple(found)


def ngrams(words: Sequence[str], longest: int = 4) -> Counter[Words]:
    """Count the runs of one to so many words."""
    return Counter(tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1))
