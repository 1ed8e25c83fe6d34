"""How programs run on the CPU, where to wake another thread costs more than to compute a small circuit.

Two things keep a program in the thread that calls it:

- **A client of our own.** JAX's client for the CPU hands every program to a pool of threads and waits, and
  what sleeps meanwhile wakes with cold caches. A client can run programs at once instead, but JAX's setting
  for that, `jax_cpu_enable_async_dispatch`, counts for the whole process and is not a library's to change.
- **One kernel.** XLA makes a kernel of every few operations, and lets threads share them. A call that is
  marked as small becomes a single one. That suits tens of operations on a few kilobytes: threads share
  nothing of it, it has no fast products, and compiling takes longer than in proportion to its length.

Neither is promised by JAX or XLA. Where they are missing, programs run in the usual way, only slower.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
from jax.experimental import layout

Function = Callable[..., Any]
T = TypeVar("T")

# Whether what is traced now is compiled for the CPU, in parts.
_parts: ContextVar[bool] = ContextVar("_parts", default=False)

# A single kernel can neither call libraries nor share a product among threads.
_OPTIONS: dict[str, Any] = {
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_multi_thread_eigen": False,
    # Compiling takes a quarter less time, running next to none more.
    "xla_backend_optimization_level": 1,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
}


@functools.cache
def device() -> jax.Device | None:
    """A CPU whose programs run in the thread that calls them; nothing where JAX has none to offer."""
    try:
        from jaxlib import xla_client

        client: Any = xla_client.make_cpu_client(asynchronous=False, num_devices=1)
    except (ImportError, AttributeError, TypeError):
        return None
    found: jax.Device = client.devices()[0]
    return found


def compiled(function: Function, *, one_kernel: bool, **options: Any) -> Function:
    """Jit a function for `device`.

    Args:
        function: Of arrays.
        one_kernel: Whether to make a single kernel of it, where that is possible.
        options: Of `jax.jit`.

    Returns:
        What is called with arrays of NumPy, or with its own results.
    """
    if (here := device()) is not None:
        options["in_shardings"] = jax.sharding.SingleDeviceSharding(here)
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


def apart(function: Callable[..., T], *arrays: jax.Array) -> T:
    """Call a function that XLA is to compile for itself, while `compiled` traces its caller.

    XLA fuses what moves numbers with the change of shape that comes next, and then finds the place of each
    number by division; and it fuses small results into what they are used for, where each is computed again
    for every use. Both cost several times as much as to write the result down.
    """
    if not _parts.get():
        return function(*arrays)

    def laid_out(*arrays: jax.Array) -> T:
        # In the order of the dimensions: XLA would take any that saves work here, and copy the result after.
        pin: Function = layout.with_layout_constraint
        result: T = jax.tree.map(lambda a: pin(a, layout.Layout(tuple(range(a.ndim)))), function(*arrays))
        return result

    result: T = _marked(laid_out, inlineable="false")(*arrays)
    return result


@functools.cache
def has_kernels() -> bool:
    """Whether this XLA makes a single kernel of a call that is marked as small."""
    sample = _one_kernel(lambda x: jnp.sin(x @ x) @ x)
    try:
        made = sample.lower(jnp.ones((4, 4), jnp.float32)).compile().as_text() or ""
    except (ImportError, jax.errors.JaxRuntimeError):
        return False
    # The program does nothing but call it.
    entry = made.rpartition("ENTRY")[2]
    return " call(" in entry and " fusion(" not in entry


class _one_kernel:  # noqa: N801 (used as the function that it is)
    """A function as a single kernel; see `compiled`.

    Where a kernel does not read an array that it is given, XLA aborts the process (jaxlib 0.10.2). So each is
    read here, for a number that is thrown away.
    """

    def __init__(self, function: Function, **options: Any) -> None:
        def reading(*args: Any) -> tuple[Any, Any]:
            single = jnp.float32  # one dtype, for an application may be strict about promotion
            first = (leaf.reshape(-1)[0].astype(single) for leaf in jax.tree.leaves(args) if leaf.size)
            return function(*args), sum(first, jnp.zeros((), single))

        marked = _marked(functools.wraps(function)(reading), xla_cpu_small_call="true", inlineable="false")
        self._jitted = jax.jit(marked, compiler_options=_OPTIONS, **options)
        self.lower = self._jitted.lower

    def __call__(self, *args: Any) -> Any:
        return self._jitted(*args)[0]


def _marked(function: Function, **attributes: str) -> Function:
    inner = jax.jit(function)

    @functools.wraps(function)
    def marked(*args: Any) -> Any:
        from jax.experimental.xla_metadata import set_xla_metadata

        with set_xla_metadata(**attributes):  # type: ignore[no-untyped-call]
            return inner(*args)

    return marked
