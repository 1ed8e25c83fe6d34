"""A forked process has JAX's memory but not its threads: what would hang there is refused."""

from __future__ import annotations

import functools
import os

_forked = False


@functools.cache
def _watch() -> None:
    """From the first run on, tell processes forked later that they are."""
    os.register_at_fork(after_in_child=_mark)


def _mark() -> None:
    global _forked
    _forked = True


def check_not_forked() -> None:
    """Raise RuntimeError in a process that was forked after a circuit had run."""
    if _forked:
        raise RuntimeError(
            "a quantum layer with backend='jax' must run in a process of its own, but this one was forked "
            "from one in which JAX had run already, and would hang. Start it anew, with "
            "DataLoader(multiprocessing_context='spawn') or torch.multiprocessing.get_context('spawn')."
        )
    _watch()
