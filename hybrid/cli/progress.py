"""A progress bar on stderr where a person watches, and nothing elsewhere."""

import sys
from contextlib import ExitStack

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

from hybrid.cli.messages import through


class _Rate(ProgressColumn):
    def render(self, task: Task) -> Text:
        return Text(f"{task.speed:.1f}/s" if task.speed else "-/s")


class Bar:
    """Counts what is done, with the rate and the time left. Messages are printed above it.

    Args:
        total: How many there are.
        shown: Whether to show it; it is never shown where stderr is not a terminal.
    """

    def __init__(self, total: int, *, shown: bool) -> None:
        self._progress: Progress | None = None
        if shown and sys.stderr.isatty():
            columns = (
                TextColumn("{task.description}"),
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
            self._task = self._progress.add_task("loading the model", total=total)

    def __enter__(self) -> "Bar":
        self._context = ExitStack()
        if self._progress:
            self._context.enter_context(self._progress)
            self._context.enter_context(through(self._print))
        return self

    def __exit__(self, *error: object) -> None:
        self._context.__exit__(*error)  # type: ignore[arg-type]

    def advance(self) -> None:
        """One more is done."""
        if self._progress:
            self._progress.advance(self._task)

    def describe(self, doing: str) -> None:
        """Say before the bar what is done just now."""
        if self._progress:
            self._progress.update(self._task, description=doing, refresh=True)

    def _print(self, line: str) -> None:
        assert self._progress is not None
        self._progress.console.print(Text(line), soft_wrap=True)
