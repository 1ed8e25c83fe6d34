"""COCO captions: one JSON file with ``images`` and ``annotations``.

The pictures lie beside the file, or where COCO itself has them: ``annotations/captions_train2017.json``
speaks of ``train2017/*.jpg``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import DataError, Pair, beside, head, place_name, read_json


def matches(where: str) -> bool:
    """Whether it is JSON with annotations."""
    return where.endswith(".json") and '"sentences"' not in head(where) and _has_annotations(where)


def _has_annotations(where: str) -> bool:
    found = read_json(where)
    return isinstance(found, dict) and "annotations" in found


def read(where: str) -> Iterator[Pair]:
    """Read a COCO captions file."""
    try:
        found = read_json(where)
        names: dict[Any, str] = {}
        for image in found["images"]:
            if image["id"] in names:
                raise DataError(
                    f"data {place_name(where)}: the image id {image['id']} comes twice; remove one"
                )
            names[image["id"]] = str(image["file_name"])
        captions: dict[Any, list[str]] = {}
        for note in found["annotations"]:
            if note["image_id"] not in names:
                raise DataError(
                    f"data {place_name(where)}: annotation {note.get('id')} is of image {note['image_id']}, "
                    "which is not among the images; get a whole copy"
                )
            captions.setdefault(note["image_id"], []).append(str(note["caption"]))
    except (KeyError, TypeError) as error:
        raise DataError(
            f"data {place_name(where)}: is not a COCO captions file ({type(error).__name__}: {error})"
        ) from None
    for key, texts in captions.items():
        yield Pair(_find(where, names[key]), tuple(texts), f"image {key}")


def _find(where: str, name: str) -> str:
    near = beside(where, name)
    part = re.search(r"captions_(\w+)\.json$", where)
    if part and not Path(near).exists():
        folders = (Path(where).parent.parent, Path(where).parent.parent / "images", Path(where).parent)
        for folder in folders:
            if (folder / part[1] / name).is_file():
                return str(folder / part[1] / name)
    return near
