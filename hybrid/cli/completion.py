"""``hybrid completion``: what a shell needs to complete commands, options, models and backends."""

import click
from click.shell_completion import get_completion_class

from hybrid.cli import group
from hybrid.cli.command import Command


@click.command(name="completion", cls=Command)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print what makes a shell complete commands and options.

    For bash add to ~/.bashrc: eval "$(hybrid completion bash)"; for zsh to ~/.zshrc the same with zsh; for
    fish write it to ~/.config/fish/completions/hybrid.fish.
    """
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(group, {}, "hybrid", "_HYBRID_COMPLETE").source())
