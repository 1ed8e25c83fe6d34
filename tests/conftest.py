"""Which tests are quick: ``pytest -m quick`` runs the files named here, and does not even read the others."""

import gc
from pathlib import Path

import hypothesis
import pytest

# A busy machine takes any time for an example.
hypothesis.settings.register_profile("any time", deadline=None)
hypothesis.settings.load_profile("any time")

# No subprocesses, no training, few compiled programs: all together at most 90 seconds on two cores.
QUICK = {
    "benchmarks": ("documents", "results"),
    "hybrid": (
        "architecture", "captioning", "cli_config", "cli_help", "images", "metrics", "modeling", "pairs",
        "processing", "results", "sources", "streaming", "transformers",
    ),
    "qproj": (
        "architecture", "circuits", "functional", "fusion", "layers", "modules", "planning", "shift_rules",
    ),
}  # fmt: skip
# Those that take longest begin, so that no worker is left with one of them at the end.
LONGEST = {
    "hybrid": ("caption_training", "cli_caption", "caption_commands"),
    "qproj": ("differentiation", "compile", "pennylane_device", "processes", "noise"),
}
_HERE = Path(__file__).parent


def _files(chosen: dict[str, tuple[str, ...]]) -> set[Path]:
    return {_HERE / folder / f"test_{name}.py" for folder, names in chosen.items() for name in names}


_FILES, _LONGEST = _files(QUICK), _files(LONGEST)


def pytest_sessionstart() -> None:
    """Do without the garbage collector while modules are loaded, of which nothing is garbage."""
    gc.disable()


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out whatever is not quick where only that is asked for."""
    test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.option.markexpr == "quick" and test and collection_path not in _FILES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is quick, and put first what takes longest."""
    items.sort(key=lambda item: item.path not in _LONGEST)
    for item in items:
        if item.path in _FILES:
            item.add_marker(pytest.mark.quick)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules that are loaded by now, which it would search each time."""
    gc.freeze()
    gc.set_threshold(10_000)  # tracing makes many objects that live on
    gc.enable()


def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> None:
    """Spare it also what a file leaves behind, mostly traced programs: accelerate collects often."""
    if nextitem is not None and nextitem.path != item.path:
        gc.freeze()
