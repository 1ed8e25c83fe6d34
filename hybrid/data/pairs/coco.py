"""COCO captions: one JSON file with ``images`` and ``annotations``.

The pictures lie beside the file, or where COCO itself has them: ``annotations/captions_train2017.json``
speaks of ``train2017/*.jpg``.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hybrid.data.pairs.pair import Pair
from hybrid.data.pairs.source import Source

FORM = "COCO captions .json"


def matches(source: Source) -> bool:
    """Whether it is JSON with annotations."""
    return isinstance(source.json, dict) and "annotations" in source.json


def read(source: Source) -> Iterator[Pair]:
    """Read a COCO captions file."""
    try:
        names: dict[Any, str] = {}
        for image in source.json["images"]:
            if image["id"] in names:
                raise source.fault(f"the image id {image['id']} comes twice; remove one")
            names[image["id"]] = str(image["file_name"])
        captions: dict[Any, list[str]] = {}
        for note in source.json["annotations"]:
            if note["image_id"] not in names:
                raise source.fault(
                    f"annotation {note.get('id')} is of image {note['image_id']}, which is not among the "
                    "images; get a whole copy"
                )
            captions.setdefault(note["image_id"], []).append(str(note["caption"]))
    except (KeyError, TypeError) as error:
        raise source.fault(f"is not a COCO captions file ({type(error).__name__}: {error})") from None
    if without := len(names) - len(captions):
        source.note(f"{without} of {len(names)} images are left out: no annotation is of them")
    for key, texts in captions.items():
        yield Pair(_find(source, names[key]), tuple(texts), f"image {key}")


def _find(source: Source, name: str) -> str:
    near = source.beside(name)
    part = re.search(r"captions_(\w+)\.json$", source.name, re.IGNORECASE)
    if part and not Path(near).exists():
        above = source.path.parent.parent
        for folder in (above, above / "images", source.path.parent):
            if (folder / part[1] / name).is_file():
                return str(folder / part[1] / name)
    return near
