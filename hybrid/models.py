"""Which models there are without a download: those that ship here, and those in the hub's cache."""

import json
from collections.abc import Iterator
from pathlib import Path

BUNDLED = Path(__file__).parent / "bundled"
# Presets. Any other name is a folder or a repository on the hub.
MODELS = {"scenes-mini": BUNDLED}


def cached_models() -> Iterator[tuple[str, Path]]:
    """Find captioners in the hub's cache.

    Yields:
        Their names, ``owner/name``, and where they lie.
    """
    from huggingface_hub import constants

    for path in sorted(Path(constants.HF_HUB_CACHE).glob("models--*--*/snapshots/*/config.json")):
        try:
            kind = json.loads(path.read_text()).get("model_type")
        except (OSError, ValueError, AttributeError):
            continue
        if kind == "hybrid":
            yield path.parts[-4].removeprefix("models--").replace("--", "/"), path.parent
