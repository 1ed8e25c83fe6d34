"""What people do to modules: move, copy, save, wrap."""

import ast
import copy
import inspect
import io
import pickle
import textwrap

import numpy as np
import pytest
import torch
from torch.nn.utils import parametrize

import qproj


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def make(**options):
    return qproj.QuantumProjection(6, 4, 3, 2, generator=generator(), **options)


def sample(*shape, seed=1):
    return torch.randn(shape, generator=generator(seed))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_what_comes_in_goes_out(dtype):
    module = make().to(dtype)
    x = sample(3, 6).to(dtype).requires_grad_()
    y = module(x)
    y.sum().backward()
    assert y.dtype == x.grad.dtype == dtype
    assert all(p.grad.dtype == dtype for p in module.parameters())
    expected = make()(x.detach().float())
    torch.testing.assert_close(y.float(), expected, atol=0.05 if dtype.itemsize == 2 else 1e-5, rtol=0)


def test_half_is_computed_in_single():
    """The circuit itself loses nothing but the rounding of what goes in and out."""
    layer = qproj.QuantumLayer(3, 2, generator=generator())
    x = sample(4, 3).half()
    torch.testing.assert_close(layer(x), layer(x.float()).half(), atol=0, rtol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_autocast_reaches_the_linear_maps_only(dtype):
    module = make()
    x = sample(3, 6)
    with torch.autocast("cpu", dtype=dtype):
        y = module(x)
        direct = module.circuit(x[:, :3])
    assert y.dtype == dtype
    torch.testing.assert_close(direct, module.circuit(x[:, :3]), atol=0, rtol=0)
    y.float().sum().backward()
    assert module.circuit.weights.grad.dtype == torch.float32


COPIES = {
    "deepcopy": copy.deepcopy,
    "pickle": lambda m: pickle.loads(pickle.dumps(m)),
    "torch.save": lambda m: torch_round_trip(m),
}


def torch_round_trip(module):
    stream = io.BytesIO()
    torch.save(module, stream)
    stream.seek(0)
    return torch.load(stream, weights_only=False)


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize(
    "observables", ["z", [qproj.Hamiltonian([qproj.PauliWord("ZX", (0, 2), 0.3)])]], ids=str
)
def test_copies_are_whole_and_apart(way, observables):
    module = make(observables=observables)
    x = sample(2, 6)
    expected = module(x)  # compiled before it is copied
    twin = COPIES[way](module)
    with torch.no_grad():
        module.circuit.weights.add_(1)
    torch.testing.assert_close(twin(x), expected, atol=0, rtol=0)
    twin(x).sum().backward()
    assert module.circuit.weights.grad is None
    assert twin.circuit.weights.grad.abs().sum() > 0
    compiled = torch.compile(twin, fullgraph=True, backend="eager")
    torch.testing.assert_close(compiled(x), expected)


@pytest.mark.parametrize("assign", [False, True])
def test_loaded_weights_are_the_ones_that_run(assign):
    """TorchLayer's fault: it goes on with those it had."""
    module, other = make(), make()
    module(sample(2, 6))
    other.reset_parameters(generator(7))
    module.load_state_dict(other.state_dict(), assign=assign)
    torch.testing.assert_close(module(sample(2, 6)), other(sample(2, 6)), atol=0, rtol=0)
    if assign:
        with torch.no_grad():  # the very tensors
            other.circuit.weights.zero_()
        torch.testing.assert_close(module(sample(2, 6)), other(sample(2, 6)), atol=0, rtol=0)


def test_missing_and_unknown_keys_are_named():
    state = make().state_dict()
    del state["circuit.weights"]
    state["circuit.weight"] = torch.zeros(1)
    with pytest.raises(
        RuntimeError, match=r'(?s)Missing key.*"circuit\.weights".*Unexpected.*"circuit\.weight"'
    ):
        make().load_state_dict(state)
    with pytest.raises(RuntimeError, match=r"size mismatch for circuit\.weights"):
        qproj.QuantumProjection(6, 4, 3, 3).load_state_dict(make().state_dict())


def test_from_meta_by_assignment_and_by_filling():
    with torch.device("meta"):
        hollow = qproj.QuantumProjection(6, 4, 3, 2)
    assert all(p.is_meta for p in hollow.parameters())
    x, expected = sample(2, 6), make()(sample(2, 6))
    filled = copy.deepcopy(hollow).to_empty(device="cpu")
    filled.reset_parameters(generator())
    torch.testing.assert_close(filled(x), expected, atol=0, rtol=0)
    hollow.load_state_dict(make().state_dict(), assign=True)
    torch.testing.assert_close(hollow(x), expected, atol=0, rtol=0)


class Doubled(torch.nn.Module):
    def forward(self, weights):
        return 2 * weights


def test_parametrised_weights():
    layer = qproj.QuantumLayer(3, 2, generator=generator())
    plain = copy.deepcopy(layer)
    with torch.no_grad():
        plain.weights.mul_(2)
    parametrize.register_parametrization(layer, "weights", Doubled())
    x = sample(2, 3)
    y = layer(x)
    torch.testing.assert_close(y, plain(x), atol=1e-5, rtol=0)
    y.sum().backward()
    plain(x).sum().backward()
    found = layer.parametrizations.weights.original.grad
    torch.testing.assert_close(found, 2 * plain.weights.grad, atol=1e-5, rtol=0)


def test_hooks_and_shared_weights():
    one, two = (qproj.QuantumLayer(3, 2, generator=generator(i)) for i in (0, 1))
    two.weights = one.weights
    seen = []
    one.register_forward_hook(lambda module, given, result: seen.append(result.shape))
    x = sample(2, 3)
    (one(x) + two(x)).sum().backward()
    assert seen == [(2, 3)]
    shared = one.weights.grad.clone()
    one.zero_grad()
    one(x).sum().backward()
    torch.testing.assert_close(shared, 2 * one.weights.grad)


def test_optimisers_take_it_in():
    """Groups, clipping, weight decay, averaging: all of them find an ordinary parameter."""
    module = make()
    averaged = torch.optim.swa_utils.AveragedModel(module)
    optimizer = torch.optim.AdamW(
        [{"params": module.circuit.parameters(), "lr": 0.1}, {"params": module.expand.parameters()}], lr=1e-3
    )
    x, before = sample(4, 6), module.circuit.weights.detach().clone()
    for _ in range(3):
        optimizer.zero_grad()
        module(x).square().mean().backward()
        torch.nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()
        averaged.update_parameters(module)
    assert (module.circuit.weights - before).abs().max() > 0.05
    assert averaged(x).isfinite().all()


@pytest.mark.parametrize("module", [qproj.QuantumLayer(3, 1), qproj.QuantumProjection(3, 2, 2, 1)])
def test_an_array_of_numpy_is_shown_the_way(module):
    with pytest.raises(TypeError, match=r"must be a torch\.Tensor, but was ndarray\. .*torch\.from_numpy"):
        module(np.zeros((2, 3), np.float32))


@pytest.mark.parametrize("widths", [(0, 3), (3, 0), (-1, 3)])
def test_widths_below_one_are_refused(widths):
    with pytest.raises(ValueError, match=r"(in|out)_features must be at least 1, but was (0|-1)"):
        qproj.QuantumProjection(*widths, n_qubits=2, n_layers=1)


@pytest.mark.parametrize("name", ["QuantumLayer", "QuantumProjection"])
def test_a_type_checker_sees_a_tensor(name):
    """torch's own `__call__` returns anything."""
    source = ast.parse(textwrap.dedent(inspect.getsource(getattr(qproj, name))))
    calls = [node for node in ast.walk(source) if getattr(node, "name", "") == "__call__"]
    assert [ast.unparse(call.returns) for call in calls] == ["Tensor"]
    assert "__call__" not in vars(getattr(qproj, name))


def test_repr_says_what_is_not_default():
    shown = repr(qproj.QuantumLayer(2, 1, reupload=True, strategy="fused-2", diff_method="adjoint"))
    assert "reupload=True" in shown
    assert "strategy='fused-2'" in shown
    assert "diff_method='adjoint'" in shown
