"""``hybrid train``: from nothing to the miniature, or from base models and captions to a captioner."""

import sys
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import click

from hybrid.cli.command import Command, given, switch
from hybrid.cli.data import cache_option, data_option, offline_option, read_data
from hybrid.cli.signals import Signalled

# Only these have a meaning without --data.
_RECIPE_OPTIONS = ("preset", "output", "seed", "workers")


@click.command(name="train", cls=Command)
@click.option(
    "--preset", metavar="NAME", help="The recipe: scenes-mini, or with --data any of hybrid models."
)
@data_option("Pictures and captions to learn from", required=False)
@click.option("--validation", metavar="DATA", help="To evaluate on. [default: a part of --data]")
@click.option(
    "--validation-share",
    type=click.FloatRange(0, 0.9),
    default=0.05,
    show_default=True,
    help="The part of --data that is held out, where neither --validation nor the data itself name one.",
)
@click.option(
    "--model", metavar="NAME", help="A captioner to go on from, in place of --vision and --language."
)
@click.option("--revision", metavar="COMMIT", help="Of --model on the hub.")
@click.option("--vision", metavar="NAME", help="A CLIP or SigLIP tower: a folder, or owner/name on the hub.")
@click.option("--vision-revision", metavar="COMMIT", help="Of --vision on the hub.")
@click.option("--language", metavar="NAME", help="A causal language model: a folder, or owner/name.")
@click.option("--language-revision", metavar="COMMIT", help="Of --language on the hub.")
@click.option(
    "--adapter",
    metavar="NAME",
    help="A published LoRA of --language, as TinyLlama-VLM-LoRA is; it is merged.",
)
@click.option("--adapter-revision", metavar="COMMIT", help="Of --adapter on the hub.")
@click.option(
    "--connector", type=click.Choice(["quantum", "classical"]), help="A fresh connector of this kind."
)
@click.option("--n-qubits", type=click.IntRange(1), metavar="N", help="Of a fresh quantum connector.")
@click.option("--n-layers", type=click.IntRange(1), metavar="N", help="Of a fresh quantum connector.")
@click.option("--prompt", metavar="TEXT", help="What stands before every caption.")
@click.option("--connector-epochs", type=click.FloatRange(0), help="Stage 1: the connector alone.")
@click.option("--epochs", type=click.FloatRange(0), help="Stage 2: connector and LoRA.")
@click.option("--batch-size", type=click.IntRange(1), help="Captions a process and forward pass.")
@click.option("--accumulate", type=click.IntRange(1), help="Forward passes an optimiser step.")
@click.option("--quantum-rate", type=click.FloatRange(0), help="Learning rate of the circuit's weights.")
@click.option("--connector-rate", type=click.FloatRange(0), help="Of the connector's linear maps.")
@click.option("--lora-rate", type=click.FloatRange(0), help="Of LoRA.")
@click.option("--lora-rank", type=click.IntRange(0), help="0 leaves LoRA out.")
@click.option("--lora-alpha", type=click.FloatRange(0), help="Its update is scaled by alpha / rank.")
@click.option("--lora-dropout", type=click.FloatRange(0, 1), help="In training.")
@click.option("--lora-targets", metavar="NAMES", help="Linear maps, with commas between, or all-linear.")
@click.option("--precision", type=click.Choice(["no", "bf16", "fp16"]), help="Mixed precision.")
@click.option("--evaluate-every", type=click.IntRange(1), help="Steps. [default: a quarter of a stage]")
@click.option("--patience", type=click.IntRange(0), help="Evaluations without a better loss to stop after.")
@switch("tensorboard", help="Write TensorBoard's files, too.")
@switch("merge", help="Save a whole model, not only what was trained.")
@click.option("--device", type=click.Choice(["auto", "cpu"]), default="auto", show_default=True)
@cache_option
@offline_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    metavar="DIR",
    help="Where to keep the run; the same folder goes on with it. [default: runs/PRESET]",
)
@click.option(
    "--seed", type=click.IntRange(0), default=0, show_default=True, help="Everything random follows from it."
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    default=2,
    show_default=True,
    help="Processes that draw scenes, or threads that read pictures.",
)
@click.pass_context
def command(ctx: click.Context, /, **options: Any) -> int:
    """Train a model: by a preset's own recipe, or with --data on your pictures and captions.

    Stages that are complete are passed over, and one that was stopped goes on from its last checkpoint.
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
        run = MiniatureRun(recipe, folder, seed, workers, say=_say)
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
    o["connector"] = _connector(o.pop("connector"), o.pop("n_qubits"), o.pop("n_layers"))
    try:
        recipe = load_caption_recipe(
            preset, **{name: value for name, value in o.items() if value is not None}
        )
    except ValueError as error:
        raise click.UsageError(f"{error}; see --preset, --model, --vision and --language") from None
    folder = output or Path("runs") / (preset or Path(data).stem)
    found = read_data(data)

    from hybrid.data.pairs import DataError, choose_split
    from hybrid.loading.checkpoints import CheckpointError
    from hybrid.loading.names import ModelError
    from hybrid.training.caption_stage import Setting
    from hybrid.training.captions import CaptionRun, hold_out
    from hybrid.training.stopping import Stopped

    training = choose_split(found, "train")
    if validation is not None:
        held = choose_split(read_data(validation), "val", "test")
    elif any(pair.split == "val" for pair in found):
        held = [pair for pair in found if pair.split == "val"]
        training = [pair for pair in training if pair.split != "val"]
    else:
        training, held = hold_out(training, share, recipe.seed)
    use_cpu = device == "cpu"
    try:
        run = CaptionRun(recipe, training, held, folder, Setting(use_cpu=use_cpu, say=_say, **setting))
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


def _connector(kind: str | None, n_qubits: int | None, n_layers: int | None) -> dict[str, Any] | None:
    sizes = {name: n for name, n in (("n_qubits", n_qubits), ("n_layers", n_layers)) if n is not None}
    if sizes and kind == "classical":
        raise click.UsageError("--n-qubits and --n-layers are of a quantum connector; leave them out")
    return {"type": kind or "quantum"} | sizes if kind or sizes else None


def _say(line: str) -> None:
    click.echo(line, err=True)
