"""The modules as torch users meet them."""

import copy
import math

import pytest
import torch

import qproj


def generator(seed=0):
    return torch.Generator().manual_seed(seed)


def projection(**options):
    return qproj.QuantumProjection(16, 8, 3, 2, **{"generator": generator(), **options})


def test_closed_form():
    """One RY on a qubit, then RX by a zero weight: the expectation is a cosine."""
    layer = qproj.QuantumLayer(1, 1, ansatz="basic_entangler")
    torch.nn.init.zeros_(layer.weights)
    x = torch.linspace(-3, 3, 7)[:, None].requires_grad_()
    y = layer(x)
    y.sum().backward()
    torch.testing.assert_close(y, torch.cos(x))
    torch.testing.assert_close(x.grad, -torch.sin(x.detach()))


@pytest.mark.parametrize("shape", [(16,), (2, 16), (2, 3, 16), (0, 16)])
def test_projection_shapes(shape):
    proj = projection()
    x = torch.randn(shape, generator=generator(1), requires_grad=True)
    y = proj(x)
    assert y.shape == (*shape[:-1], 8)
    y.sum().backward()
    assert x.grad.shape == shape
    assert all(p.grad is not None for p in proj.parameters())


def test_projection_parts():
    proj = projection(observables="xyz")
    assert proj.reduce.bias is None
    assert (proj.in_features, proj.out_features, proj.n_qubits, proj.n_layers) == (16, 8, 3, 2)
    assert (proj.circuit.n_inputs, proj.circuit.n_outputs, proj.expand.in_features) == (3, 9, 9)
    assert set(proj.state_dict()) == {"circuit.weights", "reduce.weight", "expand.weight", "expand.bias"}


def test_generator_decides_every_parameter():
    torch.manual_seed(1)
    one = projection()
    torch.manual_seed(2)
    two = projection()
    other = projection(generator=generator(5))
    for (name, a), b, c in zip(one.named_parameters(), two.parameters(), other.parameters(), strict=True):
        assert torch.equal(a, b)
        assert torch.equal(a, c) == (name == "expand.bias")
    other.reset_parameters(generator())
    assert torch.equal(one.reduce.weight, other.reduce.weight)


def test_initial_distributions():
    proj = qproj.QuantumProjection(512, 256, 4, 50, generator=generator())
    angles = proj.reduce(torch.randn(500, 512, generator=generator(1)))
    assert angles.std().item() == pytest.approx(1, abs=0.1)
    weights = proj.circuit.weights
    assert weights.min() >= 0
    assert weights.max() <= 2 * math.pi
    assert weights.mean().item() == pytest.approx(math.pi, abs=0.3)
    assert proj.expand.weight.abs().max().item() == pytest.approx(4 / math.sqrt(4), rel=0.01)
    assert not proj.expand.bias.any()


def test_training_lowers_the_loss():
    layer = qproj.QuantumLayer(2, 2, generator=generator())
    x = torch.randn(8, 2, generator=generator(1))
    target = torch.stack([x[:, 0].cos(), -x[:, 1].cos()], dim=1)
    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    losses = []
    for _ in range(30):
        optimizer.zero_grad()
        loss = (layer(x) - target).square().mean()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.3 * losses[0]


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    layer = qproj.QuantumLayer(2, 1, generator=generator())
    x = torch.randn(3, 2, generator=generator(1))
    expected = layer(x).detach()
    with mode():
        y = layer(x * 1)
    assert not y.requires_grad
    torch.testing.assert_close(y, expected, rtol=0, atol=1e-6)  # another program, which rounds by itself


def test_weights_of_another_dtype():
    """The input decides: double in, double out; the weights' gradient keeps the weights' dtype."""
    layer = qproj.QuantumLayer(2, 1, generator=generator())
    x = torch.randn(3, 2, generator=generator(1), dtype=torch.float64)
    y = layer(x)
    y.sum().backward()
    assert y.dtype == torch.float64
    assert layer.weights.grad.dtype == torch.float32
    torch.testing.assert_close(y, copy.deepcopy(layer).double()(x), atol=1e-14, rtol=0)
    assert layer.double()(x.float()).dtype == torch.float32


@pytest.mark.parametrize("diff_method", ["jacobian", "parameter-shift"])
def test_single_precision_after_double(diff_method):
    """One circuit in both, one after the other in a process; the words are of several sorts."""
    words = [qproj.PauliWord("X", (0,)), qproj.PauliWord("YZ", (1, 2)), qproj.PauliWord("Z", (2,), 0.3)]
    layer = qproj.QuantumLayer(
        3, 1, encoding="iqp", observables=words, diff_method=diff_method, generator=generator()
    )
    x = torch.randn(2, 3, generator=generator(3))
    gradients = []
    for dtype in (torch.float64, torch.float32):
        layer.zero_grad()
        layer.to(dtype)(x.to(dtype)).sum().backward()
        gradients.append(layer.weights.grad.double())
    torch.testing.assert_close(*gradients, atol=1e-5, rtol=0)


def test_autocast():
    proj = projection()
    x = torch.randn(4, 16, generator=generator(1))
    expected = proj(x)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        y = proj(x)
    torch.testing.assert_close(y.float(), expected, atol=0.1, rtol=0.1)
    y.sum().backward()
    assert proj.circuit.weights.grad.dtype == torch.float32


