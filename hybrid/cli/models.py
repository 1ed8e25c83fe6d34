"""``hybrid models``: what ``--model`` can be."""

import click

from hybrid.cli.command import Command


@click.command(name="models", cls=Command)
def command() -> None:
    """List presets, and the captioners in the hub's cache: a name, where it is, and what it is, a line each.

    Any folder that save_pretrained or hybrid train wrote, and any captioner on the Hugging Face hub, is a
    model, too.
    """
    from hybrid.loading.names import MODELS, cached_models, is_cached, presets
    from hybrid.presets import read_caption_preset

    for name in presets():
        if name in MODELS:
            click.echo(
                f"{name}\t{MODELS[name]}\ta small captioner of drawn scenes, which ships with this package"
            )
            continue
        preset = read_caption_preset(name)
        parts = [preset[part] for part in ("vision", "language", "adapter") if part in preset]
        where = "in the hub's cache" if all(map(is_cached, parts)) else "to be downloaded"
        click.echo(f"{name}\t{where}: {', '.join(parts)}\t{preset['description']}")
    for name, folder in cached_models():
        click.echo(f"{name}\t{folder}\tin the hub's cache")
