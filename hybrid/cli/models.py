"""``hybrid models``: what ``--model`` can be without a download."""

import click

from hybrid.cli.command import Command


@click.command(name="models", cls=Command)
def command() -> None:
    """List the models that are there without a download: a name and a folder a line.

    Any folder that save_pretrained wrote, and any captioner on the Hugging Face hub, is a model, too.
    """
    from hybrid.models import MODELS, cached_models

    for name, where in [*MODELS.items(), *cached_models()]:
        click.echo(f"{name}\t{where}")
