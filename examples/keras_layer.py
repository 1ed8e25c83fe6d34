"""Learn a function of two angles with a quantum layer in Keras.

Run it with ``python examples/keras_layer.py``; it takes a few seconds and needs the extra ``keras``. Without
``KERAS_BACKEND`` it runs in torch.
"""

import os

import numpy as np


def main() -> float:
    """Train, and return the last loss."""
    os.environ.setdefault("KERAS_BACKEND", "torch")
    import keras

    from qproj.keras import QuantumLayer

    keras.utils.set_random_seed(0)
    x = np.random.default_rng(0).uniform(-1, 1, (64, 2)).astype("float32")
    y = np.cos(x[:, :1]) * np.sin(x[:, 1:])
    model = keras.Sequential([keras.Input((2,)), QuantumLayer(2, 2, seed=0), keras.layers.Dense(1)])
    model.compile(keras.optimizers.Adam(0.1), "mse")
    losses = model.fit(x, y, batch_size=32, epochs=40, verbose=0).history["loss"]
    model.summary(print_fn=print)
    print(model.layers[0].circuit)
    return losses[-1]


if __name__ == "__main__":
    print(main())
