"""A progress bar, if stderr is a TTY."""

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
    """Progress with rate and remaining time. Messages are printed above it.

    Args:
        total: How many there are.
        shown: Whether to show it; never shown if stderr is not a TTY.
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
            # Results are printed above the bar if stdout is a TTY, and unchanged otherwise.
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
        """Count one more."""
        if self._progress:
            self._progress.advance(self._task)

    def describe(self, doing: str) -> None:
        """Set the text in front of the bar."""
        if self._progress:
            self._progress.update(self._task, description=doing, refresh=True)

    def _print(self, line: str) -> None:
        assert self._progress is not None
        self._progress.console.print(Text(line), soft_wrap=True)
