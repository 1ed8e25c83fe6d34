"""What may import what, and what importing does: nothing."""

import ast
import re
from importlib import metadata
from pathlib import Path

import pytest

import qproj

ROOT = Path(qproj.__file__).parent


def imports(path, *, top_level=False):
    """Absolute names of all modules a file imports (with `top_level`, when it is imported itself)."""
    tree = ast.parse(path.read_text())
    for node in tree.body if top_level else ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def is_in(module, packages):
    return any(module == package or module.startswith(package + ".") for package in packages)


# Folders and files from the bottom up: each may import what stands above it in this list, and itself.
ORDER = [
    "_compat",
    "registry",
    "memory",
    "extras",
    "circuits",
    "noise",
    "planning",
    "simulation",
    "differentiation",
    "execution",
    "functional",
    "bridge",
    "backends",
    "operator",
    "in_graph",
    "readout",
    "inputs",
    "layers",
    "kernels",
    "projection",
    "interop",
    "keras",
    "qiskit",
    "testing",
]
# Third-party packages that a part does without.
WITHOUT = {
    "": ["hybrid", "benchmarks", "tests"],
    "_compat/torch.py": ["jax", "numpy", "pennylane"],
    "_compat/jax.py": ["torch", "numpy", "pennylane"],
    "registry.py": ["jax", "torch", "numpy", "pennylane"],
    "circuits": ["jax", "torch", "pennylane"],
    "noise": ["jax", "torch", "pennylane"],
    "planning": ["jax", "torch", "pennylane"],
    "simulation": ["torch", "pennylane"],
    "differentiation": ["torch", "pennylane"],
    "differentiation/shift_rules.py": ["jax"],
    "execution": ["torch", "pennylane"],
    "functional.py": ["torch", "pennylane"],
    "bridge": ["pennylane"],
    "backends": ["jax"],
    "operator.py": ["jax", "pennylane"],
    "in_graph.py": ["jax", "pennylane"],
    "readout.py": ["jax", "pennylane"],
    "inputs.py": ["jax", "pennylane"],
    "layers.py": ["jax", "pennylane"],
    "kernels": ["jax", "pennylane", "sklearn"],
    "projection.py": ["jax", "pennylane"],
    # Loaded with the package, so that it must be light.
    "interop/qnode.py": ["jax", "qproj.execution", "qproj.bridge", "qproj.interop.execution"],
    "interop/tapes.py": ["jax", "torch"],
    "interop/execution.py": ["torch", "pennylane"],
    "interop/device.py": ["jax", "torch"],
}


def part_of(module):
    """The folder or file of qproj that a module belongs to."""
    return module.split(".")[1] if module.startswith("qproj.") else None


def test_every_part_has_a_place_in_the_order():
    parts = {p.stem for p in ROOT.iterdir() if p.suffix == ".py" or (p / "__init__.py").is_file()}
    assert parts - {"__init__"} == set(ORDER)


def test_contributing_lists_the_parts_in_this_order():
    rows = re.findall(r"^\| (`qproj/.*?) \|", (ROOT.parent / "CONTRIBUTING.md").read_text(), re.MULTILINE)
    assert [Path(path).stem for row in rows for path in re.findall(r"`(.*?)`", row)] == ORDER


@pytest.mark.parametrize("part", ORDER)
def test_imports_run_downwards(part):
    allowed = {*ORDER[: ORDER.index(part) + 1]}
    for path in files_of(part if (ROOT / part).is_dir() else f"{part}.py"):
        wrong = sorted({m for m in imports(path) if part_of(m) in ORDER and part_of(m) not in allowed})
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


@pytest.mark.parametrize("part", WITHOUT)
def test_parts_do_without_packages(part):
    for path in files_of(part):
        wrong = [module for module in imports(path) if is_in(module, WITHOUT[part])]
        assert not wrong, f"{path.relative_to(ROOT)} imports {wrong}"


def files_of(part):
    target = ROOT / part
    files = [target] if target.is_file() else sorted(target.rglob("*.py"))
    assert files
    return files


def test_torch_and_jax_meet_in_the_bridge_only():
    meeting = []
    for path in sorted(ROOT.rglob("*.py")):
        modules = set(imports(path))
        if any(is_in(m, ["torch"]) for m in modules) and any(is_in(m, ["jax"]) for m in modules):
            meeting.append(path.relative_to(ROOT).parts[0])
    assert sorted(set(meeting)) == ["bridge"]


def test_pennylane_is_imported_when_used():
    # What PennyLane itself loads, by an entry point.
    plugin = {ROOT / "interop" / f"{name}.py" for name in ("device", "preparations", "preprocessing")}
    for path in set(ROOT.rglob("*.py")) - plugin:
        assert not any(is_in(m, [f"qproj.interop.{p.stem}" for p in plugin]) for m in imports(path)), path
        assert not any(is_in(m, ["pennylane"]) for m in imports(path, top_level=True)), path


def test_version_and_surface():
    circuits = {"Circuit", "Constant", "Gate", "Hamiltonian", "InputSlot", "PauliWord", "WeightSlot"}
    circuits |= {"Fidelity", "Probs", "Projector", "State"}
    others = {"QuantumLayer", "QuantumProjection", "__version__", "clear_caches", "from_qnode", "functional"}
    others |= {"from_qnn", "kernels", "qiskit"}
    assert set(qproj.__all__) == circuits | others
    assert qproj.functional.expectation.__module__ == "qproj.functional"
    try:
        installed = metadata.version("qproj")
    except metadata.PackageNotFoundError:
        pytest.skip("qproj is not installed, only on the path")
    assert qproj.__version__ == installed
