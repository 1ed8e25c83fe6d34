"""What is shipped: the wheel holds the model, the recipes and the type markers, and no test or benchmark."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

ROOT = Path(__file__).parents[1]


def test_wheel(tmp_path):
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {"qproj/py.typed", "hybrid/py.typed", "hybrid/presets/scenes-mini.toml"} <= names
    for name in ("config.json", "model.safetensors", "processor_config.json", "tokenizer.json", "README.md"):
        assert f"hybrid/bundled/{name}" in names
    assert "hybrid/bundled/familiarity.safetensors" in names
    assert {name.split("/")[0] for name in names} == {"qproj", "hybrid", "qproj-0.1.0.dist-info"}


def test_every_direct_dependency_is_pinned_within_its_range():
    import tomllib

    from packaging.requirements import Requirement

    pins = dict(re.findall(r"^([\w.-]+)==(\S+)$", (ROOT / "constraints.txt").read_text(), re.MULTILINE))
    pins = {name.lower().replace("_", "-"): version for name, version in pins.items()}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for rs in project["optional-dependencies"].values() for r in rs)]
    for requirement in map(Requirement, wanted):
        if requirement.name != project["name"]:
            assert pins[requirement.name.lower()] in requirement.specifier, requirement
    assert pins["torch"] == "2.13.0"
    assert not [name for name in pins if name.startswith(("nvidia", "torchvision", "triton"))]


def test_the_oldest_versions_tested_are_the_lower_bounds():
    import tomllib

    from packaging.requirements import Requirement

    oldest = dict(re.findall(r"^(\w+)==(\S+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project["dependencies"] + project["optional-dependencies"]["pennylane"])
    bounds = {r.name: next(s.version for s in r.specifier if s.operator == ">=") for r in wanted}
    assert set(oldest) == {"torch", "jax", "pennylane", "transformers"}
    for name, version in oldest.items():
        assert Requirement(f"x=={bounds[name]}").specifier.contains(version), name
