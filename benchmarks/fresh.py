"""One peer in a process of its own: `python -m benchmarks.fresh '{...}'` prints what its first call took.

Seconds to import, to set up, of the first and of later calls, forward and backward; and the peak of memory,
which a process can only be asked for once.
"""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from benchmarks.grid import Cell


@dataclass(frozen=True)
class Fresh:
    """What was measured in a fresh process.

    Attributes:
        import_seconds: Of torch and of this suite.
        build_seconds: Of setting the peer up, which imports it.
        first_seconds: Of the first forward and backward: trace, compile, run.
        steady_seconds: Of later ones, the median.
        before_bytes: Resident memory after setting up.
        peak_bytes: The most that was resident.
    """

    import_seconds: float
    build_seconds: float
    first_seconds: float
    steady_seconds: float
    before_bytes: int
    peak_bytes: int


def run(peer: str, cell: Cell, device: str, timeout: float = 300) -> Fresh:
    """Measure a peer in a fresh process.

    Args:
        peer: One of `PEERS`.
        cell: The cell.
        device: Where the tensors are.
        timeout: Seconds after which the process is ended.

    Returns:
        What it measured.

    Raises:
        RuntimeError: If the process failed or took too long.
    """
    request = json.dumps({"peer": peer, "cell": cell.as_dict(), "device": device})
    command = [sys.executable, "-W", "ignore", "-m", "benchmarks.fresh", request]
    root = Path(__file__).parents[1]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=True, timeout=timeout, cwd=root)
    except subprocess.TimeoutExpired:
        raise RuntimeError(
            f"{peer} had not made its first call on {cell} after {timeout:.0f} seconds"
        ) from None
    except subprocess.CalledProcessError as error:
        last = (error.stderr.strip().splitlines() or ["no message"])[-1]
        raise RuntimeError(f"{peer} failed on {cell}: {last}") from None
    return Fresh(**json.loads(done.stdout.splitlines()[-1]))


def peak_memory() -> int:
    """The most bytes that were resident in this process so far."""
    status = Path("/proc/self/status")
    if status.exists():
        # Linux hands `ru_maxrss` on from the process that started this one; this it does not.
        (line,) = (line for line in status.read_text().splitlines() if line.startswith("VmHWM:"))
        return int(line.split()[1]) * 1024
    import resource

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def main() -> None:
    """Measure, in this process."""
    request = json.loads(sys.argv[1])
    cell = Cell(**request["cell"])
    began = time.perf_counter()
    import psutil

    from benchmarks.subjects import Subject

    imported = time.perf_counter()
    subject = Subject(request["peer"], cell, request["device"])
    built = time.perf_counter()
    before = psutil.Process().memory_info().rss
    call = time.perf_counter()
    subject.both()
    first = time.perf_counter() - call
    later = []
    for _ in range(3):
        call = time.perf_counter()
        subject.both()
        later.append(time.perf_counter() - call)
    found = Fresh(imported - began, built - imported, first, statistics.median(later), before, peak_memory())
    print(json.dumps(vars(found)))


if __name__ == "__main__":
    main()
