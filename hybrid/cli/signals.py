"""SIGINT and SIGTERM end a command: what is written stays, and the exit code says which it was."""

import _thread
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN = 0.05  # seconds


class Signalled(BaseException):
    """A signal asked for the end. Like KeyboardInterrupt, it passes what only handles exceptions.

    Args:
        number: Of the signal.
        message: What is said on stderr.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number


@contextmanager
def signals_raise() -> Iterator[None]:
    """While this is entered, a signal raises `Signalled`, unless whoever started us had it ignored.

    Python drops what is raised in a finaliser or in a callback of its garbage collector, of which JAX has
    one. A signal that comes just then is given again a moment later.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = sys.unraisablehook

    def dropped(what: Any) -> None:
        if isinstance(what.exc_value, Signalled):
            # Not threading's: its locks may be held where the collector was called.
            number = signal.Signals(what.exc_value.number)
            _thread.start_new_thread(_give_again, (number, before[number]))
        else:
            hook(what)

    sys.unraisablehook = dropped
    try:
        for number, handler in before.items():
            if handler is not signal.SIG_IGN:
                signal.signal(number, _stop)
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        sys.unraisablehook = hook


def _stop(number: int, _frame: object) -> None:
    raise Signalled(number)


def _give_again(number: signal.Signals, before: Any) -> None:
    time.sleep(_AGAIN)
    if signal.getsignal(number) is not before:  # or the command has ended meanwhile
        _thread.interrupt_main(number)
