"""The classical connector the quantum one is compared with: the original "projector" and "gate"."""

from typing import Self

import torch
from torch import Tensor, nn

from hybrid.model.connectors.connector import (
    SAMPLE,
    Connector,
    Start,
    apart,
    check_start,
    principal_directions,
)


class ClassicalConnector(Connector):
    """Two linear maps without an activation, as in TinyLlama-VLM-LoRA (768 -> 512 -> hidden).

    Args:
        vision_hidden_size: Width of the embeddings.
        hidden_size: Width of a vision token.
        width: Between the two maps, for each token.
        n_tokens: Vision tokens an embedding becomes, each through ``width`` numbers of its own.
        normed: Whether tokens are brought to the size of the language model's embeddings.
        start: With ``"smooth"`` the numbers are the embeddings' principal components, each with variance 1.
    """

    def __init__(
        self,
        vision_hidden_size: int,
        hidden_size: int,
        width: int = 512,
        *,
        n_tokens: int = 1,
        normed: bool = False,
        start: Start = "wide",
    ) -> None:
        super().__init__(vision_hidden_size, hidden_size, n_tokens, normed=normed)
        self.start = check_start(start)
        self.projector = nn.Linear(vision_hidden_size, n_tokens * width)
        self.gate = nn.Linear(width, n_tokens * hidden_size)

    def reset_parameters(self) -> None:
        """Start anew, from torch's global generator."""
        super().reset_parameters()
        self.projector.reset_parameters()
        self.gate.reset_parameters()

    @torch.no_grad()
    def standardise_to(self, features: Tensor) -> None:
        """See `Connector.standardise_to`; a smooth start is fitted to the features, too."""
        super().standardise_to(features)
        if self.start == "smooth":
            found = principal_directions(self._sample(features), self.projector.out_features)
            self.projector.weight[: len(found)].copy_(found)
            self.projector.bias.zero_()
            nn.init.normal_(self.gate.weight, std=self.gate.in_features**-0.5)
            self.gate.bias.zero_()

    def learning_rates(self, share: float) -> dict[str, float]:
        """See `Connector.learning_rates`."""
        return {"projector": share / self.vision_hidden_size, "gate": share / self.gate.in_features}

    def tokens(self, x: Tensor) -> Tensor:
        """See `Connector.tokens`."""
        return apart(self.gate, self.projector(x), self.n_tokens)

    @classmethod
    @torch.no_grad()
    def fitted(cls, teacher: Connector, features: Tensor, width: int) -> Self:
        """The connector of a width whose tokens come as near to another's as a linear map can.

        Args:
            teacher: Any connector of one token, not normed.
            features: ``(n, vision_hidden_size)``, a sample of what is read.
            width: Of the new connector, as for `narrowed`.

        Returns:
            The new connector; the teacher is left as it is.
        """
        sample = features[:SAMPLE]
        d = teacher.vision_hidden_size
        wide = cls(d, teacher.hidden_size, d).to(teacher.mean)
        wide.mean.copy_(teacher.mean)
        wide.scale.copy_(teacher.scale)
        x = (sample - teacher.mean) * teacher.scale
        design = torch.cat([x, torch.ones_like(x[:, :1])], 1)
        found = torch.linalg.lstsq(design, teacher(sample)[:, 0], rcond=1e-5, driver="gelsd").solution
        nn.init.eye_(wide.projector.weight)
        nn.init.zeros_(wide.projector.bias)
        wide.gate.weight.copy_(found[:-1].T)
        wide.gate.bias.copy_(found[-1])
        return wide.narrowed(width, sample)

    @torch.no_grad()
    def narrowed(self, width: int, features: Tensor) -> Self:
        """A connector of another width whose tokens come as near to this one's as a linear map can.

        The new width holds the leading principal components of this connector's tokens, each with variance 1:
        of the tokens before they are normed, if they are, since the new ones will be as well.

        Args:
            width: Of the new connector, at most ``vision_hidden_size`` and ``hidden_size``.
            features: ``(n, vision_hidden_size)``, a sample of what is read.

        Returns:
            The new connector; this one is left as it is.
        """
        narrow = type(self)(self.vision_hidden_size, self.hidden_size, width, normed=self.normed).to(
            self.mean
        )
        narrow.mean.copy_(self.mean)
        narrow.scale.copy_(self.scale)
        if self.normed:
            narrow.token_rms.copy_(self.token_rms)
        tokens = self.tokens(self._standardised(features))
        centre = tokens.mean(0)
        variance, directions = torch.linalg.eigh(torch.cov(tokens.T))  # in rising order
        spread = variance[-width:].clamp_min(1e-12).sqrt()
        components = directions[:, -width:] / spread
        bias = self.gate.weight @ self.projector.bias + self.gate.bias
        narrow.projector.weight.copy_(components.T @ self.gate.weight @ self.projector.weight)
        narrow.projector.bias.copy_(components.T @ (bias - centre))
        narrow.gate.weight.copy_(directions[:, -width:] * spread)
        narrow.gate.bias.copy_(centre)
        return narrow
