"""``hybrid train``: from nothing to a model."""

import sys
from contextlib import redirect_stdout
from pathlib import Path

import click

from hybrid.cli import Signalled
from hybrid.cli.command import Command


@click.command(name="train", cls=Command)
@click.option("--preset", required=True, metavar="NAME", help="The recipe: scenes-mini.")
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to keep the run; the same folder goes on with it. [default: runs/PRESET]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Everything random follows from it."
)
@click.option(
    "--workers", type=click.IntRange(1), default=2, show_default=True, help="Processes that draw scenes."
)
def command(preset: str, output: Path | None, seed: int, workers: int) -> int:
    """Train a model by a preset's recipe.

    Stages that are complete are passed over, and one that was stopped goes on from its last checkpoint.
    """
    from hybrid.training.recipe import load_recipe

    try:
        recipe = load_recipe(preset)
    except ValueError as error:
        raise click.UsageError(f"--preset: {error}") from None
    from hybrid.training.miniature import MiniatureRun

    folder = output or Path("runs") / preset
    try:
        run = MiniatureRun(recipe, folder, seed, workers, say=lambda line: click.echo(line, err=True))
    except ValueError as error:
        raise click.UsageError(f"--output: {error}") from None
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result
            model = run.run()
        click.echo(model)
    except Signalled as stop:
        raise Signalled(stop.number, f"interrupted; the same command goes on in {folder}") from None
    return 0
