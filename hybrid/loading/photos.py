"""The captioner of photographs that ships: whether its language model is here, and which one it is."""

from pathlib import Path

from hybrid.loading.adapter import belongs, read_adapter
from hybrid.loading.downloads import SMOLLM2, is_here
from hybrid.loading.names import ADAPTER, PHOTOS, ModelError


def default_model() -> str:
    """What captions pictures if nothing is asked for: photos where its language model is here."""
    return "photos" if (PHOTOS / ADAPTER).is_file() and is_here(SMOLLM2.model) else "scenes-mini"


def accept(folder: Path) -> None:
    """Refuse a language model that photos was not trained with.

    Args:
        folder: In the hub's form.

    Raises:
        ModelError: If it is another one.
    """
    from hybrid.loading.compose import language_parts

    speaker, _ = language_parts(folder, None)
    if belongs(speaker, read_adapter(PHOTOS), "language") is None:
        raise ModelError(
            "photos",
            f"was trained on {SMOLLM2.model}, and this is another model; give a copy of that one, or leave "
            "--from out",
        )
