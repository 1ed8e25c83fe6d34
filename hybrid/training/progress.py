"""What is said while something takes long: a bar where a person watches, elsewhere a line now and then."""

import sys
import time
from collections.abc import Callable
from typing import Any

from transformers import ProgressCallback, TrainerCallback

EVERY = 30.0  # seconds


def to_stderr(line: str) -> None:
    """Say a line on stderr."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


class Heartbeat:
    """Says how far something is, at most every `EVERY` seconds.

    Args:
        what: It is.
        total: When it is done.
        say: Is told a line at a time.
        clock: Gives seconds.
    """

    def __init__(
        self, what: str, total: int, say: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.total, self.say, self.clock = what, total, say, clock
        self.done = 0
        self._began = self._said = clock()
        self._first = 0

    def begin_at(self, done: int) -> None:
        """So much was done before."""
        self.done = self._first = done
        self._began = self._said = self.clock()

    def update(self, more: int = 1, note: str = "") -> None:
        """So much more is done."""
        self.done += more
        now = self.clock()
        if now - self._said < EVERY or self.done >= self.total:
            return
        self._said = now
        left = (now - self._began) / (self.done - self._first) * (self.total - self.done)
        time_left = f"{left / 60:.0f} min" if left >= 90 else f"{left:.0f} s"
        self.say(f"{self.what}: {self.done:,} of {self.total:,}{note}, about {time_left} left")


class Progress(ProgressCallback):  # type: ignore[misc]
    """A progress bar that shows the loss in place, where transformers' own prints a dictionary a time."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{float(logs['loss']):.3f}")


class PlainProgress(TrainerCallback):  # type: ignore[misc]
    """A line now and then: the step, the loss and the time left."""

    def __init__(self, name: str, say: Callable[[str], None]) -> None:
        self.name, self.say, self.loss = name, say, ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        self.beat = Heartbeat(f"{self.name}: step", state.max_steps, self.say)
        self.beat.begin_at(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if logs and "loss" in logs:
            self.loss = f", loss {float(logs['loss']):.3f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if state.is_world_process_zero:
            self.beat.update(note=self.loss)
