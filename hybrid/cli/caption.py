"""``hybrid caption``: a caption for every picture on stdout, everything else on stderr."""

import io
import sys
import time
from collections.abc import Generator, Iterable, Iterator
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import IO, Any

import click

from hybrid.cli import fail
from hybrid.cli.caption_request import Request, faults, is_done
from hybrid.cli.collector import without_collector
from hybrid.cli.command import Command, switch
from hybrid.cli.model import load_model, model_options
from hybrid.cli.quiet import quiet_libtiff
from hybrid.data.result_file import ResultFileError, ResultWriter, images_done
from hybrid.data.results import BARE, FORMATS, Result, printable
from hybrid.data.sidecars import sidecar_of, write_sidecar
from hybrid.data.sources import find_pictures

Source = str | IO[bytes]


@click.command(name="caption", cls=Command)
@click.argument("images", nargs=-1, required=True, metavar="[PATH|DIR|GLOB|-]...")
@switch("recursive", help="Search folders below folders, too.")
@model_options
@click.option("--prompt", metavar="TEXT", help="What to ask. [default: the model's own prompt]")
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=50, show_default=True, help="Longest caption."
)
@click.option(
    "--beams", type=click.IntRange(1), default=1, show_default=True, help="Search with so many beams."
)
@click.option(
    "--temperature", type=click.FloatRange(0, min_open=True), help="Sample words, the bolder the higher."
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Sample among the likeliest words, of this probability together.",
)
@click.option("--seed", type=click.IntRange(0, 2**32 - 1), help="Of samples and shots.")
@switch("stream", help="Show words as they come.")
@click.option(
    "--batch-size", type=click.IntRange(1), default=16, show_default=True, help="Pictures at a time."
)
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="text: a caption a line, with 'name: ' in front when there are several; json: an array of objects; "
    "jsonl: an object a line; csv: a table with a header.",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write there, not to stdout.",
)
@switch("sidecar", help="Write each caption beside its picture as well: img.txt for img.jpg.")
@switch("overwrite", help="Replace what --output and --sidecar have written before.")
@switch("skip-existing", help="Go on where a stopped run was; pictures that failed are tried again.")
@switch("fail-fast", help="Stop at the first picture that fails.")
@click.option("-q", "--quiet", is_flag=True, help="Only errors on stderr.")
@click.option("-v", "--verbose", is_flag=True, help="Say what runs, and how fast.")
@click.pass_context
def command(ctx: click.Context, /, images: tuple[str, ...], recursive: bool, **options: Any) -> int:
    """Caption pictures.

    Name pictures, folders, or patterns in quotes; - is a picture on stdin. A folder stands for the pictures
    in it, found by their endings, in natural order. A picture that cannot be read is named on stderr, the
    others are done, and the exit code is 1.
    """
    o = Request(ctx, **options)
    names = find_pictures(images, recursive)
    if found := faults(o, names):
        raise click.UsageError("; ".join(found))
    try:
        done = images_done(o.output, FORMATS[o.style]) if o.output and o.skip_existing else set()
    except ResultFileError as error:
        raise click.UsageError(f"--output {error}") from None
    left = [name for name in names if not (o.skip_existing and is_done(name, o, done))]
    return _run(left, o, done, skipped=len(names) - len(left), bare=names == list(images[:1]))


def _run(names: list[str], o: Request, done: set[str], *, skipped: int, bare: bool) -> int:
    """Caption what is left to do, and write each result at once."""
    from hybrid.cli.progress import Bar

    failed = n = strange = 0
    began = time.monotonic()
    sidecars: dict[Path, str] = {}
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(names), shown=not (o.quiet or o.stream or len(names) < 2)))
        form = BARE if bare and o.style == "text" and not o.output else FORMATS[o.style]
        results = stack.enter_context(closing(_results(names, o, form is BARE)))
        with without_collector():
            first = next(results, None)  # before a file is opened: what is wrong with an option is said here
        out: Any = sys.stdout
        if o.output:
            out = stack.enter_context(
                o.output.open("a" if done else "w", encoding="utf-8", newline="\n", errors="backslashreplace")
            )
        writer = stack.enter_context(ResultWriter(out, form, begun=bool(done)))
        for name, result in zip(names, chain([first] if first else [], results), strict=True):
            n += 1
            if not o.stream and result.image not in done:
                writer.write(result)
            fault = result.error or (o.sidecar and _sidecar_fault(name, result, sidecars))
            if fault:
                failed += 1
                fail(f"{result.image}: {fault}")
                if o.fail_fast:
                    break
            strange += result.unfamiliar
            if strange == 1 and result.unfamiliar and not o.quiet:
                _note_unfamiliar(result.image)
            bar.advance()
    if (o.verbose or (failed and len(names) > 1)) and not o.quiet:
        seconds = time.monotonic() - began
        parts = [f"{n - failed} of {len(names)} captioned", f"{failed} failed"]
        parts += [f"{strange} unlike anything the model has seen"] * (strange > 0)
        parts += [f"{skipped} done before"] * (skipped > 0)
        parts += [f"{seconds:.1f} s"] * o.verbose
        fail(", ".join(parts))
    return int(failed > 0)


