"""Connectors and metrics of other packages, found by their entry points."""

import functools
from importlib import metadata


@functools.cache
def installed(group: str) -> dict[str, metadata.EntryPoint]:
    """Entry points of a group, such as ``"hybrid.connectors"``, by name."""
    return {entry.name: entry for entry in metadata.entry_points(group=group)}
