"""The options of the connector, for the commands that make one."""

from collections.abc import Callable
from typing import Any

import click

from hybrid.model.extensions import CONNECTORS, installed

_SIZES = {"n_qubits": "quantum", "n_layers": "quantum", "width": "classical", "n_tokens": None}


class _Kind(click.Choice[str]):
    """Our kinds, and any connector of another package."""

    def convert(self, value: str, param: click.Parameter | None, ctx: click.Context | None) -> str:
        """See `click.Choice`."""
        return click.Choice([*CONNECTORS, *installed("hybrid.connectors")]).convert(value, param, ctx)


_kind = click.option(
    "--connector",
    type=_Kind(list(CONNECTORS)),
    help="Start with a new, untrained connector of this kind.",
)
_n_qubits = click.option(
    "--n-qubits", type=click.IntRange(1), metavar="N", help="Qubits of the new quantum connector."
)
_n_layers = click.option(
    "--n-layers", type=click.IntRange(1), metavar="N", help="Layers of the new quantum connector."
)
_width = click.option(
    "--width",
    type=click.IntRange(1),
    metavar="N",
    help="How many numbers the new classical connector passes on for each vision token.",
)
_n_tokens = click.option(
    "--n-tokens",
    type=click.IntRange(1),
    metavar="N",
    help="How many vision tokens the new connector makes of each feature vector.",
)
vision_feature_option = click.option(
    "--vision-feature",
    metavar="NAME",
    help="What to read of --vision, such as cls, pooled, gridK for K x K parts of a picture, or several "
    "joined by +. [default: the first of cls, pooled and grid1 that it has]",
)


def connector_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add all of them to a command."""
    for option in (_n_tokens, _width, _n_layers, _n_qubits, _kind):
        command = option(command)
    return command


def chosen_connector(o: dict[str, Any], *, fresh: bool = True) -> dict[str, Any] | None:
    """Remove these options and build the connector's specification, or None if none was given.

    Args:
        o: All options; these are removed.
        fresh: Whether the language model has never read tokens of a picture. One that has learnt to, in a
            captioner, keeps the scale it knows.

    Raises:
        click.UsageError: If a size is of another kind of connector.
    """
    from hybrid.model.connectors import fresh_connector

    given = {name: n for name in _SIZES if (n := o.pop(name)) is not None}
    kind = o.pop("connector")
    if kind is None and given:
        kind = "classical" if "width" in given else "quantum"
    for name in given:
        if _SIZES[name] not in (None, kind):
            option = f"--{name.replace('_', '-')}"
            raise click.UsageError(
                f"{option} is of a {_SIZES[name]} connector, not of a {kind} one; leave it out"
            )
    if kind is None:
        return None
    return fresh_connector(kind, **given) if fresh else {"type": kind} | given
