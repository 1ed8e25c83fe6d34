"""What every connector shares."""

from abc import abstractmethod
from typing import Literal, get_args

import torch
from torch import Tensor, nn

SAMPLE = 8192  # feature vectors that a start is fitted to
STEADY = (
    1e-2  # of the largest variance: directions below it are noise, and are not blown up to the others' size
)
Start = Literal["wide", "smooth"]


class Connector(nn.Module):
    """A map from picture embeddings to vision tokens, with the embeddings standardised first.

    A vision tower's features differ widely in scale (some of CLIP's are a hundred times others), which
    matters where they become angles. Until `standardise_to` is called the map is the identity.

    With ``normed`` every token leaves with the root mean square of the language model's embeddings,
    ``token_rms``, whatever the weights are: tokens of another size are unlike all that a frozen language
    model has read.

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of the vision tokens.
        n_tokens: Vision tokens an embedding becomes.
        normed: Whether tokens are brought to ``token_rms``.

    Attributes:
        mean: ``(vision_hidden_size,)``, subtracted first.
        scale: ``(vision_hidden_size,)``, multiplied then.
        token_rms: Of the tokens, if they are normed; 1 until `speak_to` is called.

    Raises:
        ValueError: If ``n_tokens`` is below 1.
    """

    mean: Tensor
    scale: Tensor
    token_rms: Tensor

    def __init__(
        self, vision_hidden_size: int, hidden_size: int, n_tokens: int = 1, *, normed: bool = False
    ) -> None:
        super().__init__()
        if n_tokens < 1:
            raise ValueError(f"n_tokens must be at least 1, but was {n_tokens}")
        self.vision_hidden_size = vision_hidden_size
        self.hidden_size = hidden_size
        self.n_tokens = n_tokens
        self.normed = normed
        self.register_buffer("mean", torch.zeros(vision_hidden_size))
        self.register_buffer("scale", torch.ones(vision_hidden_size))
        if normed:
            self.register_buffer("token_rms", torch.ones(()))

    @torch.no_grad()
    def standardise_to(self, features: Tensor) -> None:
        """Make these embeddings, and others like them, have mean 0 and variance 1 in every feature.

        Args:
            features: ``(n, vision_hidden_size)`` or ``(n, positions, vision_hidden_size)``, a sample of what
                will be read.
        """
        std, mean = torch.std_mean(features.to(self.mean).flatten(0, -2), dim=0)
        self.mean.copy_(mean)
        self.scale.copy_(1 / std.clamp_min(1e-6))

    @torch.no_grad()
    def speak_to(self, embeddings: Tensor) -> None:
        """Make normed tokens as large as these embeddings.

        Args:
            embeddings: ``(n, hidden_size)``, the language model's.
        """
        if self.normed:
            self.token_rms.copy_(embeddings.float().square().mean().sqrt())

    @abstractmethod
    def learning_rates(self, share: float) -> dict[str, float]:
        """Rates under which all parts of the connector move alike, for an optimiser such as Adam.

        Adam moves every weight by about its rate, whatever the gradient's size. A sum over ``m`` inputs of
        size 1 whose moves agree changes by ``m`` rates, so that a sum of size ``s`` changes by a share of
        itself where the rate is ``share * s / m``: the fan-in decides, not the gradient.

        Args:
            share: Of its own size by which a step can change what a part gives.

        Returns:
            A rate for each prefix of parameters' names.
        """

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        nn.init.zeros_(self.mean)
        nn.init.ones_(self.scale)
        if self.normed:
            nn.init.ones_(self.token_rms)

    def forward(self, features: Tensor) -> Tensor:
        """Make vision tokens.

        Args:
            features: ``(batch, vision_hidden_size)``, or ``(batch, positions, vision_hidden_size)`` from a
                grid: then one map serves every position.

        Returns:
            ``(batch, n_tokens, hidden_size)``, or ``(batch, positions * n_tokens, hidden_size)``, in the
            connector's dtype, under autocast too.
        """
        # Whitened values are small differences, which do not survive half precision.
        with torch.autocast(features.device.type, enabled=False):
            x = self._standardised(features)
            flat = x.reshape(-1, x.shape[-1]) if x.ndim > 2 else x
            tokens = self.tokens(flat)
            tokens = tokens.reshape(*x.shape[:-1], self.n_tokens, self.hidden_size)
            tokens = tokens.flatten(1, 2) if x.ndim > 2 else tokens
            return (
                nn.functional.rms_norm(tokens, (self.hidden_size,)) * self.token_rms
                if self.normed
                else tokens
            )

    def _sample(self, features: Tensor) -> Tensor:
        """So many standardised feature vectors as a start is fitted to, ``(n, vision_hidden_size)``."""
        x = features.to(self.mean.device).flatten(0, -2) if features.ndim > 2 else features
        step = max(1, len(x) // SAMPLE) if features.ndim > 2 else 1
        return self._standardised(x[::step][:SAMPLE])

    def _standardised(self, features: Tensor) -> Tensor:
        return (features.to(self.mean.dtype) - self.mean) * self.scale

    @abstractmethod
    def tokens(self, x: Tensor) -> Tensor:
        """The map itself.

        Args:
            x: ``(batch, vision_hidden_size)``, standardised.

        Returns:
            ``(batch, n_tokens * hidden_size)``.
        """


def principal_directions(x: Tensor, n: int) -> Tensor:
    """Where a sample varies most, each direction scaled so that the sample has variance 1 along it.

    Args:
        x: ``(samples, width)``, centred.
        n: How many; at most ``width``.

    Returns:
        ``(n, width)``, the widest first. A direction of less than a hundredth of the largest variance is
        scaled as if it had that: noise is not amplified.
    """
    x = x[:SAMPLE]
    variance, directions = torch.linalg.eigh(x.T @ x / len(x))  # in rising order
    variance = variance.clamp_min(STEADY * variance[-1])
    found: Tensor = (directions / variance.sqrt()).T.flip(0)[:n]
    return found


def apart(linear: nn.Linear, values: Tensor, n_tokens: int) -> Tensor:
    """Apply a map of its own to each token's values: token ``j`` has the ``j``-th part of the rows.

    Args:
        linear: ``(m, n_tokens * hidden_size)``.
        values: ``(batch, n_tokens * m)`` or ``(batch, n_tokens, m)``.
        n_tokens: Of one embedding.

    Returns:
        ``(batch, n_tokens * hidden_size)``.
    """
    if n_tokens == 1:
        tokens: Tensor = linear(values)
        return tokens
    values = values.reshape(len(values), n_tokens, -1)
    weight = linear.weight.reshape(n_tokens, -1, linear.in_features)
    return torch.einsum("bkm,khm->bkh", values, weight).flatten(1) + linear.bias


def check_start(start: str) -> Start:
    """Refuse what is no start."""
    for known in get_args(Start):
        if start == known:
            return known  # type: ignore[no-any-return]
    raise ValueError(f"start must be one of {', '.join(get_args(Start))}, but was {start!r}")
