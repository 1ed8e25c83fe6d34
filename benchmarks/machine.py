"""What a result must say of where it was measured."""

from __future__ import annotations

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from benchmarks.peers import PEERS

_PACKAGES = ("torch", "jax", "jaxlib", "numpy", "transformers", "pytest-benchmark")


def versions() -> dict[str, str]:
    """Versions of what takes part; packages that are not installed are left out."""
    found = {"python": platform.python_version()}
    for name in sorted({*_PACKAGES, *(peer.package for peer in PEERS.values())}):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def load() -> float:
    """How many programs wanted a core in the last minute; 0 where the system does not say."""
    return os.getloadavg()[0] if hasattr(os, "getloadavg") else 0.0


def describe(device: str) -> dict[str, object]:
    """Cores, memory, threads and the accelerator, beside what pytest-benchmark writes of the processor."""
    import psutil
    import torch

    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    found: dict[str, object] = {
        "cores": cores,
        "memory_bytes": psutil.virtual_memory().total,
        "torch_threads": torch.get_num_threads(),
    }
    if device == "cuda":
        found["accelerator"] = torch.cuda.get_device_name()
    return found


def why_no(device: str) -> str | None:
    """Say why nothing can run on a device, or `None`.

    Raises:
        ValueError: If there is no such device.
    """
    if device == "cpu":
        return None
    if device != "cuda":
        raise ValueError(f"--device must be cpu or cuda, but was {device!r}")
    import torch

    if not torch.cuda.is_available():
        return "--device cuda needs a GPU that torch can use, and there is none"
    import jax

    if jax.default_backend() != "gpu":
        return "--device cuda needs JAX for that GPU too: pip install 'jax[cuda12]'"
    return None
