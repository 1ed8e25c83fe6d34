"""``hybrid eval``: a table of scores on the screen, and all of it in a file."""

import json
from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command, switch
from hybrid.cli.data import cache_option, data_option, offline_option, read_data
from hybrid.cli.model import load_model, model_options

split_option = click.option(
    "--split",
    type=click.Choice(("test", "val", "train")),
    default="test",
    show_default=True,
    help="Which part, where the data has parts.",
)
limit_option = click.option("--limit", type=click.IntRange(2), metavar="N", help="Only the first N pictures.")


@click.command(name="eval", cls=Command)
@data_option("Pictures and references")
@split_option
@model_options
@limit_option
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=50, show_default=True, help="Longest caption."
)
@click.option("--beams", type=click.IntRange(1), default=1, show_default=True, help="Search with so many.")
@click.option(
    "--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Captions at a time."
)
@click.option(
    "--picture-check/--no-picture-check",
    default=True,
    help="Score captions with the vision token shuffled and zeroed, too.",
)
@switch("captions", help="Put the captions into the file, too.")
@cache_option
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scores there, as JSON.",
)
def command(**o: Any) -> int:
    """Score a model's captions against references.

    BLEU-1 to 4, ROUGE-L and CIDEr-D are computed on words parted here, not by COCO's Java tool, so figures
    differ a little from published ones. Perplexity is that of the references.
    """
    import numpy as np

    from hybrid.data.feature_cache import default_cache, features_of
    from hybrid.data.pairs import DataError, choose_split
    from hybrid.evaluation import TOKENS
    from hybrid.scoring import evaluate

    pairs = choose_split(read_data(o["data"]), o["split"])[: o["limit"]]
    if len(pairs) < 2:
        raise click.UsageError(f"--split {o['split']}: must hold at least 2 pictures, but held {len(pairs)}")
    names = ("model", "revision", "device", "dtype", "backend", "shots")
    model, processor = load_model(**{name: o[name] for name in names}, to_caption=True)
    try:
        features = features_of(pairs, model, processor, o["cache"] or default_cache())
        scores, captions = evaluate(
            model,
            processor,
            pairs,
            features.astype(np.float32),
            batch_size=o["batch_size"],
            tokens=TOKENS if o["picture_check"] else TOKENS[:1],
            say=lambda line: click.echo(line, err=True),
            max_new_tokens=o["max_new_tokens"],
            num_beams=o["beams"],
        )
    except DataError as error:
        raise click.ClickException(str(error)) from None
    for line in table(scores):
        click.echo(line)
    if o["output"]:
        report: dict[str, Any] = {
            "model": str(o["model"] or "scenes-mini"),
            "revision": o["revision"],
            "data": o["data"],
            "split": o["split"],
            "pictures": len(pairs),
            "references": sum(len(pair.captions) for pair in pairs),
            "scores": scores,
        }
        if o["captions"]:
            report["captions"] = {pair.image: said for pair, said in zip(pairs, captions, strict=True)}
        write_report(o["output"], report)
    return 0


def write_report(path: Path, report: dict[str, Any]) -> None:
    """Write JSON, whole or not at all."""
    part = path.with_name(f".{path.name}.part")
    part.write_text(json.dumps(report, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
    part.replace(path)


def table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Scores as lines: a row each, a column for every vision token that was tried."""
    names = list(next(iter(scores.values())))
    lines = [f"{'vision token':<14}" + "".join(f"{token:>12}" for token in scores)]
    return lines + [
        f"{name:<14}" + "".join(f"{values[name]:>12.4g}" for values in scores.values()) for name in names
    ]
