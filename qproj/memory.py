"""The machine's memory, so that too large a state is refused before it is allocated."""

from __future__ import annotations

import os


def physical_memory() -> int | None:
    """Bytes of memory of this machine, or `None` if the system does not tell."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    except (AttributeError, OSError, ValueError):  # not on every system
        return None


def format_bytes(n_bytes: float) -> str:
    """Format a number of bytes, for example as `1.5 GiB`."""
    units = ["B", "KiB", "MiB", "GiB", "TiB", "PiB"]
    power = min((int(n_bytes).bit_length() - 1) // 10, len(units) - 1) if n_bytes >= 1024 else 0
    return f"{n_bytes / 1024**power:.{int(power > 0)}f} {units[power]}"
