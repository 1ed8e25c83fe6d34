"""Prompt and caption as token ids, as the tokenizer means them: what it makes of the two as one text."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Prompt:
    """A prompt on its way to token ids.

    Attributes:
        before: Text in front of the picture.
        text: Text behind it, to which a caption is joined.
        placed: Whether the prompt says where the picture is.
        literal: Whether control tokens in it are plain text.
        special: Whether the tokenizer's own tokens, such as that of the beginning, are added.
    """

    before: str
    text: str
    placed: bool
    literal: bool
    special: bool

    @property
    def options(self) -> dict[str, bool]:
        """How `encode` takes the text: the token of the beginning stands behind a picture in front."""
        return {"literal": self.literal, "special": self.special and not self.before}


def encode(tokenizer: Any, texts: Sequence[str], *, literal: bool, special: bool) -> list[list[int]]:
    """Token ids of texts that are not ended: without what the tokenizer puts behind a text."""
    if not texts:
        return []
    found = tokenizer(list(texts), split_special_tokens=literal, add_special_tokens=special)["input_ids"]
    behind = _behind(tokenizer) if special else 0
    return [ids[: len(ids) - behind] for ids in found]


def _behind(tokenizer: Any) -> int:
    """How many tokens the tokenizer puts behind a text, such as BERT's ``[SEP]``."""
    whole, plain = tokenizer("a")["input_ids"], tokenizer("a", add_special_tokens=False)["input_ids"]
    for start in range(len(whole) - len(plain) + 1):
        if whole[start : start + len(plain)] == plain:
            return len(whole) - len(plain) - start
    return 0


def joint(text: str, caption: str) -> str:
    """One text of a prompt without spaces at its end and a caption: a space apart, but after a line's end."""
    return f"{text}{' ' * bool(text and not text[-1].isspace())}{caption}"


def tails(tokenizer: Any, prompt: Prompt, captions: Sequence[str]) -> list[list[int]]:
    """Token ids of captions behind a prompt: those of the joined text after the prompt's own.

    A tokenizer that joins the prompt's last letters with the caption's first cannot part the two; there the
    caption is encoded by itself. So it is where it spells a control token that the prompt may hold.
    """
    (head,) = encode(tokenizer, [prompt.text], **prompt.options)
    found = []
    whole = encode(tokenizer, [joint(prompt.text, caption) for caption in captions], **prompt.options)
    for caption, ids in zip(captions, whole, strict=True):
        if ids[: len(head)] == head and (prompt.literal or not control_tokens_in(tokenizer, caption)):
            found.append(ids[len(head) :])
        else:
            alone = joint(prompt.text, caption)[len(prompt.text) :]
            found += encode(tokenizer, [alone], literal=True, special=False)
    return found


def control_tokens_in(tokenizer: Any, text: str) -> list[str]:
    """The control tokens that a text spells."""
    added = tokenizer.added_tokens_decoder.values()
    names = {str(token) for token in added if token.special} | set(tokenizer.all_special_tokens)
    return sorted(name for name in names if name in text)
