"""The door for JAX users: the same numbers as the torch layer, and transforms compose."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import torch

import qproj
from qproj import Circuit
from qproj.functional import entropy, expectation, sample, state

CIRCUITS = [Circuit(2, 2, "iqp", reupload=True), Circuit(2, 1, "amplitude")]


@pytest.mark.parametrize("circuit", CIRCUITS, ids=lambda c: c.encoding)
def test_values_and_gradients_are_those_of_the_layer(circuit):
    layer = qproj.QuantumLayer(circuit=circuit, generator=torch.Generator().manual_seed(0)).double()
    x = torch.randn(4, circuit.n_inputs, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    x.requires_grad_()
    values = layer(x)
    (values**2).sum().backward()
    with jax.enable_x64(True):
        inputs, weights = x.detach().numpy(), layer.weights.detach().numpy()
        np.testing.assert_allclose(expectation(circuit, inputs, weights), values.detach(), atol=1e-12)
        loss = jax.jit(jax.grad(lambda x, w: (expectation(circuit, x, w) ** 2).sum(), argnums=(0, 1)))
        grad_x, grad_w = loss(inputs, weights)
    np.testing.assert_allclose(grad_x, x.grad, atol=1e-11)
    np.testing.assert_allclose(grad_w, layer.weights.grad, atol=1e-11)


def test_vmap_over_weights_and_inputs():
    circuit = Circuit(2, 1)
    rng = np.random.default_rng(0)
    inputs = jnp.asarray(rng.normal(size=(5, 2)), jnp.float32)
    weights = jnp.asarray(rng.normal(size=(4, *circuit.weight_shape)), jnp.float32)

    @jax.jit
    def run(x, w):
        return expectation(circuit, x, w)

    @jax.jit
    def slope(w, x):
        return jax.grad(lambda w: expectation(circuit, x, w).sum())(w)

    many = jax.jit(jax.vmap(run, (None, 0)))(inputs, weights)
    assert many.shape == (4, 5, 2)
    for i in range(4):
        np.testing.assert_allclose(many[i], run(inputs, weights[i]), atol=1e-6)
    one_by_one = jax.jit(jax.vmap(run, (0, None)))(inputs, weights[0])
    np.testing.assert_allclose(one_by_one, many[0], atol=1e-6)
    slopes = jax.jit(jax.vmap(slope, (None, 0)))(weights[0], inputs)
    whole = slope(weights[0], inputs)
    np.testing.assert_allclose(slopes.sum(0), whole, atol=1e-5)


def test_leading_dimensions():
    circuit = Circuit(2, 1)
    weights = jnp.zeros(circuit.weight_shape)
    for shape in ((2,), (3, 2), (2, 3, 2), (0, 2)):
        assert expectation(circuit, jnp.zeros(shape), weights).shape == shape


def test_wrong_shapes():
    circuit = Circuit(3, 1)
    with pytest.raises(ValueError, match=r"inputs must have shape \(\.\.\., 3\), but had shape \(2, 4\)"):
        expectation(circuit, np.zeros((2, 4)), np.zeros(circuit.weight_shape))
    with pytest.raises(ValueError, match=r"weights must have shape \(1, 3, 3\), but had shape \(9,\)"):
        expectation(circuit, np.zeros((2, 3)), np.zeros(9))


@pytest.mark.parametrize("numbers", [1j * np.ones((1, 2)), np.array([["1", "2"]]), np.full((1, 2), None)])
def test_numbers_that_are_not_real_are_refused(numbers):
    """JAX drops imaginary parts where it casts to real numbers."""
    circuit, key = Circuit(2, 1), jax.random.key(0)
    weights = np.zeros(circuit.weight_shape)
    of_weights = np.broadcast_to(numbers.ravel()[0], circuit.weight_shape)
    for run in (expectation, state, partial(sample, shots=1, key=key)):
        with pytest.raises(
            TypeError, match=r"inputs must be real numbers in an array, but were (complex64|<U1|object)"
        ):
            run(circuit, numbers, weights)
        with pytest.raises(
            TypeError, match=r"weights must be real numbers in an array, but were (complex64|<U1|object)"
        ):
            run(circuit, np.zeros((1, 2)), of_weights)


def test_what_is_no_circuit_is_refused():
    for run in (expectation, state, partial(entropy, wires=0)):
        with pytest.raises(TypeError, match=r"circuit must be a qproj\.Circuit, but was 'RX' \(str\)"):
            run("RX", np.zeros(2), np.zeros(2))
    with pytest.raises(TypeError, match=r"circuit must be a qproj\.Circuit"):
        qproj.QuantumLayer(circuit=[])


def test_a_gradient_outside_of_jit_is_few_programs():
    """Each operation for itself would be some hundred."""
    circuit = Circuit(2, 1, observables="xyz")
    client = jax.devices("cpu")[0].client
    before = len(client.live_executables())
    jax.grad(lambda w: expectation(circuit, np.ones((2, 2)), w).sum())(np.zeros(circuit.weight_shape))
    assert len(client.live_executables()) - before < 30


def test_amplitudes_of_any_size():
    circuit = Circuit(2, 1, "amplitude")
    weights = np.ones(circuit.weight_shape, np.float32)
    amplitudes = np.array([[0.3, 0.5, 0.7]], np.float32)
    for size in (1e19, 1e38, 1e-30):
        scaled = expectation(circuit, np.float32(size) * amplitudes, weights)
        np.testing.assert_allclose(scaled, expectation(circuit, amplitudes, weights), atol=1e-6)


def test_amplitudes_too_small_for_xla():
    circuit = Circuit(2, 1, "amplitude")
    weights = np.linspace(0, 1, math.prod(circuit.weight_shape), dtype=np.float32).reshape(
        circuit.weight_shape
    )
    plain = np.array([[1, 3, 0, -2], [300, 5e6, -2e7, 1], [1, 0, 2, 0]], np.float32)
    tiny = plain * np.array([[1.4e-45], [1.4e-45], [1]], np.float32)
    found = expectation(circuit, tiny, weights)
    np.testing.assert_allclose(found, expectation(circuit, plain, weights), atol=1e-6)
    slopes = jax.jit(jax.grad(lambda x: expectation(circuit, x, weights)[:, 0].sum()))
    given = plain * np.float32(1e-37)  # partly subnormal
    np.testing.assert_allclose(1e-37 * slopes(given), slopes(plain), rtol=1e-5, atol=1e-7)
