import ast
import re
from pathlib import Path

import pytest

import hybrid

ROOT = Path(hybrid.__file__).parent
# Folders from the bottom up: each may import what stands above it in this list, and itself.
ORDER = ["_compat", "presets", "model", "data", "loading", "inference", "evaluation", "training", "cli"]


def test_every_folder_has_a_place_in_the_order():
    assert {p.name for p in ROOT.iterdir() if (p / "__init__.py").is_file()} == set(ORDER)
    assert {p.name for p in ROOT.glob("*.py")} == {"__init__.py", "__main__.py"}


def test_contributing_lists_the_folders_in_this_order():
    rows = re.findall(r"^\| `hybrid/(\w+)/` \|", (ROOT.parent / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert rows == ORDER


@pytest.mark.parametrize("folder", ORDER)
def test_imports_run_downwards(folder):
    allowed = ORDER[: ORDER.index(folder) + 1]
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("hybrid."):
                assert node.module.split(".")[1] in allowed, f"{path.relative_to(ROOT)} imports {node.module}"


def test_public_names_exist():
    import hybrid

    for name in hybrid.__all__:
        assert getattr(hybrid, name) is not None
    assert set(hybrid.__all__) <= set(dir(hybrid))
