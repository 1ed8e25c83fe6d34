"""``hybrid push``: a model's folder becomes a repository on the hub."""

from pathlib import Path

import click

from hybrid.cli.command import Command, switch


@click.command(name="push", cls=Command)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("name", metavar="OWNER/NAME")
@switch("private", help="If the repository is new, hide it from others.")
def command(folder: Path, name: str, private: bool) -> int:
    """Send a model to the Hugging Face hub.

    FOLDER is what train or distill wrote. Of a small checkpoint only connector and LoRA are sent, a few
    MB; the models it is built on are named in it. Log in first with hf auth login, or set HF_TOKEN.
    """
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.loading.names import ModelError
    from hybrid.loading.upload import push

    quiet_transformers()
    try:
        click.echo(push(folder, name, private=private))
    except ModelError as error:
        raise click.ClickException(str(error)) from None
    return 0
