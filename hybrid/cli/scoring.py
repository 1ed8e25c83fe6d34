"""Options and steps that the commands that score models share."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from hybrid.cli.command import OutputFile
from hybrid.cli.data import cache_option, offline_option, read_data

if TYPE_CHECKING:
    from hybrid.data.pairs import Pair
    from hybrid.model.modeling import HybridForConditionalGeneration
    from hybrid.model.processing import HybridProcessor

split_option = click.option(
    "--split",
    type=click.Choice(("test", "val", "train")),
    default="test",
    show_default=True,
    help="Which part of the data to use, if it is divided into parts.",
)
_limit_option = click.option(
    "--limit", type=click.IntRange(2), metavar="N", help="Use only the first N pictures."
)
_length_option = click.option(
    "--max-new-tokens",
    type=click.IntRange(1),
    default=50,
    show_default=True,
    help="Stop a caption after this many tokens (words or parts of words).",
)
_beams_option = click.option(
    "--beams",
    type=click.IntRange(1),
    default=1,
    show_default=True,
    help="Width of the beam search; 1 takes the likeliest token at each step.",
)
_batch_option = click.option(
    "--batch-size",
    type=click.IntRange(1),
    default=32,
    show_default=True,
    help="How many captions the model works on at once.",
)
_units_option = click.option(
    "--units",
    type=click.Choice(("words", "characters")),
    default="words",
    show_default=True,
    help="What scores compare; characters is for languages without spaces between words.",
)
_output_option = click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Also write the scores to this file, as JSON.",
)


def caption_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How many pictures, and how they are captioned."""
    for option in (_batch_option, _beams_option, _length_option, _units_option, _limit_option):
        command = option(command)
    return command


def file_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is kept, and where."""
    for option in (_output_option, offline_option, cache_option):
        command = option(command)
    return command


def chosen_pairs(o: dict[str, Any]) -> "list[Pair]":
    """Read the pictures that the options select."""
    from hybrid.data.pairs import choose_split

    pairs = choose_split(read_data(o["data"]), o["split"])[: o["limit"]]
    if len(pairs) < 2:
        raise click.UsageError(f"--split {o['split']}: must hold at least 2 pictures, but held {len(pairs)}")
    return pairs


def score(
    model: "HybridForConditionalGeneration",
    processor: "HybridProcessor",
    pairs: "Sequence[Pair]",
    o: dict[str, Any],
    **settings: Any,
) -> tuple[dict[str, dict[str, float]], list[str]]:
    """Score a model by `evaluate`, with ``settings``."""
    import numpy as np

    from hybrid.data.feature_cache import default_cache, features_of
    from hybrid.data.heartbeat import Heartbeat
    from hybrid.evaluation.captions import evaluate

    beat = Heartbeat("pictures", len(pairs), lambda line: click.echo(line, err=True))
    cache = o["cache"] or default_cache()
    features = features_of(pairs, model, processor, cache, advance=beat.update)
    return evaluate(
        model,
        processor,
        pairs,
        features.astype(np.float32),
        batch_size=o["batch_size"],
        max_new_tokens=o["max_new_tokens"],
        num_beams=o["beams"],
        units=o["units"],
        **settings,
    )


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)
