"""The quantum connector: the picture passes through the expectation values of one circuit."""

from typing import Any

import torch
from torch import Tensor

from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.connector import Connector
from qproj import QuantumProjection

_SAMPLE = 8192  # pictures that a whitening or a regression on a few dozen numbers is fitted to


class QuantumConnector(Connector):
    """Linear down to one angle a qubit, a trained circuit, linear up to one vision token.

    The expectation values of a random circuit of many qubits vary little from input to input (their variance
    falls exponentially with the qubits: McClean et al., arXiv:1803.11173), and not independently. A connector
    learns many times faster where the values are whitened first: shifted and mixed by a fixed affine map so
    that they are uncorrelated with variance 1. The map is the identity until `standardise_to` is called.

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of the vision token.
        n_qubits: Qubits, and with ``observables="z"`` the number of values the picture passes through.
        n_layers: Layers of the ansatz.
        options: ``encoding``, ``ansatz``, ``observables``, ``diff_method``, as for `qproj.QuantumLayer`.

    Attributes:
        projection: The `qproj.QuantumProjection`: ``reduce``, ``circuit``, ``expand``.
        values_mean: ``(n_outputs,)``, subtracted from the expectation values.
        values_map: ``(n_outputs, n_outputs)``, by which they are multiplied then.
    """

    values_mean: Tensor
    values_map: Tensor

    def __init__(
        self, vision_hidden_size: int, hidden_size: int, n_qubits: int = 4, n_layers: int = 3, **options: Any
    ) -> None:
        super().__init__(vision_hidden_size, hidden_size)
        self.projection = QuantumProjection(vision_hidden_size, hidden_size, n_qubits, n_layers, **options)
        n_outputs = self.projection.circuit.n_outputs
        self.register_buffer("values_mean", torch.zeros(n_outputs))
        self.register_buffer("values_map", torch.eye(n_outputs))

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        super().reset_parameters()
        self.projection.reset_parameters()
        torch.nn.init.zeros_(self.values_mean)
        torch.nn.init.eye_(self.values_map)

    @torch.no_grad()
    def standardise_to(self, features: Tensor) -> None:
        """Standardise the embeddings, and whiten the expectation values that they give.

        Args:
            features: ``(n, vision_hidden_size)``, a sample of what will be read.
        """
        super().standardise_to(features)
        self._whiten(self._values(self._standardised(features[:_SAMPLE])))

    @torch.no_grad()
    def start_from(self, narrow: ClassicalConnector, features: Tensor) -> None:
        """Begin near a trained classical connector that passes through as many numbers as there are angles.

        Those numbers, with variance 1, become the angles in radians; ``expand`` becomes the linear map from
        whitened expectation values to tokens with the least squared error. The circuit's weights stay.

        Args:
            narrow: Its width must be the circuit's number of inputs.
            features: ``(n, vision_hidden_size)``, a sample of what will be read.

        Raises:
            ValueError: If the width does not fit.
        """
        reduce, expand = self.projection.reduce, self.projection.expand
        width = narrow.projector.out_features
        if width != reduce.out_features:
            raise ValueError(
                f"narrow must pass through {reduce.out_features} numbers, one for each input of the circuit, "
                f"but its width was {width}"
            )
        sample = features[:_SAMPLE]
        self.mean.copy_(narrow.mean)
        self.scale.copy_(narrow.scale)
        x = self._standardised(sample)
        reduce.weight.copy_(narrow.projector.weight / (x @ narrow.projector.weight.T).std(0)[:, None])
        values = self._values(x)
        self._whiten(values)
        tokens = narrow(sample)[:, 0]
        # Whitened values are their own coordinates: a coefficient of the regression is a covariance.
        white = (values - self.values_mean) @ self.values_map
        expand.weight.copy_((tokens - tokens.mean(0)).T @ white / len(white))
        expand.bias.copy_(tokens.mean(0))

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        p = self.projection
        return self.tokens_of(p.circuit(p.reduce(x)))

    def angles(self, features: Tensor) -> Tensor:
        """What goes into the circuit.

        Args:
            features: ``(batch, vision_hidden_size)``.

        Returns:
            ``(batch, n_inputs)``, in radians where the encoding takes angles.
        """
        angles: Tensor = self.projection.reduce(self._standardised(features))
        return angles

    def tokens_of(self, values: Tensor) -> Tensor:
        """What the language model is given for expectation values, whoever measured them.

        Args:
            values: ``(batch, n_outputs)``.

        Returns:
            ``(batch, n_tokens * hidden_size)``.
        """
        token: Tensor = self.projection.expand((values - self.values_mean) @ self.values_map)
        return token

    def _values(self, x: Tensor) -> Tensor:
        p = self.projection
        return torch.cat([p.circuit(p.reduce(part)) for part in torch.split(x, 256)])

    def _whiten(self, values: Tensor) -> None:
        variance, directions = torch.linalg.eigh(torch.cov(values.T))
        # A direction in which nothing varies, but for rounding, is not blown up.
        scale = variance.clamp_min(1e-6 * variance[-1]).rsqrt()
        self.values_mean.copy_(values.mean(0))
        self.values_map.copy_(directions * scale @ directions.T)
