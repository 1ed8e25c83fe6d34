"""What is said on stderr: one line a message, past the progress bar where there is one."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import click


def _write(line: str) -> None:
    click.echo(line, err=True)


_writers: list[Callable[[str], None]] = [_write]


@contextmanager
def through(writer: Callable[[str], None]) -> Iterator[None]:
    """While this is entered, messages go to ``writer``: whoever draws on the terminal places them."""
    _writers.append(writer)
    try:
        yield
    finally:
        _writers.remove(writer)


def log(message: str) -> None:
    """Write an error or a note to stderr, in one line that names the program."""
    lines = [line.strip() for line in message.splitlines() if line.strip()]  # other libraries write several
    _writers[-1](f"hybrid: {' '.join(lines)}")
