"""Gradients: finite differences of the naive reference, and the size of what is kept."""

import jax
import numpy as np
import pytest

from qproj.circuits import Circuit, PauliWord
from qproj.simulation import engine

from . import reference

CASES = [
    (3, "angle_x", "basic_entangler", "z"),
    (3, "angle_y", "strongly_entangling", "xyz"),
    (3, "angle_z", "strongly_entangling", "z"),
    (2, "angle_z", "basic_entangler", "xyz"),
    (2, "angle_y", "strongly_entangling", (PauliWord("XY", (0, 1), 0.5), PauliWord("Y", (0,), -2.0))),
    (1, "angle_x", "strongly_entangling", "xyz"),
]


@pytest.mark.parametrize(("n_qubits", "encoding", "ansatz", "observables"), CASES)
def test_adjoint_is_finite_differences(n_qubits, encoding, ansatz, observables):
    circuit = Circuit(n_qubits, 2, encoding, ansatz, observables)
    rng = np.random.default_rng(n_qubits)
    inputs, weights = rng.normal(size=(2, n_qubits)), rng.uniform(0, 6, circuit.weight_shape)
    cotangents = rng.normal(size=(2, circuit.n_outputs))
    program = engine.program(circuit, "adjoint")
    with jax.enable_x64(True):
        _, residuals = program.forward(inputs, weights)
        gradients = program.backward(residuals, inputs, weights, cotangents)
    expected = reference.gradients(circuit, inputs, weights, cotangents)
    np.testing.assert_allclose(gradients[0], expected[0], atol=1e-8)
    np.testing.assert_allclose(gradients[1], expected[1], atol=1e-8)


def test_adjoint_is_what_jax_would_differentiate():
    """Three blocks of wires, against JAX's own differentiation of the forward pass."""
    n_qubits = 11
    circuit = Circuit(n_qubits, 2)
    rng = np.random.default_rng(0)
    inputs, weights = rng.normal(size=(3, n_qubits)), rng.uniform(0, 6, circuit.weight_shape)
    cotangents = rng.normal(size=(3, n_qubits))
    program = engine.program(circuit, "adjoint")
    with jax.enable_x64(True):
        _, residuals = program.forward(inputs, weights)
        gradients = program.backward(residuals, inputs, weights, cotangents)
        loss = jax.jit(jax.grad(lambda x, w: (program.run(x, w) * cotangents).sum(), argnums=(0, 1)))
        expected = loss(inputs, weights)
    np.testing.assert_allclose(gradients[0], expected[0], atol=1e-12)
    np.testing.assert_allclose(gradients[1], expected[1], atol=1e-12)


def test_residual_is_one_state_whatever_the_depth():
    for n_layers in (1, 4):
        circuit = Circuit(3, n_layers)
        _, residuals = engine.program(circuit, "adjoint").forward(
            np.zeros((2, 3), np.float32), np.zeros(circuit.weight_shape, np.float32)
        )
        assert [residual.shape for residual in residuals] == [(2, 8, 2)]
