"""Connectors by name, and connectors and metrics of other packages, found by their entry points."""

import functools
from importlib import metadata

# name -> "module:class"; a connector is imported when it is first built, and the command line lists the names
# without torch.
CONNECTORS = {
    "quantum": "hybrid.model.connectors.quantum:QuantumConnector",
    "classical": "hybrid.model.connectors.classical:ClassicalConnector",
}


@functools.cache
def installed(group: str) -> dict[str, metadata.EntryPoint]:
    """Entry points of a group, such as ``"hybrid.connectors"``, by name."""
    return {entry.name: entry for entry in metadata.entry_points(group=group)}
