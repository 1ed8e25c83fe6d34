"""Work on what comes next while the caller is busy with what came before."""

from collections import deque
from collections.abc import Callable, Generator, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")
R = TypeVar("R")


def map_ahead(
    function: Callable[[T], R], items: Iterable[T], *, workers: int = 2, ahead: int = 32
) -> Generator[R]:
    """Apply a function in threads, and give the results in order.

    Args:
        function: What to do; what it raises is raised here, in the item's turn.
        items: Taken as they are needed.
        workers: Threads.
        ahead: Results that are begun before they are asked for; more than these are never held.

    Yields:
        One result an item.
    """
    pending: deque[Future[R]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                pending.append(pool.submit(function, item))
                if len(pending) > ahead:
                    yield pending.popleft().result()
            while pending:
                yield pending.popleft().result()
        finally:  # a caller that stops early waits for what has begun, not for what has not
            for future in pending:
                future.cancel()
