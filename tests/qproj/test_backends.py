"""One conformance suite for every backend, and what only one of them has."""

import numpy as np
import pytest
import torch

import qproj
from qproj.backends import get_backend
from qproj.circuits import Gate, Hamiltonian, InputSlot, PauliWord, WeightSlot

from . import reference

BACKENDS = ["jax", "default.qubit", "lightning.qubit"]
WORDS = (PauliWord("XY", (0, 1), 0.5), PauliWord("Z", (1,), -2.0))


def run(layer, x, cotangents):
    x = x.clone().requires_grad_()
    layer.zero_grad()
    values = layer(x)
    (values * cotangents).sum().backward()
    return values.detach(), x.grad, layer.weights.grad


OWN_GATES = qproj.Circuit(
    gates=[
        Gate("CRX", (0, 1), InputSlot(0)),
        Gate("RY", (0,), InputSlot(1, times=0)),
        Gate("IsingYY", (1, 0), WeightSlot(0, 0.5)),
        Gate("CZ", (0, 1)),
        Gate("RX", (1,), WeightSlot(0)),
    ],
    observables=[Hamiltonian((PauliWord("XY", (0, 1), 0.5), PauliWord("Z", (0,))))],
)


CIRCUITS = {
    "angle_z": qproj.Circuit(2, 1, "angle_z", "basic_entangler", "xyz"),
    "words": qproj.Circuit(2, 1, "angle_x", observables=WORDS),
    "one qubit": qproj.Circuit(1, 1, "angle_y", "basic_entangler"),
    "iqp": qproj.Circuit(2, 1, "iqp", "simplified_two_design", "zz"),
    "amplitude": qproj.Circuit(2, 1, "amplitude", "basic_entangler_y"),
    "reupload": qproj.Circuit(2, 2, "angle_x", reupload=True),
    "own gates": OWN_GATES,
}


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("name", CIRCUITS)
def test_values_and_gradients(backend, name):
    """lightning.qubit cannot differentiate amplitudes by its own means, and `best` knows."""
    circuit, batch = CIRCUITS[name], 1 + 2 * (name == "words")
    generator = torch.Generator().manual_seed(3)
    layer = qproj.QuantumLayer(circuit=circuit, backend=backend, generator=generator).double()
    x = torch.randn(batch, circuit.n_inputs, generator=generator, dtype=torch.float64)
    cotangents = torch.randn(batch, circuit.n_outputs, generator=generator, dtype=torch.float64)
    values, grad_x, grad_weights = run(layer, x, cotangents)
    assert values.dtype == grad_x.dtype == grad_weights.dtype == torch.float64
    weights = layer.weights.detach().numpy()
    np.testing.assert_allclose(values, reference.values(circuit, x.numpy(), weights), atol=1e-10)
    expected_x, expected_w = reference.gradients(circuit, x.numpy(), weights, cotangents.numpy())
    np.testing.assert_allclose(grad_x, expected_x, atol=1e-8)
    np.testing.assert_allclose(grad_weights, expected_w, atol=1e-8)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
def test_dtype_comes_back(backend, dtype):
    layer = qproj.QuantumLayer(2, 1, backend=backend, generator=torch.Generator().manual_seed(3))
    x = torch.tensor([[0.5, -0.25]], dtype=dtype)
    values, grad_x, grad_weights = run(layer, x, torch.ones(1, 2, dtype=dtype))
    assert values.dtype == grad_x.dtype == dtype
    assert grad_weights.dtype == torch.float32
    exact = reference.values(layer.circuit, x.double().numpy(), layer.weights.detach().numpy())
    tolerance = {torch.float32: 1e-6, torch.float16: 1e-3, torch.bfloat16: 8e-3}[dtype]
    np.testing.assert_allclose(values.double(), exact, atol=tolerance)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("shape", [(2,), (0, 2), (3, 0, 2), (2, 3, 2)])
def test_shapes(backend, shape):
    layer = qproj.QuantumLayer(2, 1, backend=backend, generator=torch.Generator().manual_seed(3))
    x = torch.rand(shape, generator=torch.Generator().manual_seed(4), requires_grad=True)
    y = layer(x)
    assert y.shape == shape
    y.sum().backward()
    assert x.grad.shape == shape
    assert layer.weights.grad.shape == layer.weights.shape
    if 0 in shape:
        assert not layer.weights.grad.any()


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("frozen", ["x", "weights"])
def test_only_what_needs_a_gradient_gets_one(backend, frozen):
    layer = qproj.QuantumLayer(2, 1, backend=backend, generator=torch.Generator().manual_seed(3))
    layer.weights.requires_grad_(frozen != "weights")
    x = torch.rand(2, 2, generator=torch.Generator().manual_seed(4)).requires_grad_(frozen != "x")
    layer(x).sum().backward()
    assert (x.grad is None) == (frozen == "x")
    assert (layer.weights.grad is None) == (frozen == "weights")


def test_unknown_names():
    with pytest.raises(ValueError, match=r"backend must be one of .*Did you mean 'lightning.qubit'\?"):
        get_backend("lightning.qbit")
    with pytest.raises(ValueError, match=r"'jax'.*but was 'torch'"):
        qproj.QuantumLayer(backend="torch")
    with pytest.raises(TypeError, match=r"backend must be a str, .* PennyLane device"):
        qproj.QuantumLayer(backend=None)
    for backend in BACKENDS:
        with pytest.raises(ValueError, match=r"diff_method must be one of .*'adjoint'.*but was 'spsa'"):
            qproj.QuantumLayer(backend=backend, diff_method="spsa")


def test_shots_make_estimates():
    layer = qproj.QuantumLayer(2, 1, backend="default.qubit", shots=2000)
    layer.weights.requires_grad_(False)
    exact = qproj.QuantumLayer(2, 1)
    exact.load_state_dict(layer.state_dict())
    x = torch.tensor([[0.4, -1.0]], requires_grad=True)
    values = layer(x)
    assert not torch.equal(values, layer(x))
    torch.testing.assert_close(values, exact(x), atol=6 * 2000**-0.5, rtol=0)
    values.sum().backward()
    assert x.grad.abs().sum() > 0
    layer.to_backend("jax")
    assert layer.backend == "jax"
    torch.testing.assert_close(layer(x), exact(x), atol=6 * 2000**-0.5, rtol=0)
    assert not torch.equal(layer(x), exact(x))
