"""What `test_keras.py` runs in a process for each backend of Keras: it is chosen when Keras is imported."""

import sys

import keras
import numpy as np

from qproj.circuits import Circuit
from qproj.keras import QuantumLayer
from tests.qproj import reference

CIRCUIT = Circuit(2, 1, "iqp", observables="zz")


def gradients(layer, x, cotangents):
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


def main(folder):
    rng = np.random.default_rng(0)
    x = rng.normal(size=(6, 2)).astype("float32")
    four = x[:4]
    layer = QuantumLayer(circuit=CIRCUIT, seed=1)
    values = keras.ops.convert_to_numpy(layer(four.reshape(4, 1, 2)))[:, 0]
    w = keras.ops.convert_to_numpy(layer.angles)
    np.testing.assert_allclose(values, reference.values(CIRCUIT, four, w), atol=1e-5)

    cotangents = rng.normal(size=values.shape).astype("float32")
    found = [keras.ops.convert_to_numpy(g) for g in gradients(layer, four, cotangents)]
    for ours, expected in zip(found, reference.gradients(CIRCUIT, four, w, cotangents), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-4)

    model = keras.Sequential([keras.Input((2,)), layer, keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    # Batches of 4 and 2.
    losses = model.fit(x, np.cos(x[:, :1]), batch_size=4, epochs=6, verbose=0).history["loss"]
    assert losses[-1] < losses[0], losses
    assert not np.allclose(keras.ops.convert_to_numpy(layer.angles), w)
    lines = []
    model.summary(print_fn=lambda line, **_: lines.append(line))
    assert "quantum_layer" in "".join(lines)
    assert model.count_params() == 6 + 4

    model.save(f"{folder}/model.keras")
    again = keras.models.load_model(f"{folder}/model.keras")
    assert again.layers[0].get_config() == layer.get_config()
    both = (keras.ops.convert_to_numpy(m(four)) for m in (model, again))
    np.testing.assert_allclose(*both, atol=1e-6)

    half = QuantumLayer(circuit=CIRCUIT, dtype="mixed_bfloat16")
    assert keras.backend.standardize_dtype(half(four).dtype) == "bfloat16"
    assert keras.backend.standardize_dtype(half.angles.dtype) == "float32"
    refused = {
        "circuit must come alone": lambda: QuantumLayer(2, circuit=CIRCUIT),
        "observables must be real": lambda: QuantumLayer(observables="state"),
        "inputs must have shape (..., 2), but had": lambda: QuantumLayer(circuit=CIRCUIT).build((4, 3)),
    }
    for message, call in refused.items():
        try:
            call()
        except ValueError as error:
            assert message in str(error), error  # noqa: PT017
        else:
            raise AssertionError(message)
    sys.stdout.write(keras.config.backend())


if __name__ == "__main__":
    main(sys.argv[1])
