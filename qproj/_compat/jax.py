"""Private and experimental names of JAX and XLA. JAX itself is imported when a function is called."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jax

Function = Callable[..., Any]

# Options of XLA for a single kernel, which cannot call libraries or split a product among threads.
KERNEL_OPTIONS: dict[str, Any] = {
    "xla_cpu_experimental_ynn_fusion_type": "",
    "xla_cpu_multi_thread_eigen": False,
    "xla_disable_hlo_passes": "cpu-parallel-task-assigner",
}
_LEVEL = "xla_backend_optimization_level"
# The mark of a call that XLA compiles to a single kernel, and of one that it does not inline.
SMALL_CALL = {"xla_cpu_small_call": "true"}
NOT_INLINED = {"inlineable": "false"}


def kernel_options() -> dict[str, Any]:
    """`KERNEL_OPTIONS`, and level 1 unless ``XLA_FLAGS`` names one: it compiles faster, and runs as fast."""
    return KERNEL_OPTIONS | ({} if _LEVEL in os.environ.get("XLA_FLAGS", "") else {_LEVEL: 1})


def _find(path: str) -> Any:
    """The object at a dotted path, its module imported; or `None`."""
    module, _, name = path.rpartition(".")
    try:
        return getattr(importlib.import_module(module), name, None)
    except ImportError:
        return None


@functools.cache
def synchronous_cpu() -> jax.Device | None:
    """A CPU device whose programs run in the calling thread. Fallback: `None`, for JAX's own CPU device."""
    make = _find("jaxlib.xla_client.make_cpu_client")
    try:
        client: Any = make(asynchronous=False, num_devices=1)
    except TypeError:  # gone, or of other arguments
        return None
    found: jax.Device = client.devices()[0]
    return found


def row_major(array: jax.Array) -> jax.Array:
    """Have XLA lay out an array in the order of its dimensions. Fallback: as XLA likes."""
    pin = _find("jax.experimental.layout.with_layout_constraint")
    layout = _find("jax.experimental.layout.Layout")
    if pin is None or layout is None:
        return array
    pinned: jax.Array = pin(array, layout(tuple(range(array.ndim))))
    return pinned


def marked(function: Function, attributes: dict[str, str]) -> Function:
    """A function as a call that is marked for XLA. Fallback: an unmarked call."""
    import jax

    inner = jax.jit(function)

    @functools.wraps(function)
    def call(*args: Any) -> Any:
        mark = _find("jax.experimental.xla_metadata.set_xla_metadata")
        if mark is None:
            return inner(*args)
        with mark(**attributes):
            return inner(*args)

    return call


def is_pushed_forward(value: Any) -> bool:
    """Whether JAX differentiates a value in forward mode. Fallback: no, and JAX says that it cannot."""
    tracer = _find("jax.interpreters.ad.JVPTracer")
    return tracer is not None and isinstance(value, tracer)


def is_on_cpu(array: jax.Array) -> bool:
    """Whether an array is on a CPU. Fallback: the public way, which takes longer."""
    try:
        return bool(array.platform() == "cpu")
    except AttributeError:
        return all(device.platform == "cpu" for device in array.devices())


def has_started() -> bool:
    """Whether JAX has its threads, whoever used it first. Asked without its lock, which a fork may hold.

    Fallback: whether JAX is imported.
    """
    bridge = sys.modules.get("jax._src.xla_bridge")
    return "jax" in sys.modules if bridge is None else bool(getattr(bridge, "_backends", True))
