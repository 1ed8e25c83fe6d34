"""A progress bar on stderr where a person watches, and nothing elsewhere."""

import sys
from contextlib import AbstractContextManager, nullcontext

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


class Bar:
    """Counts what is done, with the rate and the time left.

    Args:
        total: How many there are.
        shown: Whether to show it; it is never shown where stderr is not a terminal.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._progress: Progress | None = None
        if shown and sys.stderr.isatty():
            columns = (
                TextColumn("captioning"),
                BarColumn(),
                MofNCompleteColumn(),
                _Rate(),
                TimeRemainingColumn(),
            )
            # Rows go past the bar, unbroken, where they go to a terminal, and untouched where they do not.
            self._progress = Progress(
                *columns,
                console=Console(stderr=True, soft_wrap=True),
                transient=True,
                redirect_stdout=sys.stdout.isatty(),
            )
            self._task = self._progress.add_task("", total=total)

    def __enter__(self) -> "Bar":
        self._context: AbstractContextManager[object] = self._progress or nullcontext()
        self._context.__enter__()
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def advance(self) -> None:
        """One more is done."""
        if self._progress:
            self._progress.advance(self._task)
