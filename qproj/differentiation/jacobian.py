"""All derivatives of each sample along with its values: for calls so small that a second one costs more.

What is left for backward is a small product, which needs no compiled program.
"""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import Array

from qproj.differentiation.adjoint import Adjoint, Residuals
from qproj.simulation.given import Given


class Jacobian:
    """Forward and backward of a circuit; see `Adjoint`.

    Args:
        method: What differentiates one output of one sample.
    """

    def __init__(self, method: Adjoint) -> None:
        self._method = method

    def forward(self, inputs: Array, weights: Array) -> tuple[Array, Residuals]:
        """Run the circuit and differentiate it.

        Args:
            inputs: As for `Adjoint.forward`.
            weights: As for `Adjoint.forward`.

        Returns:
            Expectation values `(batch, n_outputs)`, and what they grow by with each input, and then with each
            weight, `(batch, n_outputs, n_features + n_weights)`.
        """

        def sample(x: Array) -> tuple[Array, Array]:
            given = Given(x[:, None], weights.reshape(-1))
            values, residuals = self._method.evaluate(given)

            def slopes(output: Array) -> Array:
                by_inputs, by_weights = self._method.differentiate(residuals, given, output[:, None])[0]
                return jnp.concatenate([by_inputs[:, 0], by_weights])

            return values[0], jax.vmap(slopes)(jnp.eye(values.shape[1], dtype=values.dtype))

        values, jacobians = jax.vmap(sample)(inputs)
        return values, (jacobians,)

    def backward(self, residuals: Residuals, inputs: Any, weights: Any, cotangents: Any) -> tuple[Any, Any]:
        """See `Adjoint.backward`; with inputs, weights and cotangents of NumPy so are the gradients."""
        (jacobians,) = residuals
        if isinstance(cotangents, np.ndarray):
            jacobians = np.asarray(jacobians)
        slopes = (cotangents[:, None] @ jacobians)[:, 0]
        n = inputs.shape[1]
        return slopes[:, :n], slopes[:, n:].sum(axis=0).reshape(weights.shape)