def _results(names: list[str], o: Request, bare: bool) -> Generator[Result]:
    """A result for every picture, in order."""
    from hybrid.data.images import ImageError, open_image, source_name

    quiet_libtiff()
    sources = [_stdin() if name == "-" else name for name in names]
    # A picture is read before the model: a mistyped name is answered at once.
    while sources:
        try:
            open_image(sources[0])
            break
        except ImageError as error:
            name = source_name(sources.pop(0))
            yield Result(name, error=str(error).removeprefix(f"{name}: "))
    else:
        return
    if isinstance(sources[0], io.BytesIO):
        sources[0].seek(0)
    model, processor = load_model(**o.model, to_caption=not o.quiet)
    from hybrid.inference.out_of_distribution import Familiarity

    familiarity = Familiarity.load(Path(model.config.name_or_path))
    if o.verbose:
        fail(f"{model.config.name_or_path} on {model.device}, {model.dtype}")
    if o.seed is not None:
        from transformers import set_seed  # loads all that training needs

        set_seed(o.seed)
    caption = _streamed if o.stream else _batched
    try:
        yield from caption(sources, model, processor, familiarity, o, bare)
    except ValueError as error:
        raise click.UsageError(str(error)) from None


def _batched(
    sources: Iterable[Source], model: Any, processor: Any, familiarity: Any, o: Request, _bare: bool
) -> Iterator[Result]:
    from hybrid.inference.captioning import caption_files

    return caption_files(
        model, processor, sources, batch_size=o.batch_size, familiarity=familiarity, **o.generation
    )


def _streamed(
    sources: Iterable[Source], model: Any, processor: Any, familiarity: Any, o: Request, bare: bool
) -> Iterator[Result]:
    import torch

    from hybrid.data.images import ImageError, open_image, source_name
    from hybrid.inference.streaming import stream_caption

    for source in sources:
        name = source_name(source)
        try:
            picture = open_image(source)
        except ImageError as error:
            yield Result(name, error=str(error).removeprefix(f"{name}: "))
            continue
        click.echo("" if bare else f"{name}: ", nl=False)
        said = ""
        for piece in stream_caption(model, processor, picture, **o.generation):
            click.echo(printable(piece), nl=False)  # which flushes
            said += piece
        click.echo()
        strange = False
        if familiarity:
            with torch.inference_mode():
                pixels = processor.pixel_values(picture).to(model.device)
                (strange,) = familiarity.unfamiliar(model.vision_features(pixels))
        yield Result(name, said, unfamiliar=strange)


def _stdin() -> IO[bytes]:
    """A picture from stdin, that can be read twice."""
    from hybrid.data.images import MAX_BYTES

    stream = io.BytesIO(sys.stdin.buffer.read(MAX_BYTES + 1))
    stream.name = "-"
    return stream


def _sidecar_fault(name: str, result: Result, written: dict[Path, str]) -> str | None:
    """Write a sidecar, or say why not."""
    path = sidecar_of(name)
    other = written.setdefault(path, name)
    if other != name:
        return f"its sidecar would be that of {printable(other)}; rename one"
    try:
        write_sidecar(name, result.caption or "")
    except OSError as error:
        return f"its sidecar {printable(str(path))} cannot be written ({error.strerror}); check the folder"
    return None


def _note_unfamiliar(image: str) -> None:
    fail(
        f"note: {image} is unlike anything this model was trained on, so its caption means nothing. The "
        "bundled miniature only knows drawn scenes of one or two shapes; for photographs give a model "
        "trained on them, as --model FOLDER or --model owner/name"
    )
