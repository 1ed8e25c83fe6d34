"""Messages on stderr: one line each, printed above the progress bar if there is one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


def _write(line: str) -> None:
    click.echo(line, err=True)


_writers: list[Callable[[str], None]] = [_write]


@contextmanager
def through(writer: Callable[[str], None]) -> Iterator[None]:
    """Send messages to ``writer`` in this block, for example to a progress bar."""
    _writers.append(writer)
    try:
        yield
    finally:
        _writers.remove(writer)


def log(message: str) -> None:
    """Write an error or a note to stderr, in one line that names the program."""
    lines = [
        line.strip() for line in message.splitlines() if line.strip()
    ]  # messages of other libraries may have several lines
    _writers[-1](f"hybrid: {' '.join(lines)}")
