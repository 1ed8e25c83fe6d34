"""``hybrid draw``: a model's circuit as text or as a figure."""

from pathlib import Path

import click

from hybrid.cli.command import Command, OutputFile
from hybrid.cli.folding import fold, terminal_width
from hybrid.cli.model import load_model, model_option

_ENDINGS = (".png", ".svg", ".pdf")


@click.command(
    name="draw",
    cls=Command,
    examples=[
        ("As text", "hybrid draw"),
        ("As a figure", "hybrid draw --output circuit.svg"),
    ],
)
@model_option
@click.option(
    "--output",
    type=OutputFile(),
    metavar="FILE",
    help="Write a figure to this file: .png, .svg or .pdf. PennyLane draws it. [default: text to stdout]",
)
def command(model: str | None, output: Path | None) -> None:
    """Draw a model's circuit.

    In the text, x3 is input 3 and w5 is weight 5, both angles in radians. A drawing that is wider than the
    terminal goes on below.
    """
    if output and output.suffix.lower() not in _ENDINGS:
        raise click.UsageError(f"--output {output}: must end in {', '.join(_ENDINGS)}")
    loaded, _ = load_model(model)
    from hybrid.model.description import quantum_layers

    layers = quantum_layers(loaded)
    if not layers:
        raise click.UsageError(f"--model {model}: its connector has no circuit to draw")
    if output is None:
        for layer in layers:
            click.echo(fold(str(layer.circuit), terminal_width()))
        return
    try:
        import matplotlib as mpl

        from qproj.backends.pennylane_drawing import figure

        mpl.use("Agg")
        drawn = figure(layers[0].circuit)
    except ImportError as error:
        raise click.ClickException(
            f"a figure needs PennyLane and matplotlib ({error}); pip install 'qproj[draw]', or drop --output"
        ) from None
    drawn.savefig(output)
