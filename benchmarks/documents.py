"""Puts sections of a report between markers of a document: `<!-- benchmarks: NAME -->` ... `<!-- end -->`.

No figure of speed stands in README or docs but between such markers; a test makes them anew and compares.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

ROOT = Path(__file__).parents[1]
DOCUMENTS = (ROOT / "README.md", ROOT / "docs" / "performance.md")
RESULTS = ROOT / "benchmarks" / "results"

_BLOCK = re.compile(r"(<!-- benchmarks: ([\w: -]+?) -->\n)(.*?)(<!-- end -->)", re.DOTALL)


def filled(text: str, sections: Mapping[str, str], pictures: str) -> str:
    """Return a document with its blocks made anew.

    Args:
        text: The document.
        sections: Name -> Markdown; see `benchmarks.report.blocks`.
        pictures: Where the results' folder is, seen from the document; in place of `{results}`.

    Raises:
        KeyError: If a block names no section.
    """

    def fill(block: re.Match[str]) -> str:
        return f"{block[1]}{sections[block[2]].strip().replace('{results}', pictures)}\n{block[4]}"

    return _BLOCK.sub(fill, text)


def outside(text: str) -> str:
    """What a document says outside its blocks."""
    return _BLOCK.sub("", text)


def pictures_from(document: Path) -> str:
    """The results' folder as a link in a document has to name it."""
    return "../" * (len(document.relative_to(ROOT).parts) - 1) + RESULTS.relative_to(ROOT).as_posix()
