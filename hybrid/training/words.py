"""Stage: the connector learns to name a picture's words, without running the language model."""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybrid.data.batches import BatchDataset
from hybrid.data.caption_dataset import PairDataset
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.training.caption_recipe import CaptionRecipe
from hybrid.training.fitting import fit

_MOST = 1000  # words
_FEWEST = 5  # captions a word must stand in
_RARE = 1e-4
_GAIN = 8.0  # a token that is a word's embedding says it e^8 times as likely as usual


class Naming(nn.Module):
    """How well vision tokens name the words of captions.

    A word's logit is how often it is said of any picture, plus what the tokens add: their cosine with the
    word's embedding in the language model, summed over the tokens. So a token learns to stand where the
    language model reads the picture's words, by products with a thousand vectors in place of a run of the
    model.

    Args:
        connector: Trained.
        embeddings: ``(n_words, hidden_size)`` of the words, from the language model.
        shares: ``(n_words,)``, of the captions that hold each word.
    """

    words: Tensor

    def __init__(self, connector: nn.Module, embeddings: Tensor, shares: Tensor) -> None:
        super().__init__()
        self.connector = connector
        centred = embeddings.detach().float() - embeddings.detach().float().mean(0)
        self.register_buffer("words", nn.functional.normalize(centred, dim=-1))
        self.bias = nn.Parameter(torch.logit(shares.clamp(_RARE, 1 - _RARE)))
        self.gain = nn.Parameter(torch.tensor(_GAIN))

    def logits(self, vision_features: Tensor) -> Tensor:
        """``(batch, n_words)``."""
        tokens = nn.functional.normalize(self.connector(vision_features), dim=-1)
        return self.bias + self.gain * (tokens.sum(-2) @ self.words.T)

    def forward(self, vision_features: Tensor, said: Tensor) -> dict[str, Tensor]:
        """The cross-entropy, summed over the words.

        Args:
            vision_features: What the connector reads.
            said: ``(batch, n_words)``, the share of a picture's captions that hold the word.
        """
        each = nn.functional.binary_cross_entropy_with_logits(
            self.logits(vision_features), said, reduction="none"
        )
        return {"loss": each.sum(-1).mean()}


class Words(BatchDataset):
    """Pictures, and the tokens that stand in their captions.

    Args:
        data: Captions as token ids. Which of them are words is left to counting: what stands in every
            caption tells pictures apart as little as what stands in none, and its logit is soon a constant.
        ids: Words counted elsewhere.
    """

    def __init__(self, data: PairDataset, ids: Sequence[int] | None = None) -> None:
        self.features = data.features
        held = [np.unique(tail[:-1]) for tail in data.tails]  # the end is no word
        self.ids = _often(held) if ids is None else ids
        place = {word: i for i, word in enumerate(self.ids)}
        self.said = np.zeros((len(data.features), len(self.ids)), np.float32)
        captions = np.bincount(data.pictures, minlength=len(data.features)).clip(1)
        for words, picture in zip(held, data.pictures, strict=True):
            for word in words:
                if int(word) in place:
                    self.said[picture, place[int(word)]] += 1 / captions[picture]

    def __len__(self) -> int:
        return len(self.features)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """See `BatchDataset`."""
        rows = np.asarray(indices)
        features = torch.from_numpy(np.asarray(self.features[rows], np.float32))
        return {"vision_features": features, "said": torch.from_numpy(self.said[rows])}


def _often(held: Sequence[np.ndarray]) -> list[int]:
    counts = Counter(int(word) for words in held for word in words)
    return [word for word, n in counts.most_common(_MOST) if n >= min(_FEWEST, len(held) // 2 + 1)]


def name_words(
    model: HybridForConditionalGeneration,
    data: PairDataset,
    folder: Path,
    recipe: CaptionRecipe,
) -> tuple[Naming, Sequence[int]]:
    """Train a fresh connector to name the words of a picture's captions.

    The captions' loss reaches a connector through a language model that learns the captions' style first; in
    the time of one step behind it, this stage takes a hundred.

    Args:
        model: Its connector is trained in place.
        data: Pictures and captions.
        folder: For checkpoints and the log.
        recipe: How to train.

    Returns:
        What was trained, and the token ids of its words.
    """
    words = Words(data)
    embeddings = model.get_input_embeddings().weight[words.ids]  # type: ignore[index]
    naming = Naming(model.connector, embeddings, torch.from_numpy(words.said.mean(0)))
    rates = {
        f"connector.{name}": rate for name, rate in model.connector.learning_rates(recipe.words_share).items()
    }

    def groups(model: nn.Module) -> list[dict[str, Any]]:
        return [
            {"params": [p for n, p in model.named_parameters() if n.startswith(prefix)], "lr": rate}
            for prefix, rate in (rates | {"bias": 1e-3, "gain": 1e-2}).items()
        ]

    fit(
        naming,
        words,
        folder,
        steps=max(1, round(recipe.words_epochs * len(words) / recipe.words_batch_size)),
        batch_size=min(recipe.words_batch_size, len(words)),
        learning_rate=recipe.words_share,
        seed=recipe.seed,
        groups=groups,
    )
    return naming, words.ids
