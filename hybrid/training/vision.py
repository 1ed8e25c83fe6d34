"""Stage: a tiny CLIP, trained by contrast with captions and by naming what a scene holds.

Contrast alone teaches attributes slowly (a batch rarely holds two captions that differ in one word), so
linear heads on the image embedding name every attribute as well, and one on the patches inside an object
names its shape and colour. The heads and the text tower are thrown away; what is kept is an ordinary
``CLIPVisionModel``.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTextConfig, CLIPVisionConfig, PreTrainedTokenizerBase

from hybrid.data.scene_arrays import ATTRIBUTES, SceneArrays
from hybrid.data.scenes import COLOURS
from hybrid.data.shapes import SHAPES
from hybrid.data.features import normalise
from hybrid.training.recipe import VisionRecipe

# Shapes are the hardest to tell apart at this resolution, colours and sizes the easiest.
_WEIGHTS = {"shape_1": 2.5, "shape_2": 2.5}


class ContrastiveScenes(nn.Module):
    """CLIP with one linear head an attribute, and one on the patches.

    Args:
        config: Both towers.
        contrast: Weight of the contrastive loss beside the cross-entropies.
    """

    def __init__(self, config: CLIPConfig, contrast: float) -> None:
        super().__init__()
        self.clip = CLIPModel(config)
        self.contrast = contrast
        width = config.vision_config.hidden_size
        self.heads = nn.ModuleDict({name: nn.Linear(width, len(v)) for name, v in ATTRIBUTES.items()})
        self.patch_head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, len(SHAPES) + len(COLOURS)))

    def forward(
        self, pixel_values: Tensor, input_ids: Tensor, attention_mask: Tensor, labels: Tensor, cells: Tensor
    ) -> Any:
        """Compute the joint loss.

        Args:
            pixel_values: ``(batch, 3, size, size)``.
            input_ids: ``(batch, length)`` token ids of the captions.
            attention_mask: ``(batch, length)``.
            labels: ``(batch, n_attributes)`` classes.
            cells: ``(batch, n_patches)``, 1 or 2 where a patch lies in that object's box, else 0.

        Returns:
            ``{"loss": scalar, "logits": (batch, n_attributes) predicted classes}``.
        """
        out = self.clip(
            pixel_values=pixel_values,
            input_ids=input_ids,
            attention_mask=attention_mask,
            return_loss=True,
            output_hidden_states=True,
        )
        pooled = out.vision_model_output.pooler_output
        loss, guesses = self.contrast * out.loss, []
        for i, (name, head) in enumerate(self.heads.items()):
            scores = head(pooled)
            weight = _WEIGHTS.get(name, 1.0)
            loss = loss + weight * nn.functional.cross_entropy(scores.float(), labels[:, i])
            guesses.append(scores.argmax(-1))
        # Before the last layer, so that it is there for the class token to collect.
        patches = out.vision_model_output.hidden_states[-2][:, 1:]
        loss = loss + self._patch_loss(patches, labels, cells)
        return {"loss": loss, "logits": torch.stack(guesses, 1)}


    def _patch_loss(self, patches: Tensor, labels: Tensor, cells: Tensor) -> Tensor:
        row, column = cells.nonzero(as_tuple=True)
        scores = self.patch_head(patches[row, column]).float()
        second = cells[row, column] == 2
        names = list(ATTRIBUTES)
        loss = scores.new_zeros(())
        for part, what in zip(scores.split([len(SHAPES), len(COLOURS)], 1), ("shape", "colour"), strict=True):
            first, other = (labels[row, names.index(f"{what}_{i}")] for i in (1, 2))
            loss = loss + nn.functional.cross_entropy(part, torch.where(second, other, first))
        return loss


class PictureDataset(torch.utils.data.Dataset[Any]):
    """Pixels, caption tokens and labels of drawn scenes, fetched a batch at a time."""

    def __init__(self, scenes: SceneArrays, tokenizer: PreTrainedTokenizerBase, grid: int) -> None:
        self.scenes = scenes
        self.cells = _cells(scenes.boxes, grid)
        tokens = tokenizer(
            [caption + tokenizer.eos_token for caption in scenes.captions()], padding=True, return_tensors="np"
        )
        self.input_ids = tokens["input_ids"].astype(np.int16)
        self.attention_mask = tokens["attention_mask"].astype(bool)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitem__(self, index: int) -> dict[str, Tensor]:
        return {name: rows[0] for name, rows in self.__getitems__([index]).items()}

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Fetch a whole batch: torch's loader calls this where it exists."""
        rows = np.asarray(indices)
        return {
            "pixel_values": normalise(self.scenes.pixels[rows]),
            "input_ids": torch.from_numpy(self.input_ids[rows].astype(np.int64)),
            "attention_mask": torch.from_numpy(self.attention_mask[rows].astype(np.int64)),
            "labels": torch.from_numpy(self.scenes.labels[rows].astype(np.int64)),
            "cells": torch.from_numpy(self.cells[rows].astype(np.int64)),
        }


