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
        help=f"{what}, for example a folder with a .txt beside each picture, a .jsonl, .csv or COCO .json "
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


def training_and_validation(
    found: "list[Pair]", data: str, validation: str | None, share: float, seed: int
) -> "tuple[list[Pair], list[Pair]]":
    """Choose what is trained on and what is evaluated on; pairs of the part test are neither.

    Args:
        found: All pairs of `--data`.
        data: Its name, for messages.
        validation: Where other pairs for evaluation are, or `None`.
        share: Of `found` that is held out where it has no such part.
        seed: Decides which.

    Raises:
        click.ClickException: If there is nothing to train on, or to evaluate on.
    """
    from hybrid.cli.messages import log
    from hybrid.data.pairs import choose_split
    from hybrid.training.captions import hold_out

    training = choose_split(found, "train")
    if not training:
        parts = ", ".join(sorted({pair.split for pair in found if pair.split}))
        raise click.ClickException(
            f"data {data}: has nothing in the part train, only in {parts}; give others"
        )
    if validation is not None:
        held = choose_split(read_data(validation), "val", "test")
        if not held:
            raise click.ClickException(
                f"--validation {validation}: all of it is in the part train; give others"
            )
        seen = {Path(pair.image).resolve() for pair in training}
        if both := sum(Path(pair.image).resolve() in seen for pair in held):
            log(f"note: {both} pictures of --validation are trained on, so its loss says too little")
    elif any(pair.split == "val" for pair in found):
        held = choose_split(found, "val")
    else:
        training, held = hold_out(training, share, seed)
    if kept := sum(pair.split == "test" for pair in found):
        log(f"{kept:,} pictures of the part test are left for hybrid eval")
    return training, held
