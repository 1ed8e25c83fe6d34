"""Writes the tables of docs/photographs.md: `python -m benchmarks.connector_tables`."""

from __future__ import annotations

import json

from benchmarks import connector_sizes, connectors
from benchmarks.documents import ROOT, filled

DOCUMENT = ROOT / "docs" / "photographs.md"


def made_anew() -> str:
    """The document with its tables made of the committed results."""
    compared = json.loads(connectors.FILE.read_text())
    sections = {"connectors": connectors.written(compared)}
    sections |= connector_sizes.written(json.loads(connector_sizes.FILE.read_text()), compared["runs"])
    return filled(DOCUMENT.read_text(), sections, "")


if __name__ == "__main__":
    DOCUMENT.write_text(made_anew())
