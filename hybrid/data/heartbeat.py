"""A line now and then on how far something is: for logs, where a progress bar is not seen."""

import time
from collections.abc import Callable

EVERY = 30.0  # seconds


class Heartbeat:
    """Says how far something is, at most every `EVERY` seconds.

    Args:
        what: It is.
        total: When it is done.
        log: Called with one line at a time.
        clock: Gives seconds.
    """

    def __init__(
        self, what: str, total: int, log: Callable[[str], None], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.what, self.total, self.log, self.clock = what, total, log, clock
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
        self.log(f"{self.what}: {self.done:,} of {self.total:,}{note}, about {time_left} left")
