"""``hybrid caption``: a caption for every picture on stdout, everything else on stderr."""

import sys
import time
from contextlib import ExitStack, closing
from itertools import chain
from pathlib import Path
from typing import Any

import click

from hybrid.cli.caption_notes import note_unfamiliar
from hybrid.cli.caption_request import Request, faults, is_done, way_on
from hybrid.cli.caption_results import results_of
from hybrid.cli.collector import without_collector
from hybrid.cli.command import Command, switch
from hybrid.cli.messages import log
from hybrid.cli.model import model_options
from hybrid.cli.signals import Signalled
from hybrid.data.formats import left_out
from hybrid.data.result_file import ResultFileError, ResultWriter, images_done
from hybrid.data.results import BARE, FORMATS, Result, printable
from hybrid.data.sidecars import sidecar_of, write_sidecar
from hybrid.data.sources import find_pictures, unread_pictures


@click.command(
    name="caption",
    cls=Command,
    examples=[
        ("One picture: prints the caption", "hybrid caption img.jpg"),
        ("All pictures in a folder, a line each", "hybrid caption photos"),
        (
            "A folder and the folders in it, a JSON object a line, into a file",
            "hybrid caption photos --recursive --format jsonl --output captions.jsonl",
        ),
        (
            "The same, after it was stopped: only what is missing",
            "hybrid caption photos --recursive --format jsonl --output captions.jsonl --skip-existing",
        ),
        ("A text file beside each picture: img.txt for img.png", "hybrid caption 'photos/*.png' --sidecar"),
        ("A picture on standard input, words as they come", "cat img.jpg | hybrid caption - --stream"),
        (
            "The circuit with 1000 measurements a value",
            "hybrid caption img.jpg --shots 1000",
        ),
        ("As a noisy device would", "hybrid caption img.jpg --noise depolarizing=0.001 --readout 0.01"),
        (
            "As a device of IBM's would, simulated: it takes its time over each measurement",
            "hybrid caption img.jpg --backend qiskit:FakeSherbrooke --shots 200",
        ),
    ],
)
@click.argument(
    "images", nargs=-1, required=True, metavar="[PATH|DIR|GLOB|-]...", type=click.Path(allow_dash=True)
)
@switch("recursive", help="Also search the folders inside the folders given.")
@model_options
@click.option(
    "--prompt",
    metavar="TEXT",
    help="The text the language model continues after it has seen the picture. [default: the prompt the "
    "model was trained with]",
)
@click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Stop a caption after this many tokens (words or parts of words).",
)
@click.option(
    "--beams",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Width of the beam search; 1 takes the likeliest token at each step.",
)
@click.option(
    "--captions",
    "num_return_sequences",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    metavar="N",
    help="Captions of each picture, the likeliest first; needs as many --beams, or --temperature.",
)
@click.option(
    "--chat/--no-chat",
    default=None,
    help="Put the prompt into the language model's chat template. [default: as the model was trained]",
)
@click.option(
    "--temperature",
    type=click.FloatRange(0, min_open=True),
    help="Draw tokens at random instead of taking the likeliest; higher values vary more.",
)
@click.option(
    "--top-p",
    type=click.FloatRange(0, 1, min_open=True),
    help="Draw at random, but only from the likeliest tokens whose probabilities add up to this.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    help="Seed of the random numbers that --temperature, --top-p, --shots and --noise use.",
)
@switch("stream", help="Print the words of a caption as they are generated.")
@click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="How many pictures the model works on at once.",
)
@click.option(
    "--format",
    "style",
    type=click.Choice(list(FORMATS)),
    default="text",
    show_default=True,
    help="; ".join(f"{name}: {form.what}" for name, form in FORMATS.items()) + ".",
)
@click.option(
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    metavar="FILE",
    help="Write the captions to this file instead of stdout.",
)
@switch("sidecar", help="Also write each caption to a text file beside its picture: img.txt for img.jpg.")
@switch("overwrite", help="Replace the files that --output and --sidecar wrote before.")
@switch(
    "skip-existing",
    help="Caption only the pictures that --output and --sidecar do not hold yet. Pictures that failed are "
    "tried again.",
)
@switch("fail-fast", help="Stop at the first picture that cannot be read.")
@click.option("-q", "--quiet", is_flag=True, help="Print no progress and no notes on stderr, only errors.")
@click.option("-v", "--verbose", is_flag=True, help="Print which model runs on what, and how long it took.")
@click.pass_context
def command(ctx: click.Context, /, images: tuple[str, ...], **options: Any) -> int:
    """Caption pictures.

    Give the names of pictures, folders, or patterns in quotes such as 'photos/*.png'; - reads one picture
    from stdin. A folder stands for the pictures in it, in natural order (2.png before 10.png). A picture that
    cannot be read is reported on stderr, the others are captioned, and the exit code is 1.
    """
    o = Request(ctx, **options)
    names = find_pictures(images, o.recursive)
    if (note := left_out(unread_pictures(images, o.recursive))) and not o.quiet:
        log(f"note: {note}")
    if found := faults(o, names):
        raise click.UsageError("; ".join(found))
    try:
        done = images_done(o.output, FORMATS[o.style]) if o.output and o.skip_existing else set()
    except ResultFileError as error:
        raise click.UsageError(f"--output {error}") from None
    left = [name for name in names if not (o.skip_existing and is_done(name, o, done))]
    try:
        return _run(left, o, done, skipped=len(names) - len(left), bare=names == list(images[:1]))
    except Signalled as stop:
        raise Signalled(stop.number, f"interrupted{way_on(o)}") from None


def _run(names: list[str], o: Request, done: set[str], *, skipped: int, bare: bool) -> int:
    """Caption what is left to do, and write each result at once."""
    from hybrid.cli.progress import Bar

    failed = n = strange = 0
    began = time.monotonic()
    sidecars: dict[Path, str] = {}
    with ExitStack() as stack:
        bar = stack.enter_context(Bar(len(names), shown=not (o.quiet or o.stream or len(names) < 2)))
        form = BARE if bare and o.style == "text" and not o.output else FORMATS[o.style]
        results = stack.enter_context(closing(results_of(names, o, bar, form is BARE)))
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
                log(f"{result.image}: {fault}")
                if o.fail_fast:
                    break
            strange += result.unfamiliar
            if strange == 1 and result.unfamiliar and not o.quiet:
                note_unfamiliar(result.image)
            bar.advance()
    if (o.verbose or (failed and len(names) > 1)) and not o.quiet:
        seconds = time.monotonic() - began
        parts = [f"{n - failed} of {len(names)} captioned", f"{failed} failed"]
        parts += [f"{strange} unlike anything the model has seen"] * (strange > 0)
        parts += [f"{skipped} done before"] * (skipped > 0)
        parts += [f"{seconds:.1f} s"] * o.verbose
        log(", ".join(parts))
    return int(failed > 0)


def _sidecar_fault(name: str, result: Result, written: dict[Path, str]) -> str | None:
    """Write a sidecar, or say why not."""
    path = sidecar_of(name)
    other = written.setdefault(path, name)
    if other != name:
        return f"its sidecar would be that of {printable(other)}; rename one"
    try:
        write_sidecar(name, "\n".join(result.captions))
    except OSError as error:
        return f"its sidecar {printable(str(path))} cannot be written ({error.strerror}); check the folder"
    return None
