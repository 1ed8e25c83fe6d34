"""A circuit as a layer of Keras 3, `qproj.keras.QuantumLayer`; not loaded with `qproj`: it loads Keras."""

from qproj.extras import needed

needed("keras", "keras", "qproj.keras")

from qproj.keras.layer import QuantumLayer  # noqa: E402 (after what says how to install Keras)

__all__ = ["QuantumLayer"]
