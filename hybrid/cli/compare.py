"""``hybrid compare``: several models on the same pictures, side by side."""

from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command
from hybrid.cli.data import data_option
from hybrid.cli.model import complete_model, device_option, dtype_option, load_model
from hybrid.cli.scoring import caption_options, chosen_pairs, file_options, score, split_option, write_report


@click.command(
    name="compare",
    cls=Command,
    examples=[
        (
            "A quantum connector beside a classical one",
            "hybrid compare runs/quantum/model runs/classical/model --data captions.jsonl",
        ),
    ],
)
@click.argument("models", nargs=-1, required=True, metavar="MODEL MODEL...", shell_complete=complete_model)
@data_option("Pictures and references")
@split_option
@caption_options
@device_option
@dtype_option
@file_options
def command(models: tuple[str, ...], **o: Any) -> int:
    """Score models against the same references, for example a quantum connector and a classical one.

    Each model has a column: the parameters of its connector, the scores of `hybrid eval`, and the CIDEr-D
    when each caption is made from another picture's vision token, which shows how much of the score comes
    from language alone. One set of pictures and one training run each do not prove a difference between
    kinds of models.
    """
    if len(models) < 2:
        raise click.UsageError("MODEL: name at least 2; for one, use 'hybrid eval'")
    if len(set(models)) < len(models):
        raise click.UsageError("MODEL: each must be another, but one was named twice")
    from hybrid.evaluation.metrics import HEADLINE
    from hybrid.model.description import count_parameters

    pairs = chosen_pairs(o)
    columns: dict[str, dict[str, Any]] = {}
    for name in models:
        click.echo(f"model {name}", err=True)
        model, processor = load_model(name, o["device"], o["dtype"], to_caption=True)
        scores, _ = score(model, processor, pairs, o, tokens=("picture", "shuffled"))
        counts = count_parameters(model)
        columns[name] = {
            "connector": (model.config.connector or {}).get("type"),
            "linear": counts.linear,
            "quantum": counts.quantum,
            **scores["picture"],
            f"{HEADLINE}, shuffled": scores["shuffled"][HEADLINE],
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
