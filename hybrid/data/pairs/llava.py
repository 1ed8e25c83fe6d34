"""LLaVA's conversations: rows with ``image`` and ``conversations``, in a JSON list or in JSONL.

Every answer is a caption, and what came before it in the conversation is its prompt. The same in the form
``messages`` with ``role`` and ``content`` is read too.
"""

import re
from collections.abc import Iterator
from typing import Any

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.rows import Rows
from hybrid.data.pairs.source import Source

FORM = "LLaVA conversations .json"
_PICTURE = re.compile(r"\s*<image>\s*")
_ASKS, _ANSWERS = ("human", "user", "system"), ("gpt", "assistant", "model")
_LOOKED_AT = 100  # rows, of which one must have a conversation; the others are told of as faults
_NOT_READ = "must have image, a path in quotes, and conversations of turns with from and value"


def matches(source: Source) -> bool:
    """Whether its rows have conversations."""
    if source.ending not in (".json", ".jsonl", ".ndjson"):
        return False
    return any(isinstance(row, dict) and _turns(row) for _, row in (source.rows or [])[:_LOOKED_AT])


def read(source: Source) -> Iterator[Pair]:
    """Read conversations; those without a picture are left out with a note."""
    out, texts = Rows(source), 0
    for place, row in source.rows or []:
        image = row.get("image") if isinstance(row, dict) else 0
        if isinstance(image, list) and len(image) == 1:
            image = image[0]
        if image is None or image == "":
            texts += 1
            continue
        try:
            if not isinstance(image, str):
                raise TypeError
            turns = _answers(row)
        except (KeyError, TypeError):
            out.faults.append(f"{place}: {_NOT_READ}")
            continue
        if not turns:
            out.faults.append(f"{place}: the conversation has no answer")
        split = row.get("split")
        out.add(place, image, (a for _, a in turns), split or None, (q for q, _ in turns))
    if texts:
        source.note(f"{texts} conversations are left out: they have no picture")
    yield from out.pairs()


def _turns(row: dict[str, Any]) -> Any:
    return row.get("conversations") or row.get("messages")


def _answers(row: dict[str, Any]) -> list[tuple[str, str]]:
    """Every answer, after all that was said before it."""
    said: list[str] = []
    found = []
    for turn in _turns(row) or ():
        who = turn["from"] if "from" in turn else turn["role"]
        text = turn["value"] if "value" in turn else turn["content"]
        if not isinstance(text, str) or who not in (*_ASKS, *_ANSWERS):
            raise TypeError
        text = _PICTURE.sub("\n", text).strip()
        if who in _ANSWERS:
            found.append(("\n".join(said), text))
        said.append(text)
    return found
