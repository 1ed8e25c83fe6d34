"""What is shipped: the wheel holds the model, the recipes and the type markers, and no test or benchmark."""

import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement

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
    assert "hybrid/bundled/out_of_distribution.safetensors" in names
    assert {name.split("/")[0] for name in names} == {
        "qproj",
        "hybrid",
        "qproj_hybrid.py",
        "qproj-0.1.0.dist-info",
    }


def _here(requirement):
    return requirement.marker is None or requirement.marker.evaluate()


def test_every_direct_dependency_is_pinned_within_its_range():
    import tomllib

    lines = (ROOT / "constraints.txt").read_text().splitlines()
    pinned = [Requirement(line) for line in lines if not line.startswith("#")]
    pins = {r.name.lower().replace("_", "-"): str(r.specifier).removeprefix("==") for r in pinned if _here(r)}
    names = [r.name for r in pinned]
    for name in names:  # once, or once for each Python
        assert {r.marker is None for r in pinned if r.name == name} == {names.count(name) == 1}, name
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [*project["dependencies"], *(r for rs in project["optional-dependencies"].values() for r in rs)]
    for requirement in map(Requirement, wanted):
        if requirement.name != project["name"]:
            assert pins[requirement.name.lower()] in requirement.specifier, requirement
    assert pins["torch"] == "2.13.0"
    assert not [name for name in pins if name.startswith(("nvidia", "torchvision", "triton"))]


def test_the_oldest_versions_tested_are_the_lower_bounds():
    import tomllib

    oldest = dict(re.findall(r"^(\w+)==(\S+)$", (ROOT / "tests" / "oldest.txt").read_text(), re.MULTILINE))
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = map(Requirement, project["dependencies"] + project["optional-dependencies"]["pennylane"])
    bounds = {r.name: next(s.version for s in r.specifier if s.operator == ">=") for r in wanted}
    assert set(oldest) == set(bounds)
    for name, version in oldest.items():
        assert Requirement(f"x=={bounds[name]}").specifier.contains(version), name


@pytest.mark.parametrize("beside", [True, False], ids=["into one folder", "before it on the path"])
def test_d_waves_package_of_the_same_name_is_told_of(tmp_path, monkeypatch, capsys, beside):
    """dwave-hybrid installs a package named hybrid, with a module decomposers in it."""
    import qproj_hybrid

    theirs = tmp_path / "hybrid"
    theirs.mkdir()
    (theirs / "decomposers.py").touch()
    code = (ROOT / "hybrid" / "__init__.py").read_text() if beside else "raise ImportError('dimod')"
    (theirs / "__init__.py").write_text(code)
    for name in [name for name in sys.modules if name.split(".")[0] == "hybrid"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(
        SystemExit, match=r"hybrid: D-Wave's dwave-hybrid is installed as well, .* environments"
    ):
        qproj_hybrid.main()
    if beside:
        with pytest.raises(ImportError, match="dwave-hybrid was installed into the same folder"):
            import hybrid  # noqa: F401
