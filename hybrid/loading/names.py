"""Names of models: presets, and captioners in the hub's cache."""

import json
from collections.abc import Iterator
from pathlib import Path

from hybrid.model.errors import ModelError as ModelError  # raised by all of this folder
from hybrid.presets import caption_presets

_LONGEST_REASON = 240
BUNDLED = Path(__file__).parents[1] / "bundled"
# Presets that ship here, all of them or, of photos, all but the language model. The others are files in
# hybrid/presets/captions, and any other name is a folder or a repository on the hub.
PHOTOS = Path(__file__).parents[1] / "photos"
MODELS = {"scenes-mini": BUNDLED, "photos": PHOTOS}
ADAPTER = "adapter.json"  # a folder with this file holds what was trained; the rest is named in it


def first_line(error: Exception) -> str:
    """The first non-empty line of an exception's message."""
    return next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)


def presets() -> list[str]:
    """Names of all presets, those that ship here first."""
    return [*MODELS, *(name for name in caption_presets() if name not in MODELS)]


def cached_models() -> Iterator[tuple[str, Path]]:
    """Find captioners in the hub's cache.

    Yields:
        Their names, ``owner/name``, and where they lie.
    """
    for path in sorted(_cache().glob("models--*--*/snapshots/*")):
        if (path / ADAPTER).is_file() or _kind(path / "config.json") == "hybrid":
            yield path.parts[-3].removeprefix("models--").replace("--", "/"), path


def is_cached(name: str) -> bool:
    """Whether anything of a repository is in the hub's cache."""
    return any(cache_of(name).glob("snapshots/*"))


def cache_of(name: str) -> Path:
    """The folder of a repository in the hub's cache, or None."""
    return _cache() / f"models--{name.replace('/', '--')}"


def _cache() -> Path:
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def _kind(config: Path) -> str | None:
    try:
        kind = json.loads(config.read_text()).get("model_type")
    except (OSError, ValueError, AttributeError):
        return None
    return kind if isinstance(kind, str) else None


def reason(error: Exception) -> str:
    """An exception's message on one line of bounded length."""
    said = " ".join(str(error).split())
    if not said or not isinstance(error, OSError | RuntimeError | ValueError):
        said = f"{type(error).__name__}: {said}"
    return said if len(said) <= _LONGEST_REASON else f"{said[:_LONGEST_REASON]}..."
