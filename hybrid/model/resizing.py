"""What a processor does to a picture before transformers' image processor, to save time and memory."""

from typing import Any

from PIL import Image

_LONGEST = 16  # times the short side; a crop of common models needs one and a bit


def fixed_size(image_processor: Any) -> tuple[int, int] | None:
    """Width and height that Pillow resizes every picture to first, or None."""
    p = image_processor
    if getattr(p, "backend", None) != "pil" or not p.do_resize or not isinstance(p.resample, int):
        return None
    size = {name: side for name, side in dict(p.size).items() if side}
    return (size["width"], size["height"]) if size.keys() == {"height", "width"} else None


def cut(image_processor: Any, picture: Image.Image) -> Image.Image:
    """Cut off ends that will be cropped away in any case.

    If the short side is resized before the middle is cropped, a strip of 100,000 x 1 pixels would become one
    of millions.
    """
    short, longest = min(picture.size), _LONGEST * min(picture.size)
    if max(picture.size) <= longest or not getattr(image_processor, "do_center_crop", False):
        return picture
    width, height = (short if side == short else longest for side in picture.size)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    return picture.crop((left, top, left + width, top + height))
