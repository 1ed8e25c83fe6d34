"""``hybrid train``: from nothing to the miniature, or from base models and captions to a captioner."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command, given, switch
from hybrid.cli.connector import chosen_connector, connector_options, vision_feature_option
from hybrid.cli.data import cache_option, data_option, offline_option, read_data, training_and_validation
from hybrid.cli.model import complete_model, noise_option, readout_option
from hybrid.cli.signals import Signalled

# Only these have a meaning without --data.
_RECIPE_OPTIONS = ("preset", "output", "seed", "workers")


@click.command(
    name="train",
    cls=Command,
    examples=[
        (
            "The bundled model anew, from nothing: about three hours on two cores",
            "hybrid train --preset scenes-mini",
        ),
        (
            "CLIP, a quantum connector and TinyLlama, on your own pictures and captions",
            "hybrid train --preset tinyllama-vlm-lora-quantum --data captions.jsonl --output runs/mine",
        ),
        (
            "Models from local folders, the connector alone for one epoch",
            "hybrid train --vision clip --language llama --data photos --connector-epochs 1 --epochs 0",
        ),
    ],
)
@click.option(
    "--preset",
    metavar="NAME",
    shell_complete=complete_model,
    help="The recipe, such as scenes-mini, or with --data any preset that 'hybrid models' lists.",
)
@data_option("Pictures and captions to learn from", required=False)
@click.option(
    "--validation",
    type=click.Path(),
    metavar="DATA",
    help="Pictures and captions to evaluate on while training. [default: a part of --data]",
)
@click.option(
    "--validation-share",
    type=click.FloatRange(0, 0.9),
    default=0.05,
    show_default=True,
    help="Share of --data to evaluate on, if there is no --validation and the data has no such part.",
)
@click.option(
    "--model",
    metavar="NAME",
    shell_complete=complete_model,
    help="A captioner to train further, instead of --vision and --language.",
)
@click.option(
    "--revision", metavar="COMMIT", help="Version of --model on the hub: a commit, a tag or a branch."
)
@click.option(
    "--start-from",
    metavar="NAME",
    help="A small checkpoint to train further as it is, its LoRA too: photos, or a folder.",
)
@click.option(
    "--vision",
    type=click.Path(),
    metavar="NAME",
    help="The vision model, CLIP or SigLIP: a folder, or owner/name on the hub.",
)
@click.option("--vision-revision", metavar="COMMIT", help="Version of --vision on the hub.")
@vision_feature_option
@click.option(
    "--language",
    type=click.Path(),
    metavar="NAME",
    help="The language model, a causal one such as Llama: a folder, or owner/name on the hub.",
)
@click.option("--language-revision", metavar="COMMIT", help="Version of --language on the hub.")
@click.option(
    "--adapter",
    type=click.Path(),
    metavar="NAME",
    help="A published LoRA of --language, such as TinyLlama-VLM-LoRA, to merge into it first.",
)
@click.option("--adapter-revision", metavar="COMMIT", help="Version of --adapter on the hub.")
@connector_options
@click.option("--prompt", metavar="TEXT", help="The text before every caption, in training and later.")
@click.option(
    "--plain-captions/--no-plain-captions",
    default=None,
    help="Learn captions in lower case, without full stops at their end.",
)
@click.option(
    "--agreeing-captions",
    type=click.IntRange(0),
    help="Learn so many captions of a picture, those most like its others; 0 for all.",
)
@click.option(
    "--longest-caption", type=click.IntRange(0), help="Leave out captions of more words; 0 for none."
)
@click.option(
    "--views",
    type=click.IntRange(1),
    help="Views of each training picture: the whole, and random parts of it, some mirrored.",
)
@click.option(
    "--words-epochs",
    type=click.FloatRange(0),
    help="Passes over the pictures in stage 0: a new connector learns words without the language model.",
)
@click.option(
    "--connector-epochs",
    type=click.FloatRange(0),
    help="Passes over the data in stage 1, which trains the connector alone.",
)
@click.option(
    "--epochs",
    type=click.FloatRange(0),
    help="Passes over the data in stage 2, which trains connector and LoRA.",
)
@click.option(
    "--reward-epochs",
    type=click.FloatRange(0),
    help="Passes over the pictures in stage 3, which learns from the CIDEr-D of sampled captions.",
)
@click.option(
    "--reward-rate",
    type=click.FloatRange(0, min_open=True),
    help="Learning rates of stage 3, as a share of the others. [default: 0.1]",
)
@click.option("--batch-size", type=click.IntRange(1), help="Captions in each forward pass of each process.")
@click.option(
    "--accumulate",
    type=click.IntRange(1),
    help="Forward passes in each optimiser step (gradient accumulation).",
)
@click.option(
    "--share",
    type=click.FloatRange(0, min_open=True),
    help="How much of its own size a step can change in the connector; sets the next two rates.",
)
@click.option("--quantum-rate", type=click.FloatRange(0), help="Learning rate of the circuit's weights.")
@click.option(
    "--connector-rate", type=click.FloatRange(0), help="Learning rate of the connector's linear maps."
)
@click.option(
    "--shots",
    type=click.IntRange(1),
    metavar="N",
    help="Estimate each expectation value from N measurements in training. [default: exact values]",
)
@noise_option
@readout_option
@click.option("--lora-rate", type=click.FloatRange(0), help="Learning rate of LoRA.")
@click.option("--lora-rank", type=click.IntRange(0), help="Rank of LoRA; 0 leaves LoRA out.")
@click.option(
    "--lora-alpha", type=click.FloatRange(0), help="Scale of LoRA: its update is multiplied by alpha / rank."
)
@click.option("--lora-dropout", type=click.FloatRange(0, 1), help="Dropout of LoRA's inputs in training.")
@click.option(
    "--lora-targets", metavar="NAMES", help="The linear maps LoRA adapts, separated by commas, or all-linear."
)
@click.option(
    "--precision",
    type=click.Choice(["auto", "no", "bf16", "fp16"]),
    help="Mixed precision: bfloat16, float16, no for none, or auto: bfloat16 if the device multiplies it.",
)
@click.option(
    "--label-smoothing",
    type=click.FloatRange(0, 1, max_open=True),
    help="Share of each label that is spread over the whole vocabulary, in training.",
)
@click.option(
    "--evaluate-every",
    type=click.IntRange(1),
    help="Evaluate after every so many steps. [default: a quarter of a stage]",
)
@click.option(
    "--patience",
    type=click.IntRange(0),
    help="Stop a stage after this many evaluations without a better loss.",
)
@switch("tensorboard", help="Also write files for TensorBoard.")
@switch("merge", help="Save the whole model, not only what was trained.")
@click.option(
    "--device",
    type=click.Choice(["auto", "cpu"]),
    default="auto",
    show_default=True,
    help="Where to train: auto takes a GPU if torch sees one.",
)
@cache_option
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Folder to write the run to. A run that was stopped goes on if its folder is given again. "
    "[default: runs/PRESET]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Seed of everything random."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="How many processes draw scenes, or threads read pictures.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Train a model: by a preset's own recipe, or with --data on your pictures and captions.

    If the run was stopped, the same command goes on: finished stages are skipped, and the one that was
    stopped continues from its last checkpoint.
    """
    if options["data"] is None:
        extra = [name for name in options if given(ctx, name) and name not in _RECIPE_OPTIONS]
        if extra:
            raise click.UsageError(
                f"--{extra[0].replace('_', '-')} needs --data; name your pictures and captions"
            )
        if options["preset"] is None:
            raise click.UsageError("--preset or --data must be given; try --preset scenes-mini")
        return _train_miniature(*(options[name] for name in _RECIPE_OPTIONS))
    return _train_captions(options)


