"""Stage: a tiny CLIP, trained by contrast with captions and by naming what a scene holds.

Contrast alone teaches attributes slowly (a batch rarely holds two captions that differ in one word), so
linear heads on the image embedding name every attribute as well, and others on the patches inside an object
name its shape and colour and, where the recipe says so, its place in the caption. Heads and text tower
are thrown away; what is kept is an ordinary ``CLIPVisionModel``.
"""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from transformers import (
    CLIPConfig,
    CLIPImageProcessorPil,
    CLIPModel,
    CLIPTextConfig,
    CLIPVisionConfig,
    CLIPVisionModel,
    PreTrainedTokenizerBase,
)

from hybrid.data.batches import BatchDataset
from hybrid.data.features import normalise
from hybrid.data.palette import COLOURS
from hybrid.data.scene_arrays import ATTRIBUTES, NOTHING, SceneArrays
from hybrid.data.scenes import RELATIONS
from hybrid.data.shapes import SHAPES
from hybrid.training.fitting import fit
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
        self.role_head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 + len(RELATIONS)))

    def forward(
        self,
        pixel_values: Tensor,
        cells: Tensor,
        input_ids: Tensor | None = None,
        attention_mask: Tensor | None = None,
        labels: Tensor | None = None,
        roles: Tensor | None = None,
    ) -> Any:
        """Compute the joint loss, or that of the patches alone where there is no caption.

        Args:
            pixel_values: ``(batch, 3, size, size)``.
            cells: ``(batch, n_patches, 2)``, shape and colour in each patch, `NOTHING` where there is
                no object.
            input_ids: ``(batch, length)`` token ids of the captions.
            attention_mask: ``(batch, length)``.
            labels: ``(batch, n_attributes)`` classes.
            roles: ``(batch, n_patches, 2)``, in scenes of two whether the patch's object comes first or
                second in the caption, and the relation; `NOTHING` elsewhere.

        Returns:
            ``{"loss": scalar}``, and with captions ``"logits"``, ``(batch, n_attributes)`` predicted classes.
        """
        if input_ids is None:
            seen = self.clip.vision_model(pixel_values=pixel_values, output_hidden_states=True)
            return {"loss": _named(seen.hidden_states, self.patch_head, cells, len(SHAPES))}
        assert labels is not None
        out = self.clip(
            pixel_values=pixel_values,
            input_ids=input_ids,
            attention_mask=attention_mask,
            return_loss=True,
            output_hidden_states=True,
        )
        hidden_states = out.vision_model_output.hidden_states
        loss = self.contrast * out.loss + _named(hidden_states, self.patch_head, cells, len(SHAPES))
        if roles is not None:
            loss = loss + _named(hidden_states, self.role_head, roles, 2)
        guesses = []
        for i, (name, head) in enumerate(self.heads.items()):
            scores = head(out.image_embeds)
            weight = _WEIGHTS.get(name, 1.0)
            loss = loss + weight * nn.functional.cross_entropy(scores.float(), labels[:, i])
            guesses.append(scores.argmax(-1))
        return {"loss": loss, "logits": torch.stack(guesses, 1)}


def _named(hidden_states: Sequence[Tensor], head: nn.Module, classes: Tensor, split: int) -> Tensor:
    """Cross-entropy of a head's two guesses, ``split`` classes and the rest, on the patches of objects."""
    full = classes[..., 0] != NOTHING
    # Before the last layer, so that what patches know is there for the class token to collect.
    scores = head(hidden_states[-2][:, 1:][full]).float()
    wanted = classes[full]
    loss: Tensor = nn.functional.cross_entropy(scores[:, :split], wanted[:, 0])
    return loss + nn.functional.cross_entropy(scores[:, split:], wanted[:, 1])


class PictureDataset(BatchDataset):
    """Drawn scenes, fetched a batch at a time; with a tokenizer also their captions and labels.

    Args:
        scenes: The pictures.
        tokenizer: Of the captions; none for crowds.
        roles: Whether to tell which object of the caption a patch belongs to.
    """

    def __init__(
        self, scenes: SceneArrays, tokenizer: PreTrainedTokenizerBase | None = None, roles: bool = False
    ) -> None:
        self.scenes = scenes
        self.captioned = tokenizer is not None
        self.roles = roles
        if tokenizer is None:
            return
        tokens = tokenizer(
            [caption + tokenizer.eos_token for caption in scenes.captions()],
            padding=True,
            return_tensors="np",
        )
        self.input_ids = tokens["input_ids"].astype(np.int16)
        self.attention_mask = tokens["attention_mask"].astype(bool)

    def __len__(self) -> int:
        return len(self.scenes)

    def __getitems__(self, indices: Sequence[int]) -> dict[str, Tensor]:
        """Fetch a whole batch: torch's loader calls this where it exists."""
        rows = np.asarray(indices)
        batch = {
            "pixel_values": normalise(self.scenes.pixels[rows]),
            "cells": torch.from_numpy(self.scenes.cells[rows].astype(np.int64)),
        }
        if self.captioned:
            batch |= {
                "input_ids": torch.from_numpy(self.input_ids[rows].astype(np.int64)),
                "attention_mask": torch.from_numpy(self.attention_mask[rows].astype(np.int64)),
                "labels": torch.from_numpy(self.scenes.labels[rows].astype(np.int64)),
            }
        if self.roles:
            batch["roles"] = _roles(batch["cells"], batch["labels"])
        return batch


