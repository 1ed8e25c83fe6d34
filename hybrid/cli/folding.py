"""Wrapping of text to the terminal: circuits between gates, other lines between words."""

import itertools
import re
import shutil
import sys
import textwrap

_WIRE = re.compile(r"\s*\d+: (?=[─●])")


def terminal_width() -> int | None:
    """Columns of the terminal, or None if stdout is a file or a pipe."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def fold(text: str, width: int | None) -> str:
    """Fold a drawn circuit and the lines around it.

    Args:
        text: As ``str(circuit)`` draws it: a line a wire that begins with ``0: ``, and others.
        width: Columns; no folding if None.

    Returns:
        The text in lines of at most ``width`` columns. Each part of the circuit names its wires again.
    """
    if width is None:
        return text
    folded: list[str] = []
    for is_wire, group in itertools.groupby(text.splitlines(), lambda line: bool(_WIRE.match(line))):
        lines = list(group)
        folded += (
            _wires(lines, width) if is_wire else [part for line in lines for part in _words(line, width)]
        )
    return "\n".join(folded)


def _wires(lines: list[str], width: int) -> list[str]:
    longest = max(map(len, lines))
    if longest <= width:
        return lines
    label = max(match.end() for match in map(_WIRE.match, lines) if match)
    between = [i for i in range(label + 1, longest) if all(line[i : i + 1] == "─" for line in lines)]
    folded, start = [], label
    while start < longest:
        room = start + max(width - label, 1)
        end = longest if longest <= room else max((i for i in between if start < i <= room), default=room)
        folded += ["", *(line[:label] + line[start:end] for line in lines)]
        start = end
    return folded[1:]


def _words(line: str, width: int) -> list[str]:
    if len(line) <= width:
        return [line]
    indent = " " * (len(line) - len(line.lstrip()) + 2)
    return textwrap.wrap(line, width, subsequent_indent=indent, break_long_words=False)
