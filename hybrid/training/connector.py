"""Stage: connector and LoRA, on cached picture embeddings; vision tower and language model stay frozen."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from hybrid.data.batches import BatchDataset
from hybrid.data.caption_dataset import CaptionDataset
from hybrid.model.connectors import Connector
from hybrid.model.lora import Lora
from hybrid.model.modeling import HybridForConditionalGeneration
from hybrid.training.fitting import fit

# Every linear map of a Llama. Only the language model is wrapped, so CLIP's maps of the same names are safe.
_TARGETS = ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj", "lm_head")


def add_lora(model: HybridForConditionalGeneration, rank: int) -> None:
    """Freeze all but the connector, and put a LoRA adapter of this rank on the language model."""
    model.requires_grad_(False)
    model.connector.requires_grad_(True)
    Lora(rank, 2 * rank, dropout=0.0, targets=_TARGETS).add_to(model)


def train_connector(
    model: HybridForConditionalGeneration,
    data: CaptionDataset,
    folder: Path,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    connector_learning_rate: float,
    seed: int,
) -> None:
    """Train connector and LoRA on captions, each with a learning rate of its own.

    Args:
        model: With LoRA added; trained in place.
        data: Captions behind vision features.
        folder: For checkpoints and the log.
        steps: Optimiser steps.
        batch_size: Captions a step.
        learning_rate: LoRA's.
        connector_learning_rate: The connector's.
        seed: Decides the order.
    """

    def groups(model: nn.Module) -> list[dict[str, Any]]:
        connector = list(model.connector.parameters())  # type: ignore[union-attr]
        known = {id(p) for p in connector}
        lora = [p for p in model.parameters() if p.requires_grad and id(p) not in known]
        return [{"params": lora}, {"params": connector, "lr": connector_learning_rate, "weight_decay": 0.0}]

    fit(
        model,
        data,
        folder,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        groups=groups,
    )


class _Matching(nn.Module):
    """How far one connector's tokens are from another's, relative to their spread."""

    def __init__(self, student: Connector, spread: float) -> None:
        super().__init__()
        self.student = student
        self.spread = spread

    def forward(self, vision_features: Tensor, tokens: Tensor) -> dict[str, Tensor]:
        return {"loss": nn.functional.mse_loss(self.student(vision_features), tokens) / self.spread}


class _TokenDataset(BatchDataset):
    def __init__(self, features: np.ndarray, tokens: np.ndarray) -> None:
        self.features, self.tokens = features, tokens

    def __len__(self) -> int:
        return len(self.features)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        rows = np.asarray(indices)
        return {
            "vision_features": torch.from_numpy(self.features[rows]),
            "tokens": torch.from_numpy(self.tokens[rows]),
        }


def match_tokens(
    student: Connector,
    teacher: Connector,
    features: np.ndarray,
    folder: Path,
    *,
    steps: int,
    batch_size: int,
    learning_rate: float,
    seed: int,
) -> None:
    """Warm a connector up by matching a trained one's vision tokens: needs pictures, but no captions.

    The language model's own loss reaches a fresh circuit through a bottleneck it cannot yet read, and leaves
    colour at chance; matching starts it where the language model already understands.

    Args:
        student: Trained in place.
        teacher: Gives the tokens.
        features: ``(n, vision_hidden_size)`` picture embeddings.
        folder: For checkpoints and the log.
        steps: Optimiser steps.
        batch_size: Pictures a step.
        learning_rate: The peak.
        seed: Decides the order.
    """
    with torch.no_grad():
        tokens = teacher(torch.from_numpy(features)).numpy()
    fit(
        _Matching(student, float(tokens.var(0).mean())),
        _TokenDataset(features, tokens),
        folder,
        steps=steps,
        batch_size=batch_size,
        learning_rate=learning_rate,
        seed=seed,
        weight_decay=0.0,
    )
