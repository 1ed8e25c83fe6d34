"""The ``hybrid`` command: one file a subcommand, loaded when it is called."""

import difflib
import os
import sys
from importlib import import_module
from typing import Any

import click

# name -> its line in --help. The command itself is `hybrid.cli.<name>.command`; torch and the rest are only
# imported inside it, so that help and usage errors come at once.
COMMANDS = {
    "caption": "Caption pictures.",
    "train": "Train a model by a preset's recipe.",
}


class _Commands(click.Group):
    """Knows its commands' names without importing them."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:  # noqa: ARG002
        if name not in COMMANDS:
            return None
        command: click.Command = import_module(f"hybrid.cli.{name}").command
        return command

    def resolve_command(self, ctx: click.Context, args: list[str]) -> Any:
        name = args[0]
        if name not in COMMANDS:
            near = difflib.get_close_matches(name, COMMANDS, 1)
            hint = f" Did you mean {near[0]!r}?" if near else f" Commands: {', '.join(COMMANDS)}."
            ctx.fail(f"No such command {name!r}.{hint}")
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))


def _show_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if not value or ctx.resilient_parsing:
        return
    from importlib.metadata import PackageNotFoundError, version

    click.echo(f"hybrid {version('qproj')}")
    for name in ("torch", "transformers", "jax", "pennylane"):
        try:
            click.echo(f"{name} {version(name)}")
        except PackageNotFoundError:
            click.echo(f"{name} not installed")
    ctx.exit()


@click.group(
    cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.option(
    "--version",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_show_version,
    help="Show versions and exit.",
)
def group() -> None:
    """Caption pictures through a quantum circuit: CLIP sees, the circuit passes it on, Llama says it."""


def main() -> None:
    """Run the command line: exit code 0 done, 1 something failed, 2 wrong usage, 130 interrupted."""
    try:
        code = group.main(sys.argv[1:] or ["--help"], prog_name="hybrid", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "hybrid"
        fail(f"{error.format_message().rstrip('.')} (see '{path} --help')")
        sys.exit(2)
    except click.ClickException as error:
        fail(error.format_message())
        sys.exit(1)
    except (KeyboardInterrupt, click.exceptions.Abort):
        fail("interrupted")
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
    except Exception as error:
        # Whatever it is, a person gets a line; a developer can ask for all of it.
        if os.environ.get("HYBRID_DEBUG"):
            raise
        lines = str(error).splitlines()
        fail(f"{type(error).__name__}: {lines[0] if lines else ''} (HYBRID_DEBUG=1 shows where)")
        sys.exit(1)


def fail(message: str) -> None:
    """Say on stderr, in one line, what went wrong."""
    click.echo(f"hybrid: {message}", err=True)
