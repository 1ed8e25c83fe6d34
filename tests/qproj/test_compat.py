"""Private names of torch and JAX: which there are, that no other file has any, and results without them."""

import ast
import sys
from pathlib import Path

import jax
import numpy as np
import pytest
import torch

import qproj
from qproj import bridge
from qproj._compat import jax as of_jax
from qproj._compat import torch as of_torch
from qproj.execution import programs
from qproj.planning import cost
from qproj.simulation import xla_cpu
from tests.qproj import reference

ROOT = Path(qproj.__file__).parent
TORCH = [
    "_DispatchMode",
    "_dispatch_stack",
    "_force_keys",
    "_forward_ad",
    "_functorch_active",
    "_is_legacy_batched",
    "_keep_graph",
    "_top_hooks",
    "_tracing_state",
    "_tree_leaves",
]
JAX = [
    "jax.experimental.layout.Layout",
    "jax.experimental.layout.with_layout_constraint",
    "jax.experimental.xla_metadata.set_xla_metadata",
    "jax.interpreters.ad.JVPTracer",
    "jaxlib.xla_client.make_cpu_client",
]
# Modules that may change with any release, though nothing in their names says so.
UNSTABLE = ("jaxlib", "jax.experimental", "jax.extend", "jax.interpreters", "torch.fx.experimental")
X = torch.tensor([[0.3, -0.7], [1.1, 0.4], [-2.0, 0.9]])


def names(path):
    """Modules and dotted names of other packages that a file uses."""
    tree = ast.parse(path.read_text())
    imported = {}
    for node in ast.walk(tree):
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            for alias in node.names:
                module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
                imported[alias.asname or alias.name.split(".")[0]] = module + alias.name
                yield module + alias.name
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute):
            dotted = ast.unparse(node)
            root, _, rest = dotted.partition(".")
            if root in imported and rest.replace(".", "").isidentifier():
                yield f"{imported[root]}.{rest}"


@pytest.mark.parametrize("package", ["qproj", "hybrid"])
def test_no_other_file_has_a_private_name(package):
    for path in sorted((ROOT.parent / package).rglob("*.py")):
        if path.parent.name == "_compat":
            continue
        for name in names(path):
            package, *parts = name.split(".")
            own = package in ("qproj", "hybrid", "__future__", "_thread")
            private = any(part.startswith("_") and not part.startswith("__") for part in parts)
            assert own or not private, f"{path}: {name}"
            assert not any(f"{name}.".startswith(f"{module}.") for module in UNSTABLE), f"{path}: {name}"


def test_the_lists_are_whole():
    of_torch_tree, of_jax_tree = (ast.parse(Path(m.__file__).read_text()) for m in (of_torch, of_jax))
    assigned = [node.targets[0].id for node in of_torch_tree.body if isinstance(node, ast.Assign)]
    assert sorted(name for name in assigned if name.startswith("_")) == TORCH
    calls = [node for node in ast.walk(of_jax_tree) if isinstance(node, ast.Call)]
    assert sorted(call.args[0].value for call in calls if ast.unparse(call.func) == "_find") == JAX
    assert all(getattr(of_torch, door) is not None for door in TORCH)
    assert all(of_jax._find(door) is not None for door in JAX)


@pytest.fixture(scope="module")
def layer():
    return qproj.QuantumLayer(2, 1, generator=torch.Generator().manual_seed(0))


def check(layer):
    """Values and gradients against the naive simulator, whatever path they take."""
    x = X.clone().requires_grad_()
    layer.zero_grad()
    y = layer(x)
    y.sum().backward()
    weights = layer.weights.detach().double().numpy()
    inputs, ones = X.double().numpy(), np.ones((3, 2))
    np.testing.assert_allclose(y.detach(), reference.values(layer.circuit, inputs, weights), atol=1e-6)
    by_inputs, by_weights = reference.gradients(layer.circuit, inputs, weights, ones)
    np.testing.assert_allclose(x.grad, by_inputs, atol=1e-5)
    np.testing.assert_allclose(layer.weights.grad, by_weights, atol=1e-5)


@pytest.mark.parametrize("door", TORCH)
def test_without_a_name_of_torch(monkeypatch, layer, door):
    rows = torch.func.vmap(layer)(X)
    jacobian = torch.autograd.functional.jacobian(layer, X)
    monkeypatch.setattr(of_torch, door, None)
    check(layer)
    torch.testing.assert_close(torch.func.vmap(layer)(X), rows)
    torch.testing.assert_close(torch.autograd.functional.jacobian(layer, X, vectorize=True), jacobian)
    again = torch.utils.checkpoint.checkpoint(layer, X.clone().requires_grad_(), use_reentrant=False)
    again.sum().backward()
    assert of_torch.tree_leaves([1, {"a": (2, [3])}]) == [1, 2, 3]
    if door == "_DispatchMode":
        with pytest.raises(RuntimeError, match="no dispatch modes"):
            of_torch.operations_by(print)


def forget():
    for cached in (cost.choose, cost.one_kernel, bridge._program, programs.program):
        cached.cache_clear()
    for cached in (of_jax.synchronous_cpu, xla_cpu.has_kernels):
        cached.cache_clear()


@pytest.mark.parametrize("door", [*JAX[1:], "options", "platform"])
def test_without_a_name_of_jax(monkeypatch, layer, door):
    find = of_jax._find
    if door == "options":
        monkeypatch.setitem(of_jax.KERNEL_OPTIONS, "xla_cpu_no_such_option", value=True)
    elif door == "platform":
        monkeypatch.delattr(type(jax.numpy.ones(1)), "platform")
    else:
        monkeypatch.setattr(of_jax, "_find", lambda path: None if path == door else find(path))
    if "layout" in door:
        monkeypatch.setattr(cost, "_KERNEL_AMPLITUDES", 0)  # several kernels, some of them outlined
    forget()
    try:
        check(layer)
        assert xla_cpu.has_kernels() == (door not in ("options", JAX[2]))
        assert (of_jax.synchronous_cpu() is None) == (door == JAX[4])
    finally:
        monkeypatch.undo()
        forget()


def test_whether_jax_has_started(monkeypatch):
    assert of_jax.has_started()
    monkeypatch.delitem(sys.modules, "jax._src.xla_bridge")
    assert of_jax.has_started()
