"""From pictures to captions in one call."""

import os
import warnings
from collections.abc import Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, closing, nullcontext
from functools import partial
from itertools import islice
from typing import Any, overload

import torch
from PIL import Image
from torch import Tensor

from hybrid.data.ahead import map_ahead
from hybrid.data.images import ImageError, Source, open_image, source_name
from hybrid.data.results import Result
from hybrid.inference.out_of_distribution import Detector
from hybrid.inference.prompting import Look, Question, at_least_one
from hybrid.inference.threads import is_small, one_thread
from hybrid.loading.load import load
from hybrid.model.errors import OptionError
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.model.processing import HybridProcessor

_Read = tuple[str, Look | ImageError]  # a picture's name, and what was seen or why there is nothing
# A batch, the features of the pictures in it, and whether each of them is strange.
_Seen = tuple[list[_Read], Tensor | None, list[bool]]


Model = str | os.PathLike[str] | tuple[HybridForConditionalGeneration, HybridProcessor] | None


@overload
def caption(
    images: Source,
    *,
    model: Model = None,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    backend: str | None = None,
    chat: bool | None = None,
    **generation: Any,
) -> str: ...


@overload
def caption(
    images: Sequence[Source],
    *,
    model: Model = None,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    backend: str | None = None,
    chat: bool | None = None,
    **generation: Any,
) -> list[str]: ...


def caption(
    images: Source | Sequence[Source],
    *,
    model: Model = None,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    backend: str | None = None,
    chat: bool | None = None,
    **generation: Any,
) -> Any:
    """Caption one picture or many.

    Args:
        images: A path, a binary stream or a PIL picture; or a sequence of them.
        model: What `hybrid.load` takes, or what it returned (then ``device`` and ``backend`` are not used).
            The bundled miniature by default; load once and pass the pair when calling often.
        prompt: What to ask; the model's own default prompt if left out.
        max_new_tokens: Longest caption, in tokens.
        batch_size: Pictures at a time.
        device: Where to run.
        backend: Who runs the quantum circuit: ``"jax"`` or a PennyLane device.
        chat: Whether the prompt is put into the language model's chat template; as the model is set if left
            out.
        **generation: Passed on to transformers' ``generate``, such as ``num_beams=3``. Greedy by default.

    Returns:
        A caption for one picture, a list of them for a sequence. With ``num_return_sequences`` above 1, a
        list of captions in the place of each caption, the likeliest first.

    Raises:
        ImageError: If a picture cannot be read.
        ModelError: If the model cannot be loaded.
        OptionError: If an option is not allowed, the model is neither a name nor such a pair, or prompt and
            caption exceed the model's context.

    Warns:
        UserWarning: If the model's connector has not been trained, or pictures are unlike all that the model
            was trained on, where it can tell.

    Example:
        >>> import hybrid
        >>> hybrid.caption("img.jpg")  # doctest: +SKIP
        'a small red circle to the left of a large blue square'
    """
    single = _is_one(images)
    sources: Sequence[Any] = [images] if single else list(images)  # type: ignore[arg-type]
    pair = _pair(model) or load(model, device=device, backend=backend)  # type: ignore[arg-type]
    if pair[0].config.connector_trained is False:
        warnings.warn(
            "the connector of this model has not been trained, so what it says of a picture means nothing; "
            "train it with hybrid train",
            stacklevel=2,
        )
    detector = Detector.load(pair[0].config.name_or_path)
    question = Question(*pair, prompt, max_new_tokens, generation, chat=chat, detector=detector)
    pictures = (open_image(source) for source in sources)
    answers = list(_answers(question, pictures, batch_size))
    said: list[Any] = [texts for texts, _ in answers]
    if strange := sum(unfamiliar for _, unfamiliar in answers):
        warnings.warn(
            f"{strange} of {len(said)} pictures are unlike anything this model was trained on, so what it "
            "says of them means nothing; for photographs run hybrid download photos and give model='photos'",
            stacklevel=2,
        )
    if (generation.get("num_return_sequences") or 1) == 1:
        said = [texts[0] for texts in said]
    return said[0] if single else said


def _is_one(images: Any) -> bool:
    """Whether this is one picture; what is none, such as an array, is one that `open_image` refuses."""
    if isinstance(images, (str, os.PathLike, Image.Image, bytes, bytearray)) or not isinstance(
        images, Iterable
    ):
        return True
    return hasattr(images, "read") or hasattr(images, "shape")


