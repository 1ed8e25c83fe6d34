"""A result for every picture that ``hybrid caption`` was given; the first that opens loads the model."""

import io
import os
import sys
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from typing import IO, TYPE_CHECKING, Any

import click

from hybrid.cli.caption_notes import note_beyond_the_bundled_model
from hybrid.cli.caption_request import Request
from hybrid.cli.messages import log
from hybrid.cli.model import load_model
from hybrid.cli.quiet import quiet_libtiff
from hybrid.data.results import Result, printable
from hybrid.loading.names import BUNDLED

if TYPE_CHECKING:
    from hybrid.cli.progress import Bar

_NO_PICTURES = "is a folder without pictures, by their endings; name another folder, or the files themselves"
_DEEPER = ", or add --recursive to search the folders in it"


def results_of(names: list[str], o: Request, bar: "Bar", bare: bool) -> Generator[Result]:
    """A result for every picture, in order."""
    with closing(_captioned(names, o, bar, bare)) as results:
        for name, result in zip(names, results, strict=True):
            empty = result.error and os.path.isdir(name)  # noqa: PTH112  (a Path refuses odd names)
            yield replace(result, error=_NO_PICTURES + _DEEPER * (not o.recursive)) if empty else result


def _captioned(names: list[str], o: Request, bar: "Bar", bare: bool) -> Generator[Result]:
    from hybrid.data.images import ImageError, open_image, source_name

    quiet_libtiff()
    sources: list[Any] = [_stdin() if name == "-" else name for name in names]
    # A picture is read before the model: a mistyped name is answered at once.
    while sources:
        try:
            first = open_image(sources[0])
            break
        except ImageError as error:
            name = source_name(sources.pop(0))
            yield Result(name, error=error.reason)
    else:
        return
    first.filename = source_name(sources[0])  # type: ignore[attr-defined]
    sources[0] = first
    model, processor = load_model(**_chosen(o.model), to_caption=not o.quiet)
    from hybrid.inference.out_of_distribution import Detector
    from hybrid.inference.prompting import Question
    from hybrid.model.errors import OptionError

    detector = Detector.load(model.config.name_or_path)
    if o.verbose:
        log(f"{model.config.name_or_path} on {model.device}, {model.dtype}")
    if o.seed is not None:
        from transformers import set_seed  # loads all that training needs

        set_seed(o.seed)
    try:
        Question(model, processor, o.prompt, o.max_new_tokens, o.search, chat=o.generation["chat"])
    except OptionError as error:
        raise click.UsageError(str(error)) from None
    if not o.quiet and model.config.name_or_path == str(BUNDLED):
        note_beyond_the_bundled_model(o, processor.prompt)
    bar.describe("captioning")
    caption = _streamed if o.stream else _batched
    yield from caption(sources, model, processor, detector, o, bare)


def _chosen(options: dict[str, Any]) -> dict[str, Any]:
    """The model's options, with the default for pictures that somebody has."""
    from hybrid.loading.photos import default_model

    return options | {"model": options["model"] or default_model()}


def _batched(
    sources: Iterable[Any], model: Any, processor: Any, detector: Any, o: Request, _bare: bool
) -> Iterator[Result]:
    from hybrid.inference.captioning import caption_files

    return caption_files(
        model, processor, sources, batch_size=o.batch_size, detector=detector, **o.generation
    )


def _streamed(
    sources: Iterable[Any], model: Any, processor: Any, detector: Any, o: Request, bare: bool
) -> Iterator[Result]:
    from hybrid.data.images import ImageError, open_image, source_name
    from hybrid.inference.prompting import Question
    from hybrid.inference.streaming import stream_answer

    chat = o.generation["chat"]
    question = Question(model, processor, o.prompt, o.max_new_tokens, o.search, chat=chat, detector=detector)
    for source in sources:
        name = source_name(source)
        try:
            look = question.look_at(open_image(source))
        except ImageError as error:
            yield Result(name, error=error.reason)
            continue
        click.echo("" if bare else f"{name}: ", nl=False)
        features, (strange,) = question.see([look])
        said = ""
        for piece in stream_answer(question, features):
            click.echo(printable(piece), nl=False)  # which flushes
            said += piece
        click.echo()
        yield Result(name, said, unfamiliar=strange)


def _stdin() -> IO[bytes]:
    """A picture from stdin, that can be read twice."""
    from hybrid.data.images import MAX_BYTES

    stream = io.BytesIO(sys.stdin.buffer.read(MAX_BYTES + 1))
    stream.name = "-"
    return stream
