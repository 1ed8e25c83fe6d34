"""Forked processes: they have JAX's memory but not its threads, and would hang, so they are refused."""

from __future__ import annotations

import os
from pathlib import Path

from qproj._compat.jax import has_started

_forked = False
_used = False


def check_not_forked() -> None:
    """Raise RuntimeError in a process that was forked after JAX had started; every run passes here."""
    global _used
    if _forked:
        raise RuntimeError(
            "a quantum layer with backend='jax' must run in a process of its own, but this one was forked "
            "from one in which JAX had run already, and would hang. Start it anew, with "
            "DataLoader(multiprocessing_context='spawn') or torch.multiprocessing.get_context('spawn')."
        )
    _used = True


def _mark() -> None:
    global _forked
    _forked = _forked or _used or has_started()


def _lost_threads() -> bool:
    """Whether JAX started before this process was forked, and qproj was imported after."""
    if not (_used or has_started()):
        return False
    try:
        names = [(task / "comm").read_text() for task in Path("/proc/self/task").iterdir()]
    except OSError:  # not Linux
        return False
    return not any(name.startswith("tf_") for name in names)  # XLA's threads


_forked = _lost_threads()
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_mark)
