"""From pictures to captions in one call."""

import os
from collections.abc import Iterable, Iterator, Sequence
from typing import IO, Any

import torch
from PIL import Image

from hybrid.images import open_image
from hybrid.loading import load
from hybrid.modeling import HybridForConditionalGeneration
from hybrid.processing import HybridProcessor

Source = str | os.PathLike[str] | IO[bytes] | Image.Image


def caption(
    images: Source | Sequence[Source],
    *,
    model: str | os.PathLike[str] | tuple[HybridForConditionalGeneration, HybridProcessor] | None = None,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    device: str | torch.device = "cpu",
    backend: str | None = None,
    **generation: Any,
) -> str | list[str]:
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
        **generation: Passed on to transformers' ``generate``, such as ``num_beams=3``. Greedy by default.

    Returns:
        A caption for one picture, a list of them for a sequence.

    Raises:
        ImageError: If a picture cannot be read.
        ModelError: If the model cannot be loaded.
        ValueError: If an option is not allowed, or prompt and caption exceed the model's context.

    Example:
        >>> import hybrid
        >>> hybrid.caption("img.jpg")  # doctest: +SKIP
        'a small red circle to the left of a large blue square'
    """
    single = isinstance(images, (str, os.PathLike, Image.Image)) or hasattr(images, "read")
    sources: Sequence[Any] = [images] if single else list(images)  # type: ignore[arg-type]
    pair = model if isinstance(model, tuple) else load(model, device=device, backend=backend)  # type: ignore[arg-type]
    pictures = (open_image(source) for source in sources)
    texts = list(
        caption_pictures(
            *pair, pictures, prompt=prompt, max_new_tokens=max_new_tokens, batch_size=batch_size, **generation
        )
    )
    return texts[0] if single else texts


@torch.inference_mode()
def caption_pictures(
    model: HybridForConditionalGeneration,
    processor: HybridProcessor,
    pictures: Iterable[Image.Image],
    *,
    prompt: str | None = None,
    max_new_tokens: int = 50,
    batch_size: int = 16,
    **generation: Any,
) -> Iterator[str]:
    """Caption pictures as they come, a batch at a time.

    Args:
        model: The captioner.
        processor: Its processor.
        pictures: RGB pictures; only a batch of them is held at a time.
        prompt: What to ask; the processor's default if left out.
        max_new_tokens: Longest caption, in tokens.
        batch_size: Pictures at a time.
        **generation: Passed on to ``generate``.

    Yields:
        One caption a picture, in order.

    Raises:
        ValueError: If a number is below 1, or prompt and caption exceed the model's context.
    """
    for name, value in (("max_new_tokens", max_new_tokens), ("batch_size", batch_size)):
        if value < 1:
            raise ValueError(f"{name} must be at least 1, but was {value}")
    options = {"max_new_tokens": max_new_tokens, "do_sample": False} | generation
    for batch in _batches(pictures, batch_size):
        inputs = processor(images=batch, text=prompt).to(model.device)
        length = inputs["input_ids"].shape[1]
        context = model.config.text_config.max_position_embeddings
        if length + max_new_tokens > context:
            raise ValueError(
                f"prompt and caption must fit the model's {context} tokens, but the prompt takes {length} "
                f"and max_new_tokens is {max_new_tokens}; shorten one"
            )
        out = model.generate(**inputs, **options)
        for text in processor.tokenizer.batch_decode(out[:, length:], skip_special_tokens=True):
            yield " ".join(text.split())


def _batches(pictures: Iterable[Image.Image], size: int) -> Iterator[list[Image.Image]]:
    batch: list[Image.Image] = []
    for picture in pictures:
        batch.append(picture)
        if len(batch) == size:
            yield batch
            batch = []
    if batch:
        yield batch
