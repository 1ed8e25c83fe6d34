"""JAX's settings for the engine, for the calling thread during one call."""

from __future__ import annotations

import contextlib
import functools
from typing import Any

import jax

from qproj.execution.forks import check_not_forked

_OPEN = (None, "allow")  # values of a transfer guard that allow all transfers
# The mesh of `jax.set_mesh`; older JAX has no such function.
_mesh = jax.sharding.get_abstract_mesh if hasattr(jax, "set_mesh") else None
_NEUTRAL: contextlib.AbstractContextManager[Any] = contextlib.nullcontext()


@functools.cache
def _accelerated() -> bool:
    """Whether JAX's default device is not the CPU."""
    return jax.default_backend() != "cpu"


def running(*, double: bool, on_cpu: bool = True) -> contextlib.AbstractContextManager[Any]:
    """Enter the engine's settings, whatever the application has set.

    The application's mesh and transfer guards are not for the engine's arrays.

    Args:
        double: Whether numbers are float64.
        on_cpu: Whether arrays are on the CPU.

    Raises:
        RuntimeError: In a forked process, as `check_not_forked`.
    """
    check_not_forked()
    stay = on_cpu and _accelerated()
    meshed = _mesh is not None and not _mesh().empty
    c: Any = jax.config  # asked one by one, since small circuits notice a microsecond
    guarded = not (
        c.jax_transfer_guard_host_to_device in _OPEN
        and c.jax_transfer_guard_device_to_device in _OPEN
        and c.jax_transfer_guard_device_to_host in _OPEN
    )
    if not (double or stay or meshed or guarded):
        return _NEUTRAL
    stack = contextlib.ExitStack()
    if meshed:
        stack.enter_context(jax.set_mesh(None))
    if guarded:
        stack.enter_context(jax.transfer_guard("allow"))
    if double:
        stack.enter_context(jax.enable_x64(True))
    if stay:
        stack.enter_context(jax.default_device(jax.devices("cpu")[0]))
    return stack
