"""What is said while something takes long: a bar where a person watches, elsewhere a line now and then."""

import sys
from collections.abc import Callable
from typing import Any

from transformers import ProgressCallback, TrainerCallback

from hybrid.data.heartbeat import Heartbeat


def to_stderr(line: str) -> None:
    """Say a line on stderr."""
    print(line, file=sys.stderr, flush=True)  # noqa: T201


class Progress(ProgressCallback):  # type: ignore[misc]
    """A progress bar that shows the loss in place, where transformers' own prints a dictionary a time."""

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if self.training_bar is not None and logs and "loss" in logs:
            self.training_bar.set_postfix(loss=f"{float(logs['loss']):.3f}")


class PlainProgress(TrainerCallback):  # type: ignore[misc]
    """A line now and then: the step, the loss and the time left."""

    def __init__(self, name: str, log: Callable[[str], None]) -> None:
        self.name, self.log, self.loss = name, log, ""

    def on_train_begin(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        self.beat = Heartbeat(f"{self.name}: step", state.max_steps, self.log)
        self.beat.begin_at(state.global_step)

    def on_log(self, args: Any, state: Any, control: Any, logs: Any = None, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if logs and "loss" in logs:
            self.loss = f", loss {float(logs['loss']):.3f}"

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if state.is_world_process_zero:
            self.beat.update(note=self.loss)