def _roles(cells: Tensor, labels: Tensor) -> Tensor:
    """Which of a caption's two objects each patch belongs to, and their relation; see `ContrastiveScenes`."""
    column = {name: labels[:, i, None] for i, name in enumerate(ATTRIBUTES)}
    of = [(cells[..., 0] == column[f"shape_{i}"]) & (cells[..., 1] == column[f"colour_{i}"]) for i in (1, 2)]
    # Two objects alike in both cannot be told apart this way and are passed over, as are single ones.
    told = (of[0] != of[1]) & (column["relation"] < len(RELATIONS))
    roles = torch.stack([of[1].long(), column["relation"].expand_as(told)], -1)
    return roles.masked_fill(~told[..., None], NOTHING)


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
        text_config=text.to_dict(),
        vision_config=vision.to_dict(),
        projection_dim=recipe.hidden_size,
        # Plain attention trains 1.7 times as fast as the fused kernel at 65 tokens on a CPU.
        attn_implementation="eager",
    )
    model = ContrastiveScenes(config, recipe.contrast)
    _start_local(model.clip.vision_model)
    return model


@torch.no_grad()
def _start_local(tower: Any) -> None:
    """Let a fresh vision transformer begin as one in which patches attend to what is near them.

    From CLIP's own start it takes most of a short training to find out which patches are neighbours. Sines
    and cosines as position embeddings (Beyer et al., arXiv:2205.01580) say so at once, and equal query and
    key maps (Trockman and Kolter, arXiv:2305.09828) make attention begin with them.
    """
    config = tower.config
    grid, width = config.image_size // config.patch_size, config.hidden_size
    frequency = 1 / 100 ** (torch.arange(width // 4) / (width // 4 - 1))
    angle = torch.arange(grid)[:, None] * frequency
    wave = torch.cat([angle.sin(), angle.cos()], 1)  # (grid, width / 2)
    at = torch.cat([wave[:, None].expand(-1, grid, -1), wave[None].expand(grid, -1, -1)], 2)
    table = tower.embeddings.position_embedding.weight
    table[1:] = 0.5 * at.reshape(grid * grid, width)
    for layer in tower.encoder.layers:
        attention = layer.self_attn
        eye = 0.7 * torch.eye(width)
        for part in (attention.q_proj, attention.k_proj):
            part.weight.mul_(0.5).add_(eye)


def attribute_accuracy(guesses: np.ndarray, labels: np.ndarray) -> dict[str, float]:
    """Share of scenes in which each attribute, and all of them, are named right."""
    right = guesses == labels
    two = labels[:, -1] < len(ATTRIBUTES["relation"]) - 1
    report = {name: float(right[:, i].mean()) for i, name in enumerate(ATTRIBUTES)}
    return report | {
        "all_of_one": float(right[~two].all(1).mean()),
        "all_of_two": float(right[two].all(1).mean()),
    }


@torch.no_grad()
def evaluate(
    model: ContrastiveScenes, scenes: SceneArrays, tokenizer: PreTrainedTokenizerBase
) -> dict[str, float]:
    """`attribute_accuracy` of a model on scenes it was not trained on."""
    model.eval()
    data = PictureDataset(scenes, tokenizer)
    chunks = [range(i, min(i + 250, len(data))) for i in range(0, len(data), 250)]
    guesses = torch.cat([model(**data.__getitems__(list(rows)))["logits"] for rows in chunks])
    return attribute_accuracy(guesses.cpu().numpy(), scenes.labels)


def train(
    recipe: VisionRecipe,
    image_size: int,
    tokenizer: PreTrainedTokenizerBase,
    pictures: Callable[[str], SceneArrays],
    folder: Path,
    seed: int,
) -> dict[str, float]:
    """Train a vision tower phase by phase, and save it with its image processor.

    Args:
        recipe: What to train.
        image_size: Side of the pictures, in pixels.
        tokenizer: Of the captions it learns by contrast.
        pictures: From the name of a stream to its pictures.
        folder: Where the tower is saved, its scores, and checkpoints on the way.
        seed: Of the order of the pictures.

    Returns:
        `evaluate` on the pictures held out.
    """
    model = build(recipe, image_size, tokenizer)
    for i, phase in enumerate(recipe.phases):
        captioned = tokenizer if phase.pictures == "scenes" else None
        fit(
            model,
            PictureDataset(pictures(phase.pictures).first(phase.n_pictures), captioned, phase.roles),
            folder / f"{i}-{phase.pictures}",
            steps=phase.steps,
            batch_size=phase.batch_size,
            learning_rate=phase.learning_rate,
            seed=seed,
            weight_decay=0.05,
            bf16=True,
        )
    report = evaluate(model, pictures("held-out"), tokenizer)
    (folder / "attributes.json").write_text(json.dumps(report, indent=1))
    tower = CLIPVisionModel(model.clip.config.vision_config)
    tower.load_state_dict(model.clip.vision_model.state_dict())
    tower.save_pretrained(folder)
    # The whole picture is squeezed into a square: cropping would lose objects at the edge.
    square = {"height": image_size, "width": image_size}
    CLIPImageProcessorPil(size=square, crop_size=square, do_center_crop=False).save_pretrained(folder)
    return report