def _pair(model: Any) -> tuple[HybridForConditionalGeneration, HybridProcessor] | None:
    """A model and its processor; `None` for the name of one."""
    if model is None or isinstance(model, (str, os.PathLike)):
        return None
    if isinstance(model, (tuple, list)) and len(model) == 2:
        first, second = model
        if hasattr(first, "generate") and hasattr(second, "prompt_ids"):
            return first, second
    raise OptionError(
        "model",
        "must be a name, a folder, or what hybrid.load returns, (model, processor), but was of type "
        f"{type(model).__name__}",
    )


def caption_pictures(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    pictures: Iterable[Image.Image],
    *,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    chat: bool | None = None,
    **generation: Any,
) -> Iterator[list[str]]:
    """Caption pictures as they come, a batch at a time.

    Args:
        model: The captioner.
        processor: Its processor.
        pictures: RGB pictures; only a batch of them is held at a time.
        prompt: What to ask; the processor's default if left out.
        max_new_tokens: Longest caption, in tokens.
        batch_size: Pictures at a time.
        chat: As for `caption`.
        **generation: Passed on to ``generate``.

    Yields:
        The captions of each picture, in order: ``num_return_sequences`` of them, one by default.

    Raises:
        OptionError: If a number is below 1, or prompt and caption exceed the model's context.
    """
    question = Question(model, processor, prompt, max_new_tokens, generation, chat=chat)
    yield from (texts for texts, _ in _answers(question, pictures, batch_size))


def _answers(
    question: Question, pictures: Iterable[Image.Image], batch_size: int
) -> Iterator[tuple[list[str], bool]]:
    """Answers to each picture, and whether it is strange, a batch at a time."""
    at_least_one("batch_size", batch_size)
    seen = map(question.look_at, pictures)
    while batch := list(islice(seen, batch_size)):
        features, strange = question.see(batch)
        yield from zip(question.answers(features), strange, strict=True)


def caption_files(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    sources: Iterable[Source],
    *,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    workers: int = 2,
    detector: Detector | None = None,
    chat: bool | None = None,
    **generation: Any,
) -> Iterator[Result]:
    """Caption any number of files: one that cannot be read is one error, and the others are done.

    Files are read and scaled in threads while the model is at work on those before them. A small model looks
    at a batch in a thread, too, while it speaks of the one before; see `hybrid.inference.threads`.

    Args:
        model: The captioner.
        processor: Its processor.
        sources: Paths, streams or pictures.
        prompt: As for `caption_pictures`.
        max_new_tokens: As for `caption_pictures`.
        batch_size: As for `caption_pictures`.
        workers: Threads that read.
        detector: Of pictures unlike all that the model has seen, to mark their results.
        chat: As for `caption`.
        **generation: Passed on to ``generate``.

    Yields:
        One result a source, in order. At most four batches are held at a time.

    Raises:
        OptionError: As `caption_pictures`.
    """
    at_least_one("batch_size", batch_size)
    question = Question(model, processor, prompt, max_new_tokens, generation, chat=chat, detector=detector)

    def read(source: Source) -> _Read:
        name = source_name(source)
        try:
            return name, question.look_at(open_image(source))
        except ImageError as error:
            return name, error

    small = is_small(model)
    threads = partial(one_thread, torch.get_num_threads()) if small else nullcontext

    def see(batch: list[_Read]) -> _Seen:
        looks = [found for _, found in batch if isinstance(found, Look)]
        with threads():
            return batch, *(question.see(looks) if looks else (None, []))

    with ExitStack() as stack:
        found = stack.enter_context(closing(map_ahead(read, sources, workers=workers, ahead=2 * batch_size)))
        batches = stack.enter_context(closing(_batches(found, batch_size)))
        seen: Iterable[_Seen] = map(see, batches)
        if small:  # others look and speak with all threads they get, and would be in their own way
            seen = stack.enter_context(closing(map_ahead(see, batches, workers=1, ahead=1)))
        for batch, features, strange in seen:
            texts: list[list[str]] = []
            if features is not None:
                with threads():
                    texts = question.answers(features)
            yield from _results(batch, texts, strange)


def _batches(read: Iterable[_Read], size: int) -> Generator[list[_Read]]:
    """Batches of so many pictures; an error among them waits for the pictures before it only."""
    batch: list[_Read] = []
    pictures = 0
    for name, found in read:
        batch.append((name, found))
        pictures += isinstance(found, Look)
        if pictures in (0, size):
            yield batch
            batch, pictures = [], 0
    if batch:
        yield batch


def _results(batch: list[_Read], texts: Iterable[list[str]], strange: Iterable[bool]) -> Iterator[Result]:
    answers = zip(texts, strange, strict=True)
    for name, found in batch:
        if isinstance(found, ImageError):
            yield Result(name, error=found.reason)
        else:
            (first, *others), unfamiliar = next(answers)
            yield Result(name, first, unfamiliar=unfamiliar, others=tuple(others))
