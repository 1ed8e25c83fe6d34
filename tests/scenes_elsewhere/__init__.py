"""Pictures of plain shapes drawn by other programs: an SVG renderer and matplotlib.

None of them takes part in training. They show whether a captioner that learned from one program's
drawings also reads drawings whose colours, proportions and antialiasing come from somewhere else.
"""

import numpy as np
from PIL import Image

from tests.scenes_elsewhere.figure import draw_figure
from tests.scenes_elsewhere.sampling import COLOURS, RELATIONS, SHAPES, SIZES, Scene, Thing, sample_scene
from tests.scenes_elsewhere.svg import draw_svg

__all__ = [
    "COLOURS",
    "RELATIONS",
    "RENDERERS",
    "SHAPES",
    "SIZES",
    "Scene",
    "Thing",
    "draw_figure",
    "draw_svg",
    "sample_pictures",
    "sample_scene",
]

RENDERERS = {"svg": draw_svg, "figure": draw_figure}


def sample_pictures(n: int, n_objects: int, seed: int, renderer: str) -> list[tuple[Image.Image, Scene]]:
    """Return `n` pictures with their scenes; `renderer` is "svg" or "figure".

    The scenes depend on `n_objects` and `seed` alone, so both renderers draw the same ones.
    """
    draw = RENDERERS[renderer]
    rng = np.random.default_rng([n_objects, seed])
    scenes = [sample_scene(rng, n_objects) for _ in range(n)]
    return [(draw(scene), scene) for scene in scenes]
