"""XLA on the CPU: waking another thread costs more than simulating a small circuit.

Two things keep a program in the calling thread:

- **A synchronous client.** JAX's CPU client dispatches every program to a thread pool; the blocked caller
  resumes with a cold cache. JAX's own switch for that, `jax_cpu_enable_async_dispatch`, is global to the
  process and not a library's to change.
- **A single kernel.** XLA compiles every few operations into a kernel and runs it on several threads. A call
  marked as small becomes one kernel instead. That suits tens of operations on a few kilobytes: a single
  kernel is not parallel, has no fast matrix products, and its compile time grows faster than its length.

Neither is public in JAX or XLA; `qproj._compat.jax` has both. Without them programs run in the usual way,
only slower.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import jax
import jax.numpy as jnp

from qproj._compat.jax import (
    NOT_INLINED,
    SMALL_CALL,
    Function,
    kernel_options,
    marked,
    row_major,
    synchronous_cpu,
)

T = TypeVar("T")

# Whether the current trace is for the CPU, so that `outlined` takes effect.
_parts: ContextVar[bool] = ContextVar("_parts", default=False)


def compiled(function: Function, *, one_kernel: bool, **options: Any) -> Function:
    """Jit a function for `synchronous_cpu`.

    Args:
        function: A function of arrays.
        one_kernel: Whether to compile it to a single kernel, if that is possible.
        options: Options of `jax.jit`.

    Returns:
        A function of NumPy arrays, or of its own results.
    """
    if (cpu := synchronous_cpu()) is not None:
        options["in_shardings"] = jax.sharding.SingleDeviceSharding(cpu)
    if one_kernel and has_kernels():
        return _one_kernel(function, **options)

    @functools.wraps(function)
    def with_parts(*args: Any) -> Any:
        token = _parts.set(True)
        try:
            return function(*args)
        finally:
            _parts.reset(token)

    return jax.jit(with_parts, **options)


def outlined(function: Callable[..., T], *arrays: jax.Array) -> T:
    """Call a function that XLA must compile on its own, neither inlined nor fused with its surroundings.

    XLA fuses a transposition with the reshape that follows, and then computes each index by division. It also
    fuses small results into their consumers, which recompute them at each use. Both cost several times as
    much as writing the result to memory.
    """
    if not _parts.get():
        return function(*arrays)

    def laid_out(*arrays: jax.Array) -> T:
        # XLA would choose the layout that is cheapest here, and copy the result afterwards.
        result: T = jax.tree.map(row_major, function(*arrays))
        return result

    result: T = marked(laid_out, NOT_INLINED)(*arrays)
    return result


@functools.cache
def has_kernels() -> bool:
    """Whether this XLA compiles a call marked as small to a single kernel."""
    sample = _one_kernel(lambda x: jnp.sin(x @ x) @ x)
    try:
        made = sample.lower(jnp.ones((4, 4), jnp.float32)).compile().as_text() or ""
    except jax.errors.JaxRuntimeError:  # it does not know the options
        return False
    # The program consists of that one call.
    entry = made.rpartition("ENTRY")[2]
    return " call(" in entry and " fusion(" not in entry


class _one_kernel:  # noqa: N801 (used as the function that it is)
    """A function as a single kernel; see `compiled`.

    XLA aborts the process if the kernel does not read one of its arguments (jaxlib 0.10.2). So each is read
    here, for a number that is thrown away.
    """

    def __init__(self, function: Function, **options: Any) -> None:
        def reading(*args: Any) -> tuple[Any, Any]:
            single = jnp.float32  # one dtype, since an application may be strict about promotion
            first = (leaf.reshape(-1)[0].astype(single) for leaf in jax.tree.leaves(args) if leaf.size)
            return function(*args), sum(first, jnp.zeros((), single))

        call = marked(functools.wraps(function)(reading), SMALL_CALL | NOT_INLINED)
        self._jitted = jax.jit(call, compiler_options=kernel_options(), **options)
        self.lower = self._jitted.lower

    def __call__(self, *args: Any) -> Any:
        return self._jitted(*args)[0]
