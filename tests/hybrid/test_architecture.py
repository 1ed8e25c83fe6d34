import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

import hybrid
from tests.hybrid.conftest import HYBRID

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


def test_captioning_loads_no_training_libraries_and_collects_no_garbage(tmp_path):
    """What the installed command loads and how often it looks for garbage decide how long a caption takes."""
    picture = Image.new("RGB", (200, 200), "white")
    picture.paste((220, 20, 30), (50, 60, 140, 150))
    picture.save(tmp_path / "mine.png")
    output = tmp_path / "out.txt"
    code = f"""
import gc, runpy, sys
searched = []
gc.callbacks.append(lambda phase, info: searched.append(info["generation"]))
sys.argv = [{str(HYBRID)!r}, "caption", {str(tmp_path / "mine.png")!r}, "--output", {str(output)!r}]
try:
    runpy.run_path(sys.argv[0], run_name="__main__")
except SystemExit as leaving:
    assert leaving.code == 0
assert "jax" in sys.modules
assert 2 not in searched, "all objects were looked through"
assert gc.isenabled() and not gc.get_freeze_count()
from hybrid import caption, compose, HybridConfig, load
assert not {{"pennylane", "peft", "matplotlib"}} & set(sys.modules)
"""
    done = subprocess.run([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True, check=True)
    assert not done.stderr
    assert output.read_text().endswith(": a large red square\n")


def test_public_names_exist():
    import hybrid

    for name in hybrid.__all__:
        assert getattr(hybrid, name) is not None
    assert set(hybrid.__all__) <= set(dir(hybrid))
