"""Scenes of one or two simple objects, and the caption that is right for each.

A `Scene` says what is where; `hybrid.data.drawing` decides how it looks. The caption's order is fixed
(smaller object first; of two alike the left or upper one), because two right captions for one picture
would compete in training.
"""

from dataclasses import dataclass

import numpy as np

from hybrid.data.palette import COLOURS
from hybrid.data.shapes import SHAPES

SIZES = ("small", "large")
RELATIONS = ("to the left of", "to the right of", "above", "below")

# Largest side of an object over the picture's short side. The gap between the two keeps the words honest.
_EXTENT = {"small": (0.13, 0.25), "large": (0.31, 0.60)}
_EXTENT_OF_TWO = {"small": (0.13, 0.25), "large": (0.31, 0.46)}


@dataclass(frozen=True)
class SceneObject:
    """One thing in a picture.

    Attributes:
        shape: One of `SHAPES`.
        colour: One of `COLOURS`.
        size: One of `SIZES`.
        centre: x to the right and y down, in units of the picture's short side.
        extent: Longer side of its bounding box, in the same unit.
    """

    shape: str
    colour: str
    size: str
    centre: tuple[float, float]
    extent: float

    @property
    def phrase(self) -> str:
        """``a small red circle``."""
        return f"a {self.size} {self.colour} {self.shape}"


@dataclass(frozen=True)
class Scene:
    """What a picture shows.

    Attributes:
        objects: One object, or two in the caption's order.
        relation: Where the first lies as seen from the second; ``None`` for one object.
        aspect: Width over height of the picture.
    """

    objects: tuple[SceneObject, ...]
    relation: str | None
    aspect: float

    @property
    def caption(self) -> str:
        """``a small red circle to the left of a large blue square``."""
        if self.relation is None:
            return self.objects[0].phrase
        return f"{self.objects[0].phrase} {self.relation} {self.objects[1].phrase}"

    @property
    def frame(self) -> tuple[float, float]:
        """Width and height in units of the short side."""
        return max(self.aspect, 1.0), max(1 / self.aspect, 1.0)


def sample_scene(rng: np.random.Generator, n_objects: int | None = None) -> Scene:
    """Draw a scene at random.

    Args:
        rng: The only source of randomness.
        n_objects: 1 or 2; by default two in three scenes have two.

    Returns:
        A scene whose objects lie inside the frame and do not touch.

    Raises:
        ValueError: If ``n_objects`` is neither 1 nor 2.
    """
    if n_objects is None:
        n_objects = 1 + int(rng.random() < 2 / 3)
    if n_objects not in (1, 2):
        raise ValueError(f"n_objects must be 1 or 2, but was {n_objects}")
    aspect = 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(0.62), np.log(1.6))))
    frame = Scene((), None, aspect).frame
    if n_objects == 1:
        size = str(rng.choice(SIZES))
        extent = rng.uniform(*_EXTENT[size])
        centre = [rng.uniform(extent / 2 + 0.02, side - extent / 2 - 0.02) for side in frame]
        return Scene((_object(rng, size, centre, extent),), None, aspect)
    first, second, relation = _place_two(rng, frame)
    return Scene((first, second), relation, aspect)


def sample_crowd(rng: np.random.Generator, most: int = 9) -> Scene:
    """Draw a scene of many objects, too many for a caption: to learn shapes and colours from.

    Args:
        rng: The only source of randomness.
        most: At most so many objects; as many as a number of tries finds room for.

    Returns:
        A scene without a relation, whose objects lie inside the frame and do not touch.
    """
    aspect = 1.0 if rng.random() < 0.5 else float(np.exp(rng.uniform(np.log(0.62), np.log(1.6))))
    frame = Scene((), None, aspect).frame
    objects: list[SceneObject] = []
    for _ in range(6 * most):
        size = str(rng.choice(SIZES))
        extent = rng.uniform(*_EXTENT_OF_TWO[size])
        centre = [rng.uniform(extent / 2 + 0.01, side - extent / 2 - 0.01) for side in frame]
        apart = (
            max(abs(a - b) for a, b in zip(centre, other.centre, strict=True)) - (extent + other.extent) / 2
            for other in objects
        )
        if all(gap > 0.02 for gap in apart):
            objects.append(_object(rng, size, centre, extent))
        if len(objects) == most:
            break
    return Scene(tuple(objects), None, aspect)


def _object(rng: np.random.Generator, size: str, centre: list[float], extent: float) -> SceneObject:
    shape, colour = str(rng.choice(SHAPES)), str(rng.choice(COLOURS))
    return SceneObject(shape, colour, size, (float(centre[0]), float(centre[1])), float(extent))


def _place_two(rng: np.random.Generator, frame: tuple[float, float]) -> tuple[SceneObject, SceneObject, str]:
    """Place two objects along one axis by trying until they fit, clearly apart along it."""
    axis = int(rng.random() < 0.5)  # 0: side by side, 1: one above the other
    sizes = [str(rng.choice(SIZES)) for _ in range(2)]
    while True:
        extents = [rng.uniform(*_EXTENT_OF_TWO[size]) for size in sizes]
        centres = [[rng.uniform(e / 2 + 0.02, side - e / 2 - 0.02) for side in frame] for e in extents]
        along = centres[1][axis] - centres[0][axis]
        across = abs(centres[1][1 - axis] - centres[0][1 - axis])
        if along > sum(extents) / 2 + 0.03 and across < 0.65 * along:
            break
    before, after = (_object(rng, *placed) for placed in zip(sizes, centres, extents, strict=True))
    # Smaller first; `before` is the left or upper one, so it also wins a tie.
    swap = before.size == "large" and after.size == "small"
    relation = RELATIONS[2 * axis + swap]
    return (after, before, relation) if swap else (before, after, relation)


def parse_caption(text: str) -> tuple[list[tuple[str, str, str]], str | None] | None:
    """Read a caption back.

    Args:
        text: A caption as `Scene.caption` writes it.

    Returns:
        The ``(size, colour, shape)`` of each object and the relation, or ``None`` where the text is no such
        caption.
    """
    for relation in RELATIONS:
        left, found, right = text.partition(f" {relation} ")
        if found:
            objects = [_parse_phrase(left), _parse_phrase(right)]
            return ([o for o in objects if o], relation) if all(objects) else None
    single = _parse_phrase(text)
    return ([single], None) if single else None


def _parse_phrase(text: str) -> tuple[str, str, str] | None:
    match text.split():
        case ["a", size, colour, shape] if size in SIZES and colour in COLOURS and shape in SHAPES:
            return size, colour, shape
    return None
