"""A signal in training waits for the step to end, so that what is saved is whole."""

import signal
import threading
from types import FrameType
from typing import Any, Self

import torch
from transformers import TrainerCallback

_SIGNALS = (signal.SIGINT, signal.SIGTERM)


class Stopped(Exception):  # noqa: N818  (it is no error)
    """Training was stopped by a signal, and saved.

    Args:
        number: Of the signal.
        message: Says where.
    """

    def __init__(self, number: int, message: str) -> None:
        super().__init__(message)
        self.number = number


class StopSignals:
    """While this context is entered, SIGINT and SIGTERM are noted; a second one does what it did before.

    Outside the main thread, where Python allows no handlers, nothing is noted.

    Attributes:
        received: The signal's number, once there was one.
    """

    def __init__(self) -> None:
        self.received: int | None = None
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _SIGNALS:
                if signal.getsignal(number) is not signal.SIG_IGN:
                    self._before[number] = signal.signal(number, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def _note(self, number: int, frame: FrameType | None) -> None:  # noqa: ARG002
        self.received = number
        self.__exit__()


class StopCallback(TrainerCallback):  # type: ignore[misc]
    """Lets Trainer save and end after the step in which a signal came, the same one in all processes."""

    def __init__(self, signals: StopSignals) -> None:
        self.signals = signals

    def on_step_end(self, args: Any, state: Any, control: Any, **kwargs: Any) -> None:  # noqa: ARG002
        """See `TrainerCallback`."""
        if args.world_size > 1:
            number = torch.tensor(self.signals.received or 0, device=args.device)
            torch.distributed.all_reduce(number, torch.distributed.ReduceOp.MAX)
            self.signals.received = int(number) or None
        if self.signals.received is not None:
            control.should_save = control.should_training_stop = True
