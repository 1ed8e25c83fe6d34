"""``hybrid distill``: a quantum connector in minutes, from a classical one."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command
from hybrid.cli.data import cache_option, offline_option
from hybrid.cli.model import complete_model


@click.command(
    name="distill",
    cls=Command,
    examples=[
        (
            "A quantum connector from the published classical one",
            "hybrid distill --teacher tinyllama-vlm-lora --data photos --output runs/distilled",
        ),
    ],
)
@click.option(
    "--teacher",
    required=True,
    metavar="NAME",
    shell_complete=complete_model,
    help="The model with the classical connector: a preset, a folder, or owner/name on the hub.",
)
@click.option(
    "--data",
    required=True,
    type=click.Path(),
    metavar="DATA",
    help="The pictures: a folder, or any data that hybrid train takes. Captions are not used.",
)
@click.option(
    "--n-qubits", type=click.IntRange(1), default=4, show_default=True, help="Qubits of the circuit."
)
@click.option(
    "--n-layers", type=click.IntRange(1), default=3, show_default=True, help="Layers of the circuit."
)
@click.option(
    "--steps", type=click.IntRange(1), default=1000, show_default=True, help="Number of optimiser steps."
)
@click.option(
    "--batch-size", type=click.IntRange(1), default=256, show_default=True, help="Pictures in each step."
)
@click.option(
    "--learning-rate",
    type=click.FloatRange(0, min_open=True),
    default=1e-2,
    show_default=True,
    help="Peak learning rate.",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of everything random."
)
@cache_option
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("runs/distilled"),
    show_default=True,
    metavar="DIR",
    help="Folder to write the run to.",
)
def command(**o: Any) -> int:
    """Make a quantum connector from a trained classical one.

    The quantum connector learns to give the same vision tokens as the classical one, for a folder of
    pictures. The language model does not run, so this takes minutes.
    """
    from hybrid.cli.data import read_data
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.data.feature_cache import default_cache
    from hybrid.data.formats import left_out
    from hybrid.data.pairs import DataError, Pair
    from hybrid.data.sources import find_pictures, unread_pictures
    from hybrid.loading.checkpoints import CheckpointError
    from hybrid.loading.names import ModelError
    from hybrid.training.distillation import distill

    quiet_transformers()
    folder = [o["data"]] if Path(o["data"]).is_dir() else []
    names = [name for name in find_pictures(folder, recursive=True) if name != o["data"]]
    if names:  # a folder of pictures, of which no captions are needed
        if note := left_out(unread_pictures(folder, recursive=True)):
            click.echo(f"hybrid: note: {note}", err=True)
        pairs = [Pair(name, (), name) for name in names]
    else:
        pairs = read_data(o["data"])
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result
            model = distill(
                o["teacher"],
                pairs,
                o["output"],
                o["cache"] or default_cache(),
                connector={"type": "quantum", "n_qubits": o["n_qubits"], "n_layers": o["n_layers"]},
                steps=o["steps"],
                batch_size=o["batch_size"],
                learning_rate=o["learning_rate"],
                seed=o["seed"],
                log=lambda line: click.echo(line, err=True),
            )
    except (CheckpointError, DataError, ModelError):
        raise
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(model)
    return 0
