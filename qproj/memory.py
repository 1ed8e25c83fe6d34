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


def check_memory(n_qubits: int, limit: int | None = None) -> None:
    """Raise ValueError where the states of one sample do not fit into memory.

    Args:
        n_qubits: Number of qubits.
        limit: Bytes there are; this machine's memory if `None`.
    """
    limit = physical_memory() if limit is None else limit
    # State and bra, and a second buffer for each.
    needed = 4 * 2 * 4 * 2**n_qubits
    if limit is not None and needed > limit:
        most = (limit // 32).bit_length() - 1
        raise ValueError(
            f"n_qubits must be at most {most} on this machine, but was {n_qubits}: to train on one sample "
            f"takes {format_bytes(needed)} in single precision, and there are "
            f"{format_bytes(limit)} of memory."
        )


def memory_budget() -> int:
    """Bytes that residuals and pooled buffers may take: a sixteenth of this machine's memory."""
    return (physical_memory() or 2**32) // 16
