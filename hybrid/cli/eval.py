"""``hybrid eval``: a table of scores on the screen, and all of it in a file."""

from typing import Any

import click

from hybrid.cli.command import Command, switch
from hybrid.cli.data import data_option
from hybrid.cli.model import MODEL_OPTIONS, load_model, model_options
from hybrid.cli.scoring import caption_options, chosen_pairs, file_options, score, split_option, write_report


@click.command(
    name="eval",
    cls=Command,
    examples=[
        ("Score the bundled model on your pictures and captions", "hybrid eval --data captions.jsonl"),
        (
            "The bundled model on a noisy device",
            "hybrid eval --data captions.jsonl --noise depolarizing=0.001 --readout 0.01",
        ),
        (
            "A model you trained, on the first 500 test pictures; scores and captions into a file",
            "hybrid eval --model runs/mine/model --data dataset_coco.json --limit 500 --captions "
            "--output scores.json",
        ),
    ],
)
@data_option("Pictures and references")
@split_option
@model_options
@caption_options
@click.option(
    "--picture-check/--no-picture-check",
    default=True,
    help="Also score captions for the wrong picture and for no picture, to see how much the picture matters.",
)
@click.option(
    "--perplexity/--no-perplexity",
    default=True,
    help="Also score the references by the model, which takes longer than to caption the pictures.",
)
@click.option(
    "--seed",
    type=click.IntRange(0, 2**32 - 1),
    default=0,
    show_default=True,
    help="Seed of the random numbers that --shots and --noise use.",
)
@switch("captions", help="Also write the captions to the file of --output.")
@file_options
def command(**o: Any) -> int:
    """Score a model's captions against references.

    The scores are BLEU-1 to 4, ROUGE-L and CIDEr-D, and the perplexity of the references. Text is split into
    words by this program, not by COCO's Java tokenizer, so scores differ a little from published ones.
    """
    from hybrid.evaluation.scenes import TOKENS

    pairs = chosen_pairs(o)
    model, processor = load_model(
        **{name: o[name] for name in MODEL_OPTIONS}, seed=o["seed"], to_caption=True
    )
    scores, captions = score(
        model,
        processor,
        pairs,
        o,
        tokens=TOKENS if o["picture_check"] else TOKENS[:1],
        with_perplexity=o["perplexity"],
        log=lambda line: click.echo(line, err=True),
    )
    for line in table(scores):
        click.echo(line)
    if o["output"]:
        report: dict[str, Any] = {
            "model": str(o["model"] or "scenes-mini"),
            "revision": o["revision"],
            "data": o["data"],
            "split": o["split"],
            "shots": o["shots"],
            "noise": o["noise"],
            "readout": o["readout"],
            "pictures": len(pairs),
            "references": sum(len(pair.captions) for pair in pairs),
            "scores": scores,
        }
        if o["captions"]:
            report["captions"] = {pair.image: said for pair, said in zip(pairs, captions, strict=True)}
        write_report(o["output"], report)
    return 0


def table(scores: dict[str, dict[str, float]]) -> list[str]:
    """Scores as lines: a row each, a column for every vision token that was tried."""
    names = list(next(iter(scores.values())))
    lines = [f"{'vision token':<14}" + "".join(f"{token:>12}" for token in scores)]
    return lines + [
        f"{name:<14}" + "".join(f"{values[name]:>12.4g}" for values in scores.values()) for name in names
    ]
