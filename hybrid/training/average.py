"""Mean of captioners that were trained from one start: ``python -m hybrid.training.average MODEL... FOLDER``.

Runs that begin with the same weights end near enough to each other for their mean to be a captioner, often a
better one than each: Wortsman et al., "Model soups" (2022), arXiv:2203.05482.
"""

import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file

from hybrid.loading.adapter import WEIGHTS, located, read_adapter, write_adapter
from hybrid.loading.base import Base
from hybrid.loading.names import ModelError

# What the weights mean; base models may lie in different places.
_SAME = ("connector", "lora", "prompt", "joined", "chat", "vision_hidden_size", "hidden_size")


def average(models: Sequence[Path], folder: Path) -> Path:
    """Write the mean of small checkpoints as another, on the base of the first.

    LoRA's two factors are averaged each by itself, which is sensible only where they had the same start.

    Args:
        models: What `hybrid.loading.adapter.save_adapter` wrote.
        folder: Where to.

    Returns:
        ``folder``.

    Raises:
        ValueError: If there are fewer than two, or one is built in another way than the first.
        ModelError: If one cannot be read.
    """
    if len(models) < 2:
        raise ValueError(f"models must be at least two to have a mean, but were {len(models)}")
    found = [read_adapter(model) for model in models]
    for model, one in zip(models, found, strict=True):
        if other := [name for name in _SAME if one.get(name) != found[0].get(name)]:
            raise ValueError(f"{model} has another {' and another '.join(other)} than {models[0]}")
        for part in ("vision", "language"):
            if _prints(one, part).isdisjoint(_prints(found[0], part)):
                raise ValueError(f"{model} was trained on another {part} model than {models[0]}")
    tensors = [load_file(model / WEIGHTS) for model in models]
    # Of the first, LoRA may be in half precision: a captioner that ships.
    mean = {
        name: torch.stack([each[name].double() for each in tensors]).mean(0).float() for name in tensors[0]
    }
    base = asdict(located(Base(**found[0]["base"]), models[0].resolve()))
    write_adapter(folder, found[0] | {"base": base}, mean)
    return folder


def _prints(found: dict[str, Any], part: str) -> set[str]:
    """Fingerprints of a base model, of which a captioner that ships accepts several."""
    known = found["fingerprints"][part]
    return set(known.values()) if isinstance(known, dict) else {known}


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.stderr.write("average: name two models or more, and a folder for their mean\n")
        sys.exit(2)
    *models, folder = map(Path, sys.argv[1:])
    try:
        sys.stdout.write(f"{average(models, folder)}\n")
    except (ValueError, ModelError) as error:
        sys.exit(f"average: {error}")
