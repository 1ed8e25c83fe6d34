"""``hybrid info``: what a model is made of, how its circuit runs, and what is installed."""

from typing import TYPE_CHECKING

import click

from hybrid.cli import versions
from hybrid.cli.command import Command
from hybrid.cli.folding import fold, terminal_width
from hybrid.cli.model import backends, complete_model, load_model

if TYPE_CHECKING:
    from qproj.backends import Capabilities


@click.command(
    name="info",
    cls=Command,
    examples=[
        ("The bundled model", "hybrid info"),
        ("A model you trained, and the plan for batches of 64", "hybrid info runs/mine/model --batch 64"),
    ],
)
@click.argument("model", required=False, shell_complete=complete_model)
@click.option(
    "--batch",
    type=click.IntRange(1),
    default=16,
    show_default=True,
    help="Batch size to plan the circuit for.",
)
def command(model: str | None, batch: int) -> None:
    """Describe a model, its circuit, and what is installed.

    MODEL is a preset from 'hybrid models', a folder, or owner/name on the hub. Without it the bundled
    model is described.
    """
    loaded, _ = load_model(model)
    from hybrid.model.description import count_parameters, devices, quantum_layers

    config, count = loaded.config, count_parameters(loaded)
    _section(
        "model",
        {
            "folder": config.name_or_path,
            "vision": f"{config.vision_config.model_type}, width {config.vision_hidden_size}",
            "connector": ", ".join(f"{name} {value}" for name, value in (config.connector or {}).items()),
            "language": f"{config.text_config.model_type}, width {config.hidden_size}",
        },
    )
    _section(
        "parameters",
        {
            "frozen": f"{count.frozen:,}  vision tower and language model",
            "LoRA": f"{count.lora:,}"
            + "  merged into the language model, if there was any" * (not count.lora),
            "linear": f"{count.linear:,}  of the connector",
            "quantum": f"{count.quantum:,}  angles of the circuit",
            "total": f"{count.total:,}",
        },
    )
    for layer in quantum_layers(loaded):
        click.echo(f"circuit\n{_indented(layer.circuit)}\n")
        click.echo(f"plan\n{_indented(layer.plan(batch))}\n")
    from qproj.backends import families

    runners = {name: _can(capabilities) for name, capabilities in families.found().items()}
    others = dict.fromkeys((name for name in backends() if name not in runners), "a PennyLane device")
    _section("backends", runners | others)
    _section("devices", dict.fromkeys(devices(), ""))
    _section("versions", versions())


def _can(capabilities: "Capabilities") -> str:
    """What a backend can do, in words."""
    flags = ("exact", "shots", "noise", "seed")
    able = [flag for flag in flags if getattr(capabilities, flag)]
    return f"{', '.join(able)}; gradients by {', '.join(capabilities.diff_methods)}"


def _section(title: str, lines: dict[str, str]) -> None:
    width = max(map(len, lines)) + 2
    click.echo(title)
    for name, value in lines.items():
        click.echo(f"  {name:{width}}{value}".rstrip())
    click.echo()


def _indented(thing: object) -> str:
    width = terminal_width()
    text = fold(str(thing), width and width - 2)
    return "\n".join(f"  {line}" for line in text.splitlines())
