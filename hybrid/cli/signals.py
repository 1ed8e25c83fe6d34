"""SIGINT and SIGTERM stop a command: results so far are kept, and the exit code is 130 or 143."""

import _thread
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

_AGAIN = 0.05  # seconds


class Signalled(BaseException):
    """A signal arrived. Like KeyboardInterrupt, it is no Exception.

    Args:
        number: The signal's number.
        message: The message on stderr.
    """

    def __init__(self, number: int, message: str = "interrupted") -> None:
        super().__init__(message)
        self.number = number


@contextmanager
def signals_raise() -> Iterator[None]:
    """Have signals raise `Signalled` in this block, unless the parent process ignores them.

    Python drops exceptions in finalisers and in callbacks of the garbage collector, and JAX has such a
    callback. A signal at that moment is sent again shortly after.
    """
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    hook = sys.unraisablehook

    def dropped(what: Any) -> None:
        if isinstance(what.exc_value, Signalled):
            # Not by threading, whose locks may be held where the collector was called.
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
