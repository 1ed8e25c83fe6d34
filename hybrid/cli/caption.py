"""``hybrid caption``: one caption a line on stdout, everything else on stderr."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

from hybrid.cli import fail

if TYPE_CHECKING:
    from PIL import Image

    from hybrid.modeling import HybridForConditionalGeneration
    from hybrid.processing import HybridProcessor

_BATCH = 16


@click.command(name="caption")
@click.argument("images", nargs=-1, required=True, metavar="IMAGE...")
@click.option(
    "--model", metavar="NAME", help="A preset, a folder, or owner/name on the hub. [default: scenes-mini]"
)
@click.option("--prompt", metavar="TEXT", help="What to ask. [default: the model's own prompt]")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=50, show_default=True, help="Longest caption."
)
@click.option(
    "--device", default="auto", show_default=True, metavar="DEVICE", help="auto, cpu, cuda, cuda:1, ..."
)
@click.option(
    "--backend", metavar="NAME", help="Who runs the circuit: jax, lightning.qubit, default.qubit, ..."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(["text", "jsonl"]),
    default="text",
    show_default=True,
    help="text: a caption a line, with 'name: ' in front when there are several; jsonl: an object a line.",
)
def command(
    images: tuple[str, ...],
    model: str | None,
    prompt: str | None,
    max_new_tokens: int,
    device: str,
    backend: str | None,
    style: str,
) -> int:
    """Caption pictures.

    A picture that cannot be read is named on stderr and the others are done; the exit code is then 1.
    """
    from hybrid.images import ImageError, open_image, printable

    readable: list[str] = []
    failed = False

    def pictures() -> Iterator["Image.Image"]:
        nonlocal failed
        for path in images:
            try:
                picture = open_image(path)
            except ImageError as error:
                fail(str(error))
                failed = True
            else:
                readable.append(path)
                yield picture

    # The first picture is read before the model: a mistyped name is answered at once.
    stream = pictures()
    first = next(stream, None)
    if first is None:
        return 1
    from hybrid.captioning import caption_pictures

    pair = _load(model, device, backend)

    def all_pictures() -> Iterator["Image.Image"]:
        yield first
        yield from stream

    try:
        texts = caption_pictures(
            *pair, all_pictures(), prompt=prompt, max_new_tokens=max_new_tokens, batch_size=_BATCH
        )
        for i, text in enumerate(texts):
            name = readable[i]
            if style == "jsonl":
                click.echo(json.dumps({"image": printable(name), "caption": text}, ensure_ascii=False))
            else:
                click.echo(text if len(images) == 1 else f"{printable(name)}: {text}")
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    return int(failed)


def _load(
    model: str | None, device: str, backend: str | None
) -> "tuple[HybridForConditionalGeneration, HybridProcessor]":
    """Load the model, and turn what is wrong with an option into a usage error."""
    import torch
    from transformers.utils import logging

    from hybrid.loading import ModelError, load

    # stderr is for what went wrong, in one line; transformers would say it in ten.
    logging.disable_progress_bar()
    logging.set_verbosity_error()
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.empty(0, device=device)
    except (RuntimeError, AssertionError) as error:
        reason = str(error).splitlines()[0]
        raise click.UsageError(f"--device {device}: cannot be used ({reason}); try --device cpu") from None
    try:
        return load(model, device=device, backend=backend)
    except ModelError as error:
        raise click.ClickException(str(error)) from None
    except (ValueError, ImportError) as error:
        raise click.UsageError(f"--backend {backend}: {error}") from None
