"""``hybrid models``: what ``--model`` can be."""

import click

from hybrid.cli.command import Command

_SHIPPED = {
    "scenes-mini": "a small captioner of drawn scenes, which ships with this package",
    "photos": "a captioner of photographs, which ships with this package but for its language model: hybrid "
    "download photos",
}


@click.command(name="models", cls=Command, examples=[("What --model can be", "hybrid models")])
def command() -> None:
    """List the models that --model knows by name.

    A line holds a name, where the model is, and what it is: first the presets, then the captioners in the
    cache of the Hugging Face hub. --model also takes any folder that save_pretrained or hybrid train wrote,
    and owner/name of any captioner on the hub.
    """
    from hybrid.loading.names import MODELS, cached_models, is_cached, presets
    from hybrid.presets import read_caption_preset

    for name in presets():
        if name in MODELS:
            click.echo(f"{name}\t{MODELS[name]}\t{_SHIPPED[name]}")
            continue
        preset = read_caption_preset(name)
        parts = [preset[part] for part in ("vision", "language", "adapter") if part in preset]
        where = "in the hub's cache" if all(map(is_cached, parts)) else "to be downloaded"
        click.echo(f"{name}\t{where}: {', '.join(parts)}\t{preset['description']}")
    for name, folder in cached_models():
        click.echo(f"{name}\t{folder}\tin the hub's cache")
