"""Captions as words, nearly as the Java tool of COCO's evaluation makes them.

That tool (Stanford's PTBTokenizer, then a list of punctuation to drop) is not needed here. What differs:
"cannot" and "gonna" stay whole; abbreviations lose their dots ("u.s." becomes "u s"); fractions and times are
parted at their signs; every kind of punctuation is dropped, where the tool keeps some ("&", "%", "$").
Letters, plain numbers, contractions ("don't" is "do n't", "dog's" is "dog 's") and words with hyphens are
alike.

A letter's combining marks, such as Hindi's vowel signs, belong to the word, and composed and decomposed
letters are the same. Chinese, Japanese, Thai, Lao, Khmer and Burmese put no spaces between words: a run of
their letters is one word, unless every character is asked to be one.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Literal

Words = tuple[str, ...]
Units = Literal["words", "characters"]

_JOINERS = "\u200c\u200d"  # within words of Persian and of India's scripts
_UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
    "\uff66-\uff9f\U00020000-\U0003ffff"
)
_RUN = re.compile(f"[{_UNSPACED}]{{2}}")
_CONTRACTION = re.compile(r"^(.+?)(n't|'s|'re|'ve|'ll|'d|'m)$")
_MARKS = (range(0x300, 0x1F000), range(0xE0100, 0xE01F0))  # where combining marks are
_OFTEN = 0.1  # the share of words from which on a text counts as one without spaces


@cache
def _patterns() -> dict[Units, re.Pattern[str]]:
    """How words are found; Python's expressions know no combining marks, so their ranges are spelt out."""
    codes = (code for codes in _MARKS for code in codes if unicodedata.category(chr(code))[0] == "M")
    marks = _ranges(codes) + _JOINERS
    spaced = f"(?![{_UNSPACED}])"

    def word(first: str, letter: str) -> str:
        return f"{first}{letter}*(?:-{letter}+)*(?:'{letter}+)*"

    others = word(rf"{spaced}\w", rf"(?:{spaced}[\w{marks}])")
    single = rf"(?=[{_UNSPACED}])\w[{marks}]*"
    return {
        "words": re.compile(word(r"\w", rf"[\w{marks}]")),
        "characters": re.compile(f"{single}|{others}"),
    }


def _ranges(codes: Iterable[int]) -> str:
    """Character codes as the inside of a regular expression's brackets."""
    runs: list[list[int]] = []
    for code in codes:
        if runs and runs[-1][1] == code - 1:
            runs[-1][1] = code
        else:
            runs.append([code, code])
    return "".join(f"{chr(first)}-{chr(last)}" for first, last in runs)


def words_of(text: str, units: Units = "words") -> Words:
    """Part a caption into lower-case words without punctuation.

    Args:
        text: The caption.
        units: ``"characters"`` makes a word of every character, with its marks, of the scripts that put no
            spaces between words; other scripts are parted as ever.

    Returns:
        The words.
    """
    plain = unicodedata.normalize("NFC", text.lower().replace("\u2019", "'").replace("\u00ad", ""))
    found: list[str] = []
    for word in _patterns()[units].findall(plain):
        parted = _CONTRACTION.match(word)
        found += parted.groups() if parted else [word]
    return tuple(found)


def without_spaces(texts: Iterable[str]) -> bool:
    """Whether texts are in a script without spaces between words, so that parting them needs a choice."""
    words = [word for text in texts for word in text.split()]
    return sum(_RUN.search(word) is not None for word in words) > _OFTEN * len(words)


def ngrams(words: Sequence[str], longest: int = 4) -> Counter[Words]:
    """Count the runs of one to so many words."""
    return Counter(tuple(words[i : i + n]) for n in range(1, longest + 1) for i in range(len(words) - n + 1))
