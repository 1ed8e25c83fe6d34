"""Options of the benchmarks, and where they are: ``pytest --benchmark-only`` runs them, pytest never."""

from __future__ import annotations

import os
import platform
import zlib
from importlib import metadata
from pathlib import Path

import pytest

# Compiled programs are kept between test processes and runs, which spend most of their time compiling. A
# folder for each release of XLA and kind of processor: programs of another one are not to be loaded.
_COMPILED = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"), "qproj", "tests")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options; here, since pytest reads only this file before it knows which folders it collects."""
    group = parser.getgroup("benchmarks", "benchmarks of this repository")
    group.addoption(
        "--grid", default="default", metavar="NAME", help="what is measured: default, full or sizes"
    )
    group.addoption("--peers", metavar="NAMES", help="whom to measure, separated by commas; all by default")
    group.addoption(
        "--real-size", type=Path, metavar="DIR", help="what benchmarks.real_parts made, to measure it"
    )
    group.addoption("--device", default="cpu", metavar="NAME", help="where: cpu or cuda")


def pytest_configure(config: pytest.Config) -> None:
    """Check the options, and collect `benchmarks` instead of `tests` for `--benchmark-only` alone."""
    only = config.getoption("benchmark_only", default=False)
    if not only:  # compile times are measured there
        _keep_compiled_programs()
        _compile_quickly()
        _share_cores()
    from benchmarks.grid import GRIDS
    from benchmarks.peers import chosen

    if config.option.grid not in GRIDS:
        raise pytest.UsageError(f"--grid must be one of {', '.join(GRIDS)}, but was {config.option.grid!r}")
    if config.option.device not in ("cpu", "cuda"):
        raise pytest.UsageError(f"--device must be cpu or cuda, but was {config.option.device!r}")
    try:
        chosen(config.option.peers)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from None
    if only and config.args_source is pytest.Config.ArgsSource.TESTPATHS:
        config.args = ["benchmarks"]


def _keep_compiled_programs() -> None:
    """Switch on JAX's persistent cache for this process and those it starts, before any imports JAX."""
    cpu = next((line for line in _cpu_lines() if line.startswith("flags")), platform.processor())
    kind = f"{metadata.version('jaxlib')}-{zlib.crc32(cpu.encode()):08x}"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(_COMPILED / kind))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.1")
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_ENTRY_SIZE_BYTES", "-1")


def _compile_quickly() -> None:
    """Have XLA optimise little: tests run programs once or twice, and compiling takes most of their time.

    It would also compile each program in many pieces, for threads; every test process has one core.

    Fixture `optimised` undoes it for tests of programs as users run them, `XLA_FLAGS=` for all tests.
    """
    names = ("xla_cpu_use_fusion_emitters=false", "xla_llvm_disable_expensive_passes=true")
    numbers = ("xla_backend_optimization_level=0", "xla_cpu_parallel_codegen_split_count=1")
    flags = " ".join(f"--{name}" for name in (*names, *numbers))
    os.environ.setdefault("XLA_FLAGS", flags)


def _share_cores() -> None:
    """Give each of several test processes its share of the cores, before any imports torch.

    Threads of OpenMP spin while they wait, and would take the cores from the other processes.
    """
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1:
        os.environ.setdefault("OMP_NUM_THREADS", str(max(1, (os.cpu_count() or 1) // processes)))


def _cpu_lines() -> list[str]:
    file = Path("/proc/cpuinfo")
    return file.read_text().splitlines() if file.is_file() else []


@pytest.hookimpl(optionalhook=True)
def pytest_benchmark_update_machine_info(machine_info: dict[str, object]) -> None:
    """Leave out the machine's name in its network; here, so that a comparison finds it left out as well."""
    machine_info["node"] = ""