def _cells(boxes: np.ndarray, grid: int) -> np.ndarray:
    """Which object's box each patch's centre lies in, ``(n, grid * grid)``: 0 for none."""
    at = (np.arange(grid) + 0.5) / grid
    cells = np.zeros((len(boxes), grid, grid), np.int8)
    for i in range(2):
        left, top, right, bottom = boxes[:, i].T[..., None]
        inside = ((at > left) & (at < right))[:, None, :] & ((at > top) & (at < bottom))[:, :, None]
        cells[inside] = i + 1
    return cells.reshape(len(boxes), -1)


def build(recipe: VisionRecipe, image_size: int, tokenizer: PreTrainedTokenizerBase) -> ContrastiveScenes:
    """A fresh model of the recipe's size, with random weights from torch's global generator."""
    vision = CLIPVisionConfig(
        hidden_size=recipe.hidden_size,
        intermediate_size=4 * recipe.hidden_size,
        num_hidden_layers=recipe.layers,
        num_attention_heads=recipe.heads,
        image_size=image_size,
        patch_size=recipe.patch_size,
        projection_dim=recipe.hidden_size,
        hidden_act="relu",  # twice as fast as a smooth one on a CPU, and no worse here
    )
    text = CLIPTextConfig(
        vocab_size=len(tokenizer),
        hidden_size=recipe.hidden_size,
        intermediate_size=4 * recipe.hidden_size,
        num_hidden_layers=2,
        num_attention_heads=recipe.heads,
        projection_dim=recipe.hidden_size,
        max_position_embeddings=32,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        hidden_act="relu",
    )
    config = CLIPConfig(
        text_config=text.to_dict(), vision_config=vision.to_dict(), projection_dim=recipe.hidden_size
    )
    # Plain attention trains 1.7 times as fast as the fused kernel at 65 tokens on a CPU.
    config._attn_implementation = "eager"
    return ContrastiveScenes(config, recipe.contrast)


def attribute_accuracy(guesses: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of scenes in which each attribute, and all of them, are named right."""
    right = guesses == labels
    two = labels[:, -1] < len(ATTRIBUTES["relation"]) - 1
    report = {name: float(right[:, i].mean()) for i, name in enumerate(ATTRIBUTES)}
    return report | {"all_of_one": float(right[~two].all(1).mean()), "all_of_two": float(right[two].all(1).mean())}


@torch.no_grad()
def evaluate(model: ContrastiveScenes, scenes: SceneArrays, tokenizer: PreTrainedTokenizerBase) -> dict[str, float]:
    """`attribute_accuracy` of a model on scenes it was not trained on."""
    model.eval()
    vision = model.clip.config.vision_config
    data = PictureDataset(scenes, tokenizer, vision.image_size // vision.patch_size)
    chunks = [range(i, min(i + 250, len(data))) for i in range(0, len(data), 250)]
    guesses = torch.cat([model(**data.__getitems__(list(rows)))["logits"] for rows in chunks])
    return attribute_accuracy(guesses.cpu().numpy(), scenes.labels)
