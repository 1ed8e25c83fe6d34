"""Streaming: words of a caption as they are generated."""

from collections.abc import Iterable, Iterator
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import torch
from PIL import Image
from torch import Tensor
from transformers import TextStreamer

from hybrid.inference.prompting import Question
from hybrid.model.errors import OptionError
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor


def stream_caption(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    picture: Image.Image,
    *,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    chat: bool | None = None,
    **generation: Any,
) -> Iterator[str]:
    """Caption one picture, word by word as the words come.

    Args:
        model: The captioner.
        processor: Its processor.
        picture: An RGB picture.
        prompt: As for `caption_pictures`.
        max_new_tokens: As for `caption_pictures`.
        chat: As for `caption_pictures`.
        **generation: Passed on to ``generate``; beams cannot be streamed.

    Yields:
        Pieces that make up the caption when joined. A caller that stops early stops the model, too.

    Raises:
        OptionError: As `caption_pictures`, or for beams.
    """
    for name in ("num_beams", "num_return_sequences"):
        if (generation.get(name) or 1) > 1:
            raise OptionError(
                name, "must be 1 to stream, since what is best is only known at the end; leave it out"
            )
    question = Question(model, processor, prompt, max_new_tokens, generation, chat=chat)
    yield from stream_answer(question, question.features([question.look_at(picture)]))


def stream_answer(question: Question, seen: Tensor, form: str = "vision_features") -> Iterator[str]:
    """Answer a question of one picture, as `stream_caption` does.

    Args:
        question: What to ask.
        seen: ``(1, ...)``; see `Question.generate`.
        form: See `Question.generate`.

    Yields:
        Pieces that make up the answer when joined.
    """
    pieces: SimpleQueue[str | BaseException | None] = SimpleQueue()
    stopped = Event()

    class Pieces(TextStreamer):  # type: ignore[misc]
        def on_finalized_text(self, text: str, stream_end: bool = False) -> None:  # noqa: ARG002
            pieces.put(text)

    def stop(ids: Tensor, _scores: Any) -> Tensor:
        return ids.new_full(ids.shape[:1], stopped.is_set(), dtype=torch.bool)

    def generate() -> None:
        try:
            question.generate(
                seen,
                form,
                streamer=Pieces(question.processor.tokenizer, skip_prompt=True, skip_special_tokens=True),
                stopping_criteria=[stop],
            )
            pieces.put(None)
        except BaseException as error:  # it is the caller's
            pieces.put(error)

    # No daemon thread: Python must not exit while torch computes, and a signal may arrive at any time.
    thread = Thread(target=generate)
    try:
        thread.start()
        yield from _on_one_line(_until_none(pieces))
    finally:
        stopped.set()
        if thread.is_alive():
            thread.join()


def _until_none(pieces: "SimpleQueue[str | BaseException | None]") -> Iterator[str]:
    while (piece := pieces.get()) is not None:
        if isinstance(piece, BaseException):
            raise piece
        yield piece


def _on_one_line(pieces: Iterable[str]) -> Iterator[str]:
    """Pieces of ``" ".join("".join(pieces).split())``."""
    begun = gap = False
    for piece in pieces:
        words = piece.split()
        gap = gap or piece[:1].isspace()
        if words:
            yield " " * (begun and gap) + " ".join(words)
            begun, gap = True, piece[-1].isspace()
