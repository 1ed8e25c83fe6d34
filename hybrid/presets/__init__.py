"""Presets: one TOML file each.

Those in ``captions`` name the models that a captioner is built on, and say how to train it on captions; those
here are recipes from nothing.
"""

import tomllib
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).parent / "captions"


def caption_presets() -> list[str]:
    """Names of the presets in ``captions``."""
    return sorted(path.stem for path in _FOLDER.glob("*.toml"))


def read_caption_preset(name: str) -> dict[str, Any]:
    """What one of them says; the keys are the fields of `CaptionRecipe`."""
    return tomllib.loads((_FOLDER / f"{name}.toml").read_text(encoding="utf-8"))
