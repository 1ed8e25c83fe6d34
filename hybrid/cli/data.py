"""The options for pictures and captions."""

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
        type=click.Path(),
        metavar="DATA",
        help=f"{what}: a folder with a .txt beside each picture, a .jsonl, .csv, or COCO or Karpathy .json "
        "file, or owner/name of a dataset on the Hugging Face hub.",
    )


cache_option = click.option(
    "--cache",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder for the outputs of the vision model, which are computed once. [default: ~/.cache/hybrid]",
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
    help="Download nothing: use only models and data that are on this machine. HF_HUB_OFFLINE=1 does the "
    "same.",
)


def read_data(where: str) -> "list[Pair]":
    """Read pairs."""
    from hybrid.cli.messages import log
    from hybrid.data.pairs import read_pairs

    return read_pairs(where, lambda line: log(f"note: {line}"))
