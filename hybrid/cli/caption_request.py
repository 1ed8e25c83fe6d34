"""The options of ``hybrid caption``, and whether they are compatible."""

import sys
from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import given
from hybrid.cli.model import MODEL_OPTIONS
from hybrid.data.results import printable
from hybrid.data.sidecars import sidecar_of


class Request:
    """The options of the command."""

    def __init__(self, ctx: click.Context, **options: Any) -> None:
        self.recursive: bool = options.pop("recursive")
        self.overwrite: bool = options.pop("overwrite")
        self.skip_existing: bool = options.pop("skip_existing")
        if self.overwrite and self.skip_existing and given(ctx, "overwrite") != given(ctx, "skip_existing"):
            # One is in the file and the other a flag: the flag wins.
            self.overwrite, self.skip_existing = given(ctx, "overwrite"), given(ctx, "skip_existing")
        self.style: str = options.pop("style")
        self.output: Path | None = options.pop("output")
        self.sidecar: bool = options.pop("sidecar")
        self.fail_fast: bool = options.pop("fail_fast")
        self.quiet: bool = options.pop("quiet")
        self.verbose: bool = options.pop("verbose")
        self.stream: bool = options.pop("stream")
        self.batch_size: int = options.pop("batch_size")
        self.seed: int | None = options.pop("seed")
        self.model = {name: options.pop(name) for name in MODEL_OPTIONS} | {"seed": self.seed}
        self.beams: int = options.pop("beams")
        sampling = {name: options.pop(name) for name in ("temperature", "top_p")}
        sampling = {name: value for name, value in sampling.items() if value is not None}
        self.prompt: str | None = options["prompt"]
        self.max_new_tokens: int = options["max_new_tokens"]
        # Names of `generate`.
        self.search = {
            "num_beams": self.beams,
            "num_return_sequences": options.pop("num_return_sequences"),
            "do_sample": bool(sampling),
        }
        self.generation = options | self.search | sampling


def faults(o: Request, names: list[str]) -> list[str]:
    """All incompatible options, found before anything is loaded or written."""
    found = []
    if o.overwrite and o.skip_existing:
        found.append("--overwrite and --skip-existing exclude each other; choose one")
    if (o.overwrite or o.skip_existing) and not (o.output or o.sidecar):
        found.append("--overwrite and --skip-existing need --output or --sidecar")
    for option, conflict in (
        (f"--format {o.style}", o.style != "text"),
        ("--output", o.output is not None),
        ("--beams", o.beams > 1),
        ("--captions", o.search["num_return_sequences"] > 1),
    ):
        if o.stream and conflict:
            found.append(f"--stream shows text as it comes, which {option} cannot; leave one out")
    several = o.search["num_return_sequences"]
    if several > o.beams and not o.search["do_sample"]:
        found.append(f"--captions {several} needs --beams {several} or more, or --temperature")
    if "-" in names and o.sidecar:
        found.append("--sidecar has no place for a picture from stdin; leave one out")
    if "-" in names and sys.stdin.isatty():
        found.append("- is a picture on stdin, but stdin is a terminal; pipe one in")
    kept = not (o.overwrite or o.skip_existing)
    if o.output and o.output.is_file() and kept:
        found.append(f"--output {o.output} exists; --overwrite replaces it, --skip-existing goes on with it")
    if o.output and not o.output.parent.is_dir():
        found.append(f"--output {o.output}: there is no folder {o.output.parent}; make it first")
    if o.sidecar and kept:
        there = [str(sidecar_of(name)) for name in names if sidecar_of(name).exists()]
        if there:
            found.append(
                f"{len(there)} sidecars exist, the first {printable(there[0])}; --overwrite replaces them, "
                "--skip-existing leaves them"
            )
    return found


def is_done(name: str, o: Request, done: set[str]) -> bool:
    """Whether a picture's caption is in every output that was asked for."""
    written = not o.output or printable(name) in done
    return written and (not o.sidecar or sidecar_of(name).exists())


def way_on(o: Request) -> str:
    """How to resume after an interruption, if anything was written."""
    if not (o.output or o.sidecar):
        return ""
    again = " with --skip-existing" + " in place of --overwrite" * o.overwrite
    return (
        f"; what was written is kept, and the same command{again * (not o.skip_existing)} goes on from there"
    )
