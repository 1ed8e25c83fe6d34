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
_HERE = Path(__file__).parent
_FILES = {_HERE / folder / f"test_{name}.py" for folder, names in QUICK.items() for name in names}


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leave out whatever is not quick where only that is asked for."""
    test = collection_path.name.startswith("test_") and collection_path.suffix == ".py"
    return True if config.option.markexpr == "quick" and test and collection_path not in _FILES else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what is quick."""
    for item in items:
        if item.path in _FILES:
            item.add_marker(pytest.mark.quick)


def pytest_collection_finish() -> None:
    """Spare the garbage collector the modules that are loaded by now, which it would search each time."""
    gc.collect()
    gc.freeze()
