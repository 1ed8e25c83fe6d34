"""``hybrid push``: a model's folder becomes a repository on the hub."""

from pathlib import Path

import click

from hybrid.cli.command import Command, switch


@click.command(
    name="push",
    cls=Command,
    examples=[
        (
            "Log in, then send a model you trained",
            "hf auth login && hybrid push runs/mine/model me/my-captioner",
        ),
    ],
)
@click.argument("folder", type=click.Path(path_type=Path, exists=True, file_okay=False))
@click.argument("name", metavar="OWNER/NAME")
@switch("private", help="Make the repository private, if it is new.")
def command(folder: Path, name: str, private: bool) -> int:
    """Send a model to the Hugging Face hub.

    FOLDER is a model that hybrid train or hybrid distill wrote. If it holds only what was trained (the
    connector and LoRA, a few MB), only that is sent, with the names of the models it is built on. Log in
    first with hf auth login, or set HF_TOKEN.
    """
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.loading.upload import push

    quiet_transformers()
    click.echo(push(folder, name, private=private))
    return 0
