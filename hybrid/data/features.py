"""What a frozen vision tower sees, computed once and kept."""

from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from transformers.image_utils import OPENAI_CLIP_MEAN, OPENAI_CLIP_STD

from hybrid.model.modeling import HybridForConditionalGeneration


def normalise(pixels: np.ndarray) -> Tensor:
    """Do what CLIP's image processor does after resizing.

    Args:
        pixels: ``(batch, height, width, 3)`` uint8.

    Returns:
        ``(batch, 3, height, width)`` float32.
    """
    x = torch.from_numpy(np.array(pixels)).permute(0, 3, 1, 2).float() / 255
    mean, std = torch.tensor(OPENAI_CLIP_MEAN), torch.tensor(OPENAI_CLIP_STD)
    return ((x - mean[:, None, None]) / std[:, None, None]).contiguous()


@torch.inference_mode()
def cached_features(
    path: Path, model: HybridForConditionalGeneration, pixels: np.ndarray, batch_size: int = 250
) -> np.ndarray:
    """Embed pictures, or read the embeddings back where they lie already.

    Args:
        path: A ``.npy`` file.
        model: Whose vision tower looks.
        pixels: ``(n, height, width, 3)`` uint8, of the size the tower wants.
        batch_size: Pictures at a time.

    Returns:
        ``(n, vision_hidden_size)`` float32.
    """
    if not path.exists():
        model.eval()
        parts = [
            model.vision_features(normalise(pixels[i : i + batch_size])).float().numpy()
            for i in range(0, len(pixels), batch_size)
        ]
        path.parent.mkdir(parents=True, exist_ok=True)
        part = path.with_name(f".{path.name}")
        np.save(part, np.concatenate(parts))
        part.replace(path)  # whole or not at all, whatever stops the run
    features: np.ndarray = np.load(path)
    return features
