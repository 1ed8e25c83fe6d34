"""The options that say which pictures and captions; for all commands that read some."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from hybrid.data.pairs import Pair


def data_option(what: str, *, required: bool = True) -> Callable[[Any], Any]:
    """``--data``."""
    return click.option(
        "--data",
        required=required,
        metavar="DATA",
        help=f"{what}: a folder with side-car .txt, .jsonl, .csv, COCO or Karpathy .json, or a dataset.",
    )


cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where vision features are kept. [default: ~/.cache/hybrid]",
)


def _go_offline(_ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        import os

        from huggingface_hub import constants

        os.environ["HF_HUB_OFFLINE"] = "1"  # for what is not imported yet
        constants.HF_HUB_OFFLINE = True


offline_option = click.option(
    "--offline/--no-offline",
    default=False,
    callback=_go_offline,
    help="Take models and data from the local cache only, as HF_HUB_OFFLINE=1 does.",
)


def read_data(where: str) -> "list[Pair]":
    """Read pairs, or fail in one line."""
    from hybrid.data.pairs import DataError, read_pairs

    try:
        return read_pairs(where)
    except DataError as error:
        raise click.ClickException(str(error)) from None
