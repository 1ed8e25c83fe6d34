"""How much memory there is, for errors that come before the machine runs out of it."""

from __future__ import annotations

import os


def physical_memory() -> int | None:
    """Bytes of memory of this machine, or `None` where the system does not say."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def format_bytes(n_bytes: float) -> str:
    """A number of bytes for people: `1.5 GiB`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    power = min((int(n_bytes).bit_length() - 1) // 10, len(units) - 1) if n_bytes >= 1024 else 0
    return f"{n_bytes / 1024**power:.{int(power > 0)}f} {units[power]}"
