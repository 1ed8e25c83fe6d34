"""The quantum connector: the picture passes through the expectation values of one circuit."""

import math
from typing import Any

import torch
from torch import Tensor, nn

from hybrid.model.connectors.classical import ClassicalConnector
from hybrid.model.connectors.connector import (
    SAMPLE,
    STEADY,
    Connector,
    Start,
    apart,
    check_start,
    principal_directions,
)
from qproj import QuantumProjection
from qproj.circuits.text import loads

SPREAD = 0.3  # radians: the standard deviation of the angles at a smooth start
_NEAR = 0.1  # radians: that of the circuit's weights
_KEEPS_Z = ("simplified_two_design",)  # ansaetze that leave Z as it is where their weights are 0


class QuantumConnector(Connector):
    """Linear down to one angle a qubit, a trained circuit, linear up to one vision token.

    The expectation values of a random circuit of many qubits vary little from input to input (their variance
    falls exponentially with the qubits: McClean et al., arXiv:1803.11173), and not independently. A connector
    learns many times faster where the values are whitened first: shifted and mixed by a fixed affine map so
    that they are uncorrelated with variance 1. The map is the identity until `standardise_to` is called.

    The gradient that reaches an angle is the token's, taken back through ``expand``, times ``slope / size``
    of the values: whitening divides by their size, so that this quotient counts, and not the slope. For
    random weights slope and size are both about ``2^(-n/2)`` of n qubits, once there are about n layers; the
    quotient is about 1 a radian, but its sign changes within a radian, and noise in the values is multiplied
    by ``2^(n/2)``. The smooth start makes it the same number for any n and any number of layers: RY of
    ``pi/2 + d`` gives ``<Z> = -sin(d)``, steepest there and flat at an angle of 0; CZ commutes with Z, so
    that with ``"simplified_two_design"`` and weights near 0 every Z keeps its own ``-sin(d)`` through all
    layers, and Z Z is a product of two. With a spread of 0.3 the slope is ``cos(d)``, about 1, the size
    0.29, the quotient 3.4: the connector begins as the linear map of equal width, its numbers uncorrelated.
    (A ring of CNOTs turns Z into a product of ``w`` of them, of size ``0.3^w``: there weights stay uniform.)
    The gradient of ``reduce`` is this times the features, `learning_rates` the rates that follow.

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of a vision token.
        n_qubits: Qubits, and with ``observables="z"`` the number of values the picture passes through.
        n_layers: Layers of the ansatz.
        n_tokens: Vision tokens an embedding becomes: one circuit, with angles of its own for each token.
        normed: Whether tokens are brought to the size of the language model's embeddings.
        start: ``"wide"``: angles of standard deviation 1 about 0, weights uniform in (0, 2 pi). ``"smooth"``:
            angles of standard deviation 0.3 about ``pi/2``, along the embeddings' principal directions;
            weights near 0 where the ansatz leaves Z as it is there.
        circuit: A circuit of one's own in place of ``n_qubits``, ``n_layers``, ``encoding``, ``ansatz`` and
            ``observables``, as text of `qproj.circuits.text.dumps`.
        options: ``encoding``, ``ansatz``, ``observables``, ``diff_method``, as for `qproj.QuantumLayer`.

    Attributes:
        projection: The `qproj.QuantumProjection`: ``reduce``, ``circuit``, ``expand``.
        values_mean: ``(n_outputs,)``, subtracted from the expectation values.
        values_map: ``(n_outputs, n_outputs)``, by which they are multiplied then.

    Raises:
        ValueError: If ``start`` is unknown, or an option is not allowed.
    """

    values_mean: Tensor
    values_map: Tensor

    def __init__(
        self,
        vision_hidden_size: int,
        hidden_size: int,
        n_qubits: int = 4,
        n_layers: int = 3,
        *,
        n_tokens: int = 1,
        normed: bool = False,
        start: Start = "wide",
        circuit: str | None = None,
        **options: Any,
    ) -> None:
        super().__init__(vision_hidden_size, hidden_size, n_tokens, normed=normed)
        self.start = check_start(start)
        size = (
            {"n_qubits": n_qubits, "n_layers": n_layers} if circuit is None else {"circuit": loads(circuit)}
        )
        self.projection = QuantumProjection(vision_hidden_size, hidden_size, **size, **options)
        layer = self.projection.circuit
        if n_tokens > 1:
            self.projection.reduce = nn.Linear(vision_hidden_size, n_tokens * layer.n_inputs, bias=False)
            self.projection.expand = nn.Linear(layer.n_outputs, n_tokens * hidden_size)
        self.register_buffer("values_mean", torch.zeros(layer.n_outputs))
        self.register_buffer("values_map", torch.eye(layer.n_outputs))

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        super().reset_parameters()
        self.projection.reset_parameters()
        nn.init.zeros_(self.values_mean)
        nn.init.eye_(self.values_map)
        if self.start == "smooth":
            if self.projection.circuit.circuit.ansatz in _KEEPS_Z:
                nn.init.normal_(self.projection.circuit.weights, std=_NEAR)
            nn.init.normal_(self.projection.reduce.weight, std=SPREAD * self.vision_hidden_size**-0.5)
            nn.init.normal_(self.projection.expand.weight, std=self.projection.expand.in_features**-0.5)

    @torch.no_grad()
    def standardise_to(self, features: Tensor) -> None:
        """Standardise the embeddings, and whiten the expectation values that they give.

        A smooth start takes the angles along the features' principal directions, and whitens no direction of
        less than a hundredth of the largest variance: it would amplify noise, and the gradients with it.

        Args:
            features: ``(n, vision_hidden_size)`` or ``(n, positions, vision_hidden_size)``, a sample of what
                will be read.
        """
        super().standardise_to(features)
        x = self._sample(features)
        if self.start == "smooth":
            found = principal_directions(x, self.projection.reduce.out_features)
            self.projection.reduce.weight[: len(found)].copy_(SPREAD * found)
        self._whiten(self._values(x), STEADY if self.start == "smooth" else 1e-6)

    def learning_rates(self, share: float) -> dict[str, float]:
        """See `Connector.learning_rates`.

        An angle is a sum over the features and has a size of `SPREAD`; a token is a sum over values of size
        1; a value of size `SPREAD` moves by at most as much as the weights in front of it, three a layer and
        qubit of its neighbourhood; in a circuit of one's own, so many as it has for each qubit.
        """
        p = self.projection
        in_front = 3 * p.n_layers or p.circuit.weights.numel() / p.n_qubits
        return {
            "projection.reduce": share * SPREAD / self.vision_hidden_size,
            "projection.circuit": share * SPREAD / max(1, in_front),
            "projection.expand": share / p.expand.in_features,
        }

    @torch.no_grad()
    def start_from(self, narrow: ClassicalConnector, features: Tensor, spread: float = 1.0) -> None:
        """Begin near a trained classical connector that passes through as many numbers as there are angles.

        Those numbers, scaled to a standard deviation of ``spread``, become the angles in radians, about 0 or
        as the start has it; ``expand`` becomes the linear map from whitened expectation values to tokens with
        the least squared error. The circuit's weights stay.

        Args:
            narrow: Its width must be the circuit's number of inputs.
            features: ``(n, vision_hidden_size)``, a sample of what will be read.
            spread: Of the angles.

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
        sample = features[:SAMPLE]
        self.mean.copy_(narrow.mean)
        self.scale.copy_(narrow.scale)
        x = self._standardised(sample)
        size = (x @ narrow.projector.weight.T).std(0)[:, None]
        reduce.weight.copy_(spread * narrow.projector.weight / size)
        values = self._values(x)
        self._whiten(values, 1e-6)
        tokens = narrow(sample)[:, 0]
        # Whitened values are their own coordinates: a coefficient of the regression is a covariance.
        white = (values - self.values_mean) @ self.values_map
        expand.weight.copy_((tokens - tokens.mean(0)).T @ white / len(white))
        expand.bias.copy_(tokens.mean(0))

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        return self.tokens_of(self.projection.circuit(self._angles(x)))

    def angles(self, features: Tensor) -> Tensor:
        """What goes into the circuit.

        Args:
            features: ``(batch, vision_hidden_size)``.

        Returns:
            ``(batch, n_inputs)``, in radians where the encoding takes angles; with several tokens
            ``(batch, n_tokens, n_inputs)``.
        """
        return self._angles(self._standardised(features))

    def tokens_of(self, values: Tensor) -> Tensor:
        """What the language model is given for expectation values, whoever measured them.

        Args:
            values: ``(batch, n_outputs)``, or with several tokens ``(batch, n_tokens, n_outputs)``.

        Returns:
            ``(batch, n_tokens * hidden_size)``.
        """
        return apart(self.projection.expand, (values - self.values_mean) @ self.values_map, self.n_tokens)

    def _angles(self, x: Tensor) -> Tensor:
        angles: Tensor = self.projection.reduce(x)
        if self.n_tokens > 1:
            angles = angles.reshape(*x.shape[:-1], self.n_tokens, -1)
        return angles + math.pi / 2 if self.start == "smooth" else angles

    def _values(self, x: Tensor) -> Tensor:
        found = [self.projection.circuit(self._angles(part)) for part in torch.split(x, 256)]
        return torch.cat(found).flatten(0, -2)

    def _whiten(self, values: Tensor, least: float) -> None:
        variance, directions = torch.linalg.eigh(torch.cov(values.T).reshape(2 * values.shape[1:]))
        # A direction in which nothing varies, but for rounding, is not blown up.
        scale = variance.clamp_min(least * variance[-1]).rsqrt()
        self.values_mean.copy_(values.mean(0))
        self.values_map.copy_(directions * scale @ directions.T)
