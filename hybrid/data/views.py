"""Other views of a picture: parts of it, some mirrored, so that a model does not learn pictures by heart."""

import numpy as np
from PIL import Image, ImageOps

_AREA = (0.5, 1.0)  # of a part, in that of the whole
_RATIO = (3 / 4, 4 / 3)  # of its sides, in that of the whole


def view_of(picture: Image.Image, seed: bytes) -> Image.Image:
    """Cut out a random part, and mirror it in half of all cases.

    Szegedy et al., "Going deeper with convolutions" (2015), arXiv:1409.4842, with parts of half the picture
    or more: captions speak of all that it shows.

    Args:
        picture: Of any size and mode.
        seed: Decides the part.

    Returns:
        The part, at its own size.
    """
    rng = np.random.default_rng(list(seed))
    area, ratio = rng.uniform(*_AREA), np.exp(rng.uniform(*np.log(_RATIO)))
    width, height = (
        max(1, round(side * min(1.0, np.sqrt(area * factor))))
        for side, factor in zip(picture.size, (ratio, 1 / ratio), strict=True)
    )
    left, top = rng.integers(picture.width - width + 1), rng.integers(picture.height - height + 1)
    part = picture.crop((int(left), int(top), int(left) + width, int(top) + height))
    return ImageOps.mirror(part) if rng.random() < 0.5 else part
