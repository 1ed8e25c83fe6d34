"""The Karpathy split: one JSON file in which every image has ``sentences`` and a ``split``.

It comes for Flickr8k, Flickr30k and COCO. Pictures lie beside the file or in a folder ``images`` there;
COCO's name their own folder in ``filepath``. ``restval`` counts as ``train``.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, beside, place_name, read_json


def matches(where: str) -> bool:
    """Whether it is JSON of images with sentences."""
    if not where.endswith(".json"):
        return False
    found = read_json(where)
    images = found.get("images") if isinstance(found, dict) else None
    return isinstance(images, list) and bool(images) and "sentences" in images[0]


def read(where: str) -> Iterator[Pair]:
    """Read a Karpathy split."""
    for i, image in enumerate(read_json(where)["images"]):
        try:
            split = str(image["split"])
            texts = tuple(str(sentence["raw"]) for sentence in image["sentences"])
            name = _find(where, image)
        except (KeyError, TypeError) as error:
            raise DataError(
                f"data {place_name(where)}: images[{i}] must have filename, split and sentences with raw, "
                f"but it was not so ({type(error).__name__}: {error})"
            ) from None
        yield Pair(name, texts, f"images[{i}]", "train" if split == "restval" else split)


def _find(where: str, image: dict[str, Any]) -> str:
    name = str(image["filename"])
    tries = [beside(where, str(Path(image["filepath"]) / name))] if "filepath" in image else []
    tries += [beside(where, name), beside(where, str(Path("images") / name))]
    return next((path for path in tries if Path(path).is_file()), tries[0])
