"""The ``hybrid`` command: one file a subcommand, loaded when it is called."""

import atexit
import difflib
import gc
import os
import sys
from importlib import import_module
from typing import Any

import click

from hybrid.cli.messages import log
from hybrid.cli.signals import Signalled, signals_raise
from hybrid.model.errors import HybridError, OptionError

# name -> its line in --help. The command is `hybrid.cli.<name>.command`. It imports torch and the rest only
# when it runs, so that help and usage errors are instant.
COMMANDS = {
    "caption": "Caption pictures.",
    "train": "Train a model by a preset's recipe, or on your own pictures and captions.",
    "compose": "Join a vision model and a language model by a new connector.",
    "distill": "Make a quantum connector from a trained classical one.",
    "eval": "Score a model's captions against references.",
    "compare": "Score several models on the same pictures, side by side.",
    "download": "Fetch what a model of this package needs, once.",
    "models": "List the models that --model knows by name.",
    "push": "Send a model to the Hugging Face hub.",
    "info": "Describe a model, its circuit, and what is installed.",
    "draw": "Draw a model's circuit.",
    "demo": "Serve a web page to try pictures on.",
    "completion": "Print a script for completion in bash, zsh or fish.",
}


class _Commands(click.Group):
    """A group that lists its commands without importing them."""

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


# Packages that a bug report should name; all but the first are optional.
PACKAGES = ("torch", "transformers", "jax", "pennylane", "pillow", "gradio")


def versions() -> dict[str, str]:
    """Versions for bug reports, read without importing the packages."""
    import platform
    from importlib.metadata import PackageNotFoundError, version

    found = {"hybrid": version("qproj"), "python": platform.python_version()}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _show_version(ctx: click.Context, parameter: click.Parameter, value: bool) -> None:  # noqa: ARG001
    if value and not ctx.resilient_parsing:
        for name, number in versions().items():
            click.echo(f"{name} {number}")
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
    help="Show the versions of this program and of what it runs on, and exit.",
)
def group() -> None:
    """Caption pictures through a quantum circuit.

    A CLIP vision model looks at the picture, a quantum circuit passes on what it saw, and a Llama language
    model puts it into words. A small trained model is built in: try 'hybrid caption img.jpg'. Each command
    has its own help, as in 'hybrid caption --help'.
    """


def main() -> None:
    """Run the command line.

    Exit code 0: all done; 1: something failed; 2: wrong usage; 130 and 143: stopped by SIGINT and SIGTERM.
    """
    atexit.register(gc.freeze)  # skip the garbage collection of half a million objects at exit
    # JAX must leave GPU memory to CLIP and Llama. An application may decide this, a library must not.
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
    with signals_raise():
        try:
            sys.exit(_run(sys.argv[1:] or ["--help"]))
        finally:
            gc.unfreeze()  # see hybrid.cli.collector


def _run(arguments: list[str]) -> int:
    settings: dict[str, bool] = {"traceback": bool(os.environ.get("HYBRID_DEBUG"))}
    try:
        code = group.main(arguments, prog_name="hybrid", standalone_mode=False, obj=settings)
        return code if isinstance(code, int) else 0
    except click.UsageError as error:
        path = error.ctx.command_path if error.ctx else "hybrid"
        log(f"{error.format_message().rstrip('.')} (see '{path} --help')")
        return 2
    except Signalled as stop:
        log(str(stop))
        return 128 + stop.number
    except BrokenPipeError:  # broken pipe: the reader, such as `head`, has closed stdout
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except Exception as error:
        # One line for users; --traceback for developers.
        if settings["traceback"]:
            raise
        if isinstance(error, click.ClickException):
            log(error.format_message())
        elif isinstance(error, HybridError) or type(error).__module__.startswith("qproj."):
            # Errors of this package are already written for users.
            log(str(error))
            return 2 if isinstance(error, OptionError) else 1
        else:
            lines = str(error).splitlines()
            log(f"{type(error).__name__}: {lines[0] if lines else ''} (--traceback shows where)")
        return 1
