"""The Keras layer on each backend."""

import sys

import numpy as np
import pytest

from qproj.circuits import Circuit

from . import reference

CIRCUIT = Circuit(2, 1, "iqp", observables="zz")


@pytest.fixture(params=["torch", "jax", "tensorflow"])
def keras(request, monkeypatch):
    """Keras on a backend, which it reads where it is imported; forgotten before and after."""
    pytest.importorskip(request.param)
    monkeypatch.setenv("KERAS_BACKEND", request.param)
    monkeypatch.setenv("TF_CPP_MIN_LOG_LEVEL", "3")
    _forget()
    yield pytest.importorskip("keras")
    _forget()


def _forget():
    for name in [name for name in sys.modules if f"{name}.".startswith(("keras.", "qproj.keras."))]:
        del sys.modules[name]


def gradients(keras, layer, x, cotangents):
    """For inputs and weights, by the backend's own means."""
    name = keras.config.backend()
    if name == "jax":
        import jax

        def loss(x, w):
            return (layer.stateless_call([w], [], x)[0] * cotangents).sum()

        return jax.jit(jax.grad(loss, (0, 1)))(x, layer.angles.value)
    if name == "torch":
        import torch

        x = torch.from_numpy(x).requires_grad_()
        (layer(x) * torch.from_numpy(cotangents)).sum().backward()
        return x.grad, layer.angles.value.grad
    import tensorflow as tf

    x = tf.constant(x)
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = tf.reduce_sum(layer(x) * cotangents)
    return tape.gradient(loss, (x, layer.angles.value))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Keras's own
def test_layer(keras, tmp_path):
    from qproj.keras import QuantumLayer

    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2)).astype("float32")
    four = x[:4]
    layer = QuantumLayer(circuit=CIRCUIT, seed=1)
    values = keras.ops.convert_to_numpy(layer(four.reshape(4, 1, 2)))[:, 0]
    w = keras.ops.convert_to_numpy(layer.angles)
    np.testing.assert_allclose(values, reference.values(CIRCUIT, four, w), atol=1e-5)

    cotangents = rng.normal(size=values.shape).astype("float32")
    found = [keras.ops.convert_to_numpy(g) for g in gradients(keras, layer, four, cotangents)]
    for ours, expected in zip(found, reference.gradients(CIRCUIT, four, w, cotangents), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)

    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    # Batches of 4 and 2.
    losses = model.fit(x, np.cos(x[:, :1]), batch_size=4, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0]
    assert not np.allclose(keras.ops.convert_to_numpy(layer.angles), w)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert "quantum_layer" in "".join(lines)
    assert model.count_params() == 6 + 4

    model.save(tmp_path / "model.keras")
    again = keras.models.load_model(tmp_path / "model.keras")
    assert again.layers[0].get_config() == layer.get_config()
    both = (keras.ops.convert_to_numpy(m(four)) for m in (model, again))
    np.testing.assert_allclose(*both, atol=1e-6)

    half = QuantumLayer(circuit=CIRCUIT, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(half(four).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(half.angles.dtype) == "float32"
    with pytest.raises(ValueError, match="circuit must come alone"):
        QuantumLayer(2, circuit=CIRCUIT)
    with pytest.raises(ValueError, match="observables must be real"):
        QuantumLayer(observables="state")
    with pytest.raises(ValueError, match=r"inputs must have shape \(..., 2\), but had"):
        QuantumLayer(circuit=CIRCUIT).build((4, 3))


def test_without_keras_the_error_says_how_to_install_it(monkeypatch):
    _forget()
    monkeypatch.setitem(sys.modules, "keras", None)
    with pytest.raises(ImportError, match=r"qproj.keras needs keras, .* pip install 'qproj\[keras\]'"):
        import qproj.keras  # noqa: F401