def _train_miniature(preset: str, output: Path | None, seed: int, workers: int) -> int:
    from hybrid.training.recipe import load_recipe

    try:
        recipe = load_recipe(preset)
    except ValueError as error:
        raise click.UsageError(f"--preset: {error}") from None
    from hybrid.loading.checkpoints import CheckpointError
    from hybrid.training.miniature import MiniatureRun

    folder = output or Path("runs") / preset
    try:
        run = MiniatureRun(recipe, folder, seed, workers, log=_log)
    except ValueError as error:
        raise click.UsageError(f"--output: {error}") from None
    try:
        with redirect_stdout(sys.stderr):  # stdout is for the result
            model = run.run()
        click.echo(model)
    except Signalled as stop:
        raise Signalled(stop.number, f"interrupted; the same command goes on in {folder}") from None
    except CheckpointError as error:
        raise click.ClickException(str(error)) from None
    return 0


def _train_captions(o: dict[str, Any]) -> int:
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.training.caption_recipe import load_caption_recipe

    quiet_transformers()
    setting = {name: o.pop(name) for name in ("cache", "workers", "tensorboard", "merge")}
    data, validation, share = (o.pop(name) for name in ("data", "validation", "validation_share"))
    preset, output, device = (o.pop(name) for name in ("preset", "output", "device"))
    o.pop("offline")
    o["connector"] = chosen_connector(o, fresh=not _is_captioner(preset, o))
    try:
        recipe = load_caption_recipe(
            preset, **{name: value for name, value in o.items() if value is not None}
        )
    except ValueError as error:
        raise click.UsageError(f"{error}; see --preset, --model, --vision and --language") from None
    folder = output or Path("runs") / (preset or Path(data).stem)
    found = read_data(data)

    from hybrid.data.pairs import DataError
    from hybrid.loading.checkpoints import CheckpointError
    from hybrid.loading.names import ModelError
    from hybrid.training.caption_stage import Setting
    from hybrid.training.captions import CaptionRun
    from hybrid.training.stopping import Stopped

    training, held = training_and_validation(found, data, validation, share, recipe.seed)
    use_cpu = device == "cpu"
    try:
        run = CaptionRun(recipe, training, held, folder, Setting(use_cpu=use_cpu, log=_log, **setting))
        with redirect_stdout(sys.stderr):
            model = run.run()
    except Stopped as stop:
        raise Signalled(stop.number, f"interrupted; {stop}") from None
    except (ModelError, CheckpointError, DataError) as error:
        raise click.ClickException(str(error)) from None
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    click.echo(model)
    return 0


def _log(line: str) -> None:
    click.echo(line, err=True)


def _is_captioner(preset: str | None, o: dict[str, Any]) -> bool:
    """Whether training goes on from a whole captioner, which has learnt to read its own tokens."""
    from hybrid.presets import caption_presets, read_caption_preset

    if o["model"] or o["start_from"] or o["vision"] or o["language"]:
        return bool(o["model"] or o["start_from"])
    table = read_caption_preset(preset) if preset in caption_presets() else {}
    return "model" in table or "start_from" in table
