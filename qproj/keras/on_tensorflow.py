"""The layer in TensorFlow: functions of NumPy arrays for values and gradients, which run it in torch."""

from __future__ import annotations

from typing import Any

import tensorflow as tf
import torch

from qproj.circuits.circuit import Circuit
from qproj.keras import on_torch
from qproj.planning.strategies import DiffMethod, Strategy


def run(circuit: Circuit, diff_method: DiffMethod, strategy: Strategy, inputs: Any, angles: Any) -> Any:
    """See `qproj.keras.QuantumLayer.call`."""

    def tensors(*arrays: Any) -> list[torch.Tensor]:
        return [torch.from_numpy(array.copy()) for array in arrays]  # TensorFlow's cannot be written to

    def forward(x: Any, w: Any) -> Any:
        with torch.no_grad():
            return on_torch.run(circuit, diff_method, strategy, *tensors(x, w)).numpy()

    def backward(x: Any, w: Any, cotangents: Any) -> list[Any]:
        given = [tensor.requires_grad_() for tensor in tensors(x, w)]
        values = on_torch.run(circuit, diff_method, strategy, *given)
        (outer,) = tensors(cotangents)
        return [
            gradient.numpy() for gradient in torch.autograd.grad(values, given, outer, materialize_grads=True)
        ]

    @tf.custom_gradient  # type: ignore[untyped-decorator]
    def call(x: Any, w: Any) -> Any:
        values = tf.numpy_function(forward, [x, w], x.dtype)
        values.set_shape([*x.shape[:-1], circuit.n_outputs])

        def gradients(cotangents: Any) -> list[Any]:
            found: list[Any] = tf.numpy_function(backward, [x, w, cotangents], [x.dtype, w.dtype])
            for gradient, like in zip(found, (x, w), strict=True):
                gradient.set_shape(like.shape)
            return found

        return values, gradients

    # NumPy knows no bfloat16.
    dtype = tf.float64 if inputs.dtype == tf.float64 else tf.float32
    return tf.cast(call(tf.cast(inputs, dtype), tf.convert_to_tensor(angles)), inputs.dtype)
