"""``hybrid compare``: several models on the same pictures, side by side."""

from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command
from hybrid.cli.data import cache_option, data_option, offline_option, read_data
from hybrid.cli.eval import limit_option, split_option, write_report
from hybrid.cli.model import complete_model, device_option, dtype_option, load_model


@click.command(name="compare", cls=Command)
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...", shell_complete=complete_model)
@data_option("Pictures and references")
@split_option
@limit_option
@click.option(
    "--max-new-tokens", type=click.IntRange(1), default=50, show_default=True, help="Longest caption."
)
@click.option("--beams", type=click.IntRange(1), default=1, show_default=True, help="Search with so many.")
@click.option(
    "--batch-size", type=click.IntRange(1), default=32, show_default=True, help="Captions at a time."
)
@device_option
@dtype_option
@cache_option
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write the scores there, as JSON.",
)
def command(models: tuple[str, ...], **o: Any) -> int:
    """Score models against the same references, for example a quantum connector and a classical one.

    Each model has a column: what its connector is made of, the scores of `hybrid eval`, and the CIDEr-D that
    is left with another picture's vision token, which says how much of the score language alone would give.
    One set of pictures and one training run each are no proof of a difference between kinds of models.
    """
    if len(models) < 2:
        raise click.UsageError("MODEL: name at least 2; for one, use 'hybrid eval'")
    if len(set(models)) < len(models):
        raise click.UsageError("MODEL: each must be another, but one was named twice")
    import numpy as np

    from hybrid.data.feature_cache import default_cache, features_of
    from hybrid.data.pairs import DataError, choose_split
    from hybrid.description import count_parameters
    from hybrid.scoring import evaluate

    pairs = choose_split(read_data(o["data"]), o["split"])[: o["limit"]]
    if len(pairs) < 2:
        raise click.UsageError(f"--split {o['split']}: must hold at least 2 pictures, but held {len(pairs)}")
    columns: dict[str, dict[str, Any]] = {}
    for name in models:
        click.echo(f"model {name}", err=True)
        model, processor = load_model(name, o["device"], o["dtype"], to_caption=True)
        try:
            features = features_of(pairs, model, processor, o["cache"] or default_cache())
            scores, _ = evaluate(
                model,
                processor,
                pairs,
                features.astype(np.float32),
                batch_size=o["batch_size"],
                tokens=("picture", "shuffled"),
                max_new_tokens=o["max_new_tokens"],
                num_beams=o["beams"],
            )
        except DataError as error:
            raise click.ClickException(str(error)) from None
        counts = count_parameters(model)
        columns[name] = {
            "connector": (model.config.connector or {}).get("type"),
            "linear": counts.linear,
            "quantum": counts.quantum,
            **scores["picture"],
            "cider_d, shuffled": scores["shuffled"]["cider_d"],
        }
    for line in table(columns):
        click.echo(line)
    if o["output"]:
        write_report(
            o["output"], {"data": o["data"], "split": o["split"], "pictures": len(pairs), "models": columns}
        )
    return 0


def table(columns: dict[str, dict[str, Any]]) -> list[str]:
    """What is said of each model as lines: a row for each thing, a column for each model."""
    heads = [Path(name).name or name for name in columns]
    heads = list(columns) if len(set(heads)) < len(heads) else heads
    widths = [max(12, len(head) + 2) for head in heads]
    lines = [f"{'model':<18}" + "".join(f"{head:>{w}}" for head, w in zip(heads, widths, strict=True))]
    for row in next(iter(columns.values())):
        cells = [column[row] for column in columns.values()]
        texts = [f"{cell:.4g}" if isinstance(cell, float) else str(cell) for cell in cells]
        lines.append(f"{row:<18}" + "".join(f"{t:>{w}}" for t, w in zip(texts, widths, strict=True)))
    return lines
