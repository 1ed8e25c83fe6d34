"""The Karpathy split: one JSON file in which every image has ``sentences`` and a ``split``.

It comes for Flickr8k, Flickr30k and COCO. Pictures lie beside the file or in a folder ``images`` there;
COCO's name their own folder in ``filepath``. ``restval`` counts as ``train``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.source import Source

FORM = "a Karpathy split .json"


def matches(source: Source) -> bool:
    """Whether it is JSON of images with sentences."""
    images = source.json.get("images") if isinstance(source.json, dict) else None
    return (
        isinstance(images, list) and bool(images) and isinstance(images[0], dict) and "sentences" in images[0]
    )


def read(source: Source) -> Iterator[Pair]:
    """Read a Karpathy split."""
    for i, image in enumerate(source.json["images"]):
        try:
            split = str(image["split"])
            texts = tuple(str(sentence["raw"]) for sentence in image["sentences"])
            name = _find(source, image)
        except (KeyError, TypeError) as error:
            raise source.fault(
                f"images[{i}] must have filename, split and sentences with raw, "
                f"but it was not so ({type(error).__name__}: {error})"
            ) from None
        yield Pair(name, texts, f"images[{i}]", split)


def _find(source: Source, image: dict[str, Any]) -> str:
    name = str(image["filename"])
    own = source.beside(str(Path(image["filepath"]) / name), ("",)) if "filepath" in image else ""
    return own if own and Path(own).is_file() else source.beside(name)
