"""Torch's transformations of the layer, and derivatives of any order."""

import threading

import pytest
import torch
import torch.autograd.forward_ad as forward_ad
from torch.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap

import qproj

# torch's own, when forward mode is first used
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")

METHODS = [
    {"diff_method": "adjoint", "strategy": "dense"},
    {"diff_method": "parameter-shift"},
]


def make(n_qubits=2, n_layers=1, **options):
    generator = torch.Generator().manual_seed(0)
    return qproj.QuantumLayer(n_qubits, n_layers, generator=generator, **options).double()


def sample(*shape, seed=1):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def function(layer):
    """The layer as a function of inputs and weights, and its weights."""
    return lambda x, w: functional_call(layer, {"weights": w}, (x,)), layer.weights.detach().clone()


def close(one, other, atol=1e-12):
    torch.testing.assert_close(one, other, atol=atol, rtol=0)


@pytest.mark.parametrize("options", METHODS, ids=str)
def test_first_and_second_derivatives(options):
    f, w = function(make(**options))
    given = (sample(3, 2).requires_grad_(), w.requires_grad_())
    torch.autograd.gradcheck(f, given, check_forward_ad=True, check_batched_grad=True)
    torch.autograd.gradgradcheck(f, given)


@pytest.mark.parametrize(
    "options",
    [
        {"encoding": "iqp", "observables": "xyz", "strategy": "fused-2"},
        {"encoding": "amplitude"},
        {"n_layers": 7, "ansatz": "basic_entangler"},
    ],
    ids=str,
)
def test_second_derivatives_of_circuits(options):
    """A loop over equal layers, products of inputs, prepared states: JAX must differentiate each twice."""
    layer = make(**options)
    f, w = function(layer)
    x = sample(1, layer.n_inputs).requires_grad_()
    torch.autograd.gradgradcheck(f, (x, w.requires_grad_()))


def test_closed_form_of_higher_derivatives():
    """The expectation is cos x, its third derivative sin x."""
    layer = qproj.QuantumLayer(1, 1, ansatz="basic_entangler").double()
    torch.nn.init.zeros_(layer.weights)
    x = torch.linspace(-3, 3, 5, dtype=torch.float64)[:, None].requires_grad_()
    derivative = layer(x)
    for _ in range(3):
        (derivative,) = torch.autograd.grad(derivative.sum(), x, create_graph=True)
    close(derivative, torch.sin(x))


