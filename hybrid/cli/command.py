"""What all commands share: ``--config``, ``--traceback`` and examples in the help."""

import difflib
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click


class Command(click.Command):
    """A command that also reads its options from a TOML file; flags win.

    Args:
        examples: A description and a command line each, for the end of the help page.
        *args: See `click.Command`.
        **kwargs: See `click.Command`.
    """

    def __init__(self, *args: Any, examples: Sequence[tuple[str, str]], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.examples = examples
        self.params += [
            click.Option(
                ["--config"],
                type=click.Path(exists=True, dir_okay=False, path_type=Path),
                metavar="FILE",
                is_eager=True,
                expose_value=False,
                callback=_use_config,
                help="Read options from this TOML file. Options given on the command line override it.",
            ),
            click.Option(
                ["--traceback"],
                is_flag=True,
                expose_value=False,
                callback=_show_tracebacks,
                help="On an error, print the Python traceback, as HYBRID_DEBUG=1 in the environment does.",
            ),
        ]

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002
        """See click; examples are never wrapped, so that they can be copied."""
        with formatter.section("Examples"):
            for does, line in self.examples:
                formatter.write(f"{'':{formatter.current_indent}}# {does}\n")
                formatter.write(f"{'':{formatter.current_indent}}{line}\n")

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """See click; a left-over argument is reported with the option that may be missing before it."""
        ctx.allow_extra_args = True
        left = super().parse_args(ctx, args)
        if left and not ctx.resilient_parsing:
            options = {name for parameter in self.params for name in parameter.opts}
            missing = next((name for name in ("--data", "--output") if name in options), None)
            hint = f"; did you mean {missing} {left[0]}?" if missing else ""
            raise click.UsageError(f"Got unexpected extra argument {left[0]!r}{hint}", ctx)
        return left


class OutputFile(click.Path):
    """A file to write. Its folder must exist, which is checked before any work is done."""

    def __init__(self) -> None:
        super().__init__(dir_okay=False, writable=True, path_type=Path)

    def convert(self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None) -> Any:
        """See `click.Path`."""
        path = Path(value)
        if not path.parent.is_dir():
            self.fail(f"{path}: there is no folder {path.parent}; make it first", parameter, ctx)
        return super().convert(path, parameter, ctx)


def switch(name: str, **settings: Any) -> Callable[[Any], Any]:
    """A flag with ``--name`` and ``--no-name``, so that it can override a file either way."""
    return click.option(f"--{name}/--no-{name}", default=False, **settings)


def given(ctx: click.Context, name: str) -> bool:
    """Whether an option was given on the command line."""
    return ctx.get_parameter_source(name) is click.core.ParameterSource.COMMANDLINE


def _show_tracebacks(ctx: click.Context, _parameter: click.Parameter, value: bool) -> None:
    if value:
        ctx.ensure_object(dict)["traceback"] = True


def _use_config(ctx: click.Context, _parameter: click.Parameter, path: Path | None) -> None:
    if path is None or ctx.resilient_parsing:
        return
    try:
        given = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise click.UsageError(f"--config {path}: cannot be read ({error})", ctx) from None
    options = {
        max(parameter.opts, key=len).removeprefix("--"): parameter
        for parameter in ctx.command.params
        if isinstance(parameter, click.Option) and not parameter.is_eager
    }
    values, faults = {}, []
    for key, value in given.items():
        name = key.replace("_", "-")
        if name in options:
            fault = _fault(ctx, options[name], value)
            values[options[name].name] = value
        else:
            near = difflib.get_close_matches(name, options, 1)
            fault = "is no option" + (f", did you mean {near[0]}?" if near else f" of {ctx.command_path}")
        if fault:
            faults.append(f"{key} {fault}")
    if faults:
        raise click.UsageError(f"--config {path}: {'; '.join(faults)}", ctx)
    ctx.default_map = values


def _fault(ctx: click.Context, option: click.Option, value: Any) -> str | None:
    """What is wrong with an option's value, if anything is."""
    kinds: tuple[type, ...]
    if option.is_flag:
        wanted, kinds = "true or false", (bool,)
    elif isinstance(option.type, click.types.IntParamType):
        wanted, kinds = "a whole number", (int,)
    elif isinstance(option.type, click.types.FloatParamType):
        wanted, kinds = "a number", (int, float)
    else:
        wanted, kinds = "text in quotes", (str,)
    if not isinstance(value, kinds) or (isinstance(value, bool) and not option.is_flag):
        return f"must be {wanted}, but was {value!r}"
    try:
        option.type_cast_value(ctx, value)
    except click.BadParameter as error:
        return f"is not allowed: {error.message.rstrip('.')}"
    return None
