"""``hybrid completion``: what a shell needs to complete commands, options, models and backends."""

import click
from click.shell_completion import get_completion_class

from hybrid.cli import group
from hybrid.cli.command import Command


@click.command(
    name="completion",
    cls=Command,
    examples=[
        ("bash, in ~/.bashrc", 'eval "$(hybrid completion bash)"'),
        ("zsh, in ~/.zshrc", 'eval "$(hybrid completion zsh)"'),
        ("fish", "hybrid completion fish > ~/.config/fish/completions/hybrid.fish"),
    ],
)
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
def command(shell: str) -> None:
    """Print a script that makes a shell complete commands, options, models, backends and file names."""
    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(group, {}, "hybrid", "_HYBRID_COMPLETE").source())