def test_to_backend_keeps_weights():
    layer = qproj.QuantumLayer(2, 1, generator=generator())
    weights = layer.weights
    x = torch.randn(3, 2, generator=generator(1))
    expected = layer(x)
    assert layer.to_backend("default.qubit") is layer
    assert layer.weights is weights
    torch.testing.assert_close(layer(x), expected, atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="backend"):
        layer.to_backend("nonsense")
    assert layer.backend == "default.qubit"
    assert projection().to_backend("default.qubit").circuit.backend == "default.qubit"


def test_repr():
    assert repr(qproj.QuantumLayer(2, 1)) == (
        "QuantumLayer(n_qubits=2, n_layers=1, encoding='angle_y', ansatz='strongly_entangling', "
        "n_inputs=2, n_outputs=2, diff_method='best', backend='jax')"
    )


@pytest.mark.parametrize(
    "dtype", [torch.int64, torch.int32, torch.uint8, torch.bool, torch.complex64, torch.complex128]
)
def test_wrong_dtype(dtype):
    with pytest.raises(TypeError, match=rf"x must be a tensor of float32.*its dtype was {dtype}"):
        qproj.QuantumLayer(2, 1)(torch.zeros(1, 2, dtype=dtype))


@pytest.mark.parametrize("shape", [(), (3,), (2, 1), (2, 0)])
def test_wrong_shape(shape):
    with pytest.raises(ValueError, match=r"x must have shape \(\.\.\., 2\).*but had shape \("):
        qproj.QuantumLayer(2, 1)(torch.zeros(shape))


def test_wrong_type_and_device():
    layer = qproj.QuantumLayer(2, 1)
    with pytest.raises(TypeError, match=r"x must be a torch\.Tensor, but was list"):
        layer([0.0, 1.0])
    with pytest.raises(ValueError, match="x must be on the device of the layer's weights"):
        layer(torch.zeros(1, 2, device="meta"))


def test_built_on_the_meta_device():
    with torch.device("meta"):
        proj = projection(generator=None)
    proj.to_empty(device="cpu").reset_parameters(generator())
    x = torch.randn(2, 16, generator=generator(1))
    assert torch.equal(proj(x), projection()(x))


def test_amplitudes_are_normalised_and_padded():
    layer = qproj.QuantumLayer(2, 1, encoding="amplitude", generator=generator())
    x = torch.tensor([[3.0, 4.0, 0.0, 0.0]])
    torch.testing.assert_close(layer(x), layer(2 * x[:, :2]))
    x = torch.randn(2, 3, generator=generator(), requires_grad=True)
    layer(x).sum().backward()
    # Scaling a sample changes nothing, so the gradient is across it.
    torch.testing.assert_close((x.grad * x).sum(1), torch.zeros(2), atol=1e-6, rtol=0)
    with pytest.raises(ValueError, match="all zero, since they are normalised, but sample 1 was all zero"):
        layer(torch.tensor([[1.0, 0.0], [0.0, 0.0]]))
    with pytest.raises(
        ValueError, match=r"x must have shape \(\.\.\., at most 4\), one amplitude .*\(1, 5\)"
    ):
        layer(torch.ones(1, 5))
    assert layer(torch.zeros(0, 4)).shape == (0, 2)


@pytest.mark.parametrize("encoding", ["iqp", "amplitude"])
def test_gradcheck_through_the_layer(encoding):
    layer = qproj.QuantumLayer(2, 1, encoding=encoding, generator=generator()).double()
    x = torch.randn(2, layer.n_inputs, generator=generator(), dtype=torch.float64, requires_grad=True)
    torch.autograd.gradcheck(lambda x, _: layer(x), (x, layer.weights))


def test_a_circuit_of_ones_own():
    gates = [qproj.Gate("RY", (0,), qproj.InputSlot(0)), qproj.Gate("CRX", (0, 1), qproj.WeightSlot(0))]
    circuit = qproj.Circuit(gates=gates, observables=[qproj.PauliWord("Z", (1,))])
    layer = qproj.QuantumLayer(circuit=circuit, generator=generator())
    assert (
        repr(layer) == "QuantumLayer(n_qubits=2, n_inputs=1, n_outputs=1, diff_method='best', backend='jax')"
    )
    x, w = torch.tensor([[0.7]]), layer.weights
    # The target turns by w where the control is 1, which it is with probability sin(x / 2)^2.
    expected = 1 - torch.sin(x / 2) ** 2 * (1 - torch.cos(w))
    torch.testing.assert_close(layer(x), expected)
    proj = qproj.QuantumProjection(5, 3, circuit=circuit)
    assert (proj.reduce.out_features, proj.expand.in_features) == (1, 1)
    with pytest.raises(ValueError, match="circuit must come alone"):
        qproj.QuantumLayer(3, circuit=circuit)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_not_finite_passes_through(value):
    """As NaN, in its own sample only."""
    layer = qproj.QuantumLayer(3, 2, generator=generator())
    x = torch.zeros(3, 3)
    x[1, 0] = value
    y = layer(x)
    assert y[1].isnan().any()
    assert y[[0, 2]].isfinite().all()