def test_gradient_penalty_trains_the_weights():
    layer = make()
    x = sample(5, 2).requires_grad_()  # five rows run as six: the one that was added must not count

    def penalty():
        (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        return slope.square().sum()

    (plain,) = torch.autograd.grad(layer(x).sum(), x)
    close(penalty(), plain.square().sum())
    (found,) = torch.autograd.grad(penalty(), layer.weights)
    step = 1e-5
    for index in [(0, 0, 0), (0, 1, 1)]:
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                layer.weights[index] += sign * step
            ends.append(penalty().item())
            with torch.no_grad():
                layer.weights[index] -= sign * step
        assert found[index].item() == pytest.approx((ends[0] - ends[1]) / (2 * step), abs=1e-7)


def test_cotangents_of_a_penalty_are_differentiated_too():
    layer, scale = make(), torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    x = sample(2, 2).requires_grad_()
    (slope,) = torch.autograd.grad((scale * layer(x)).sum(), x, create_graph=True)
    (found,) = torch.autograd.grad(slope.square().sum(), scale)
    (plain,) = torch.autograd.grad(layer(x).sum(), x)
    close(found, 2 * scale.detach() * plain.square().sum())


@pytest.mark.parametrize("in_dims", [(0, None), (1, None), (None, 0), (0, 0)])
def test_vmap_is_a_loop(in_dims):
    f, w = function(make())
    x = sample(4, 4, 2) if in_dims[0] is not None else sample(4, 2)
    ws = torch.stack([w + i for i in range(4)]) if in_dims[1] is not None else w
    together = vmap(f, in_dims)(x, ws)

    def at(tensor, axis, i):
        return tensor if axis is None else tensor.select(axis, i)

    close(together, torch.stack([f(at(x, in_dims[0], i), at(ws, in_dims[1], i)) for i in range(4)]))


def test_vmap_over_single_samples_and_twice():
    layer = make()
    x = sample(3, 4, 2)
    close(vmap(vmap(layer))(x), layer(x))


def test_gradients_of_single_samples():
    f, w = function(make())
    x = sample(3, 2)

    def loss(w, x):
        return f(x, w).sin().sum()

    close(vmap(grad(loss), (None, 0))(w, x), torch.stack([grad(loss)(w, row) for row in x]))
    close(vmap(grad(loss), (None, 0))(w, x).sum(0), grad(loss)(w, x))


def test_jacobians_and_hessians():
    f, w = function(make())
    x = sample(2, 2)
    expected = torch.autograd.functional.jacobian(f, (x, w))
    forward = torch.autograd.functional.jacobian(f, (x, w), vectorize=True, strategy="forward-mode")
    for found in (jacrev(f, (0, 1))(x, w), jacfwd(f, (0, 1))(x, w), forward):
        torch.testing.assert_close(found, expected)
    total = lambda w: f(x, w).square().sum()  # noqa: E731
    second = hessian(total)(w)
    close(second, torch.autograd.functional.hessian(total, w))


def test_products_with_the_jacobian():
    f, w = function(make())
    x, dx, dw = sample(3, 2), sample(3, 2, seed=2), sample(1, 2, 3, seed=3)
    values, tangent = jvp(f, (x, w), (dx, dw))
    _, pull = vjp(f, x, w)
    cotangent = sample(3, 2, seed=4)
    back = pull(cotangent)
    close(values, f(x, w))
    close((cotangent * tangent).sum(), (back[0] * dx).sum() + (back[1] * dw).sum())


@pytest.mark.parametrize("mode", [torch.enable_grad, torch.no_grad])
def test_dual_numbers(mode):
    layer, x, dx = make(), sample(3, 2), sample(3, 2, seed=2)
    with mode(), forward_ad.dual_level():
        found = forward_ad.unpack_dual(layer(forward_ad.make_dual(x, dx))).tangent
    close(found, jvp(layer, (x,), (dx,))[1])


def test_single_precision_and_a_layer_in_a_model():
    model = torch.nn.Sequential(torch.nn.Linear(4, 2), make().float(), torch.nn.Linear(2, 1))
    x = sample(5, 4).float()
    parameters = {k: v.detach() for k, v in model.named_parameters()}

    def loss(parameters, x):
        return functional_call(model, parameters, (x,)).square().mean()

    found = grad(loss)(parameters, x)
    model(x).square().mean().backward()
    for name, parameter in model.named_parameters():
        torch.testing.assert_close(found[name], parameter.grad)
    each = vmap(grad(loss), (None, 0))(parameters, x)
    torch.testing.assert_close(each["1.weights"].mean(0), model[1].weights.grad)
    assert each["1.weights"].dtype == torch.float32


def test_amplitudes_of_zero_are_nan_where_they_cannot_be_looked_at():
    layer = make(encoding="amplitude")
    x = torch.stack([torch.ones(4), torch.zeros(4)]).double()
    y = vmap(layer)(x)
    assert y[0].isfinite().all()
    assert y[1].isnan().all()


def test_only_what_needs_a_gradient_has_one():
    layer = make()
    x = sample(3, 2).requires_grad_()
    layer(x).sum().backward()
    both = x.grad.clone(), layer.weights.grad.clone()
    layer.weights.requires_grad_(False)
    x.grad = layer.weights.grad = None
    layer(x).sum().backward()
    close(x.grad, both[0], atol=0)
    assert layer.weights.grad is None
    layer.weights.requires_grad_(True)
    layer(x.detach()).sum().backward()
    close(layer.weights.grad, both[1], atol=0)


def test_gradients_accumulate():
    layer = make()
    x = sample(6, 2)
    layer(x).square().sum().backward()
    whole = layer.weights.grad.clone()
    layer.zero_grad()
    for part in x.split(2):
        layer(part).square().sum().backward()
    close(layer.weights.grad, whole)


def test_second_derivative_in_another_thread():
    layer = make()
    x = sample(2, 2).requires_grad_()

    def penalty():
        (slope,) = torch.autograd.grad(layer(x).sum(), x, create_graph=True)
        return slope.square().sum()

    (expected,) = torch.autograd.grad(penalty(), layer.weights)
    thread = threading.Thread(target=penalty().backward)
    thread.start()
    thread.join()
    close(layer.weights.grad, expected, atol=0)


@pytest.mark.parametrize(
    "options", [{"backend": "lightning.qubit"}, {"diff_method": "parameter-shift"}], ids=str
)
def test_on_tapes_they_are_refused(options):
    layer = make(**{"backend": "default.qubit", **options})
    x = sample(2, 2)
    for transform in (vmap(layer), jacrev(layer), grad(lambda x: layer(x).sum())):
        with pytest.raises(RuntimeError, match="transformations of a quantum layer need backend='jax'"):
            transform(x)
