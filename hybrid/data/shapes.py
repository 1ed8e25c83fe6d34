"""Outlines of the shapes, as polygons in a unit box.

Every function takes a random generator and returns an ``(n, 2)`` array of corners, x to the right and y
down, unscaled: `outline` brings it to a largest extent of 2 around the origin. The proportions are drawn
widely on purpose, so that a model that learns from them does not depend on one program's idea of a star.
A new shape is one more function here, and its entry in `_OUTLINES`.
"""

from collections.abc import Callable

import numpy as np

Corners = np.ndarray
Rng = np.random.Generator

_ROUND = 40  # corners in a full circle: smooth at the sizes drawn here


def _circle(rng: Rng) -> Corners:
    angle = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    return np.stack([np.cos(angle), np.sin(angle)], 1) * [1, rng.uniform(0.93, 1.07)]


def _square(rng: Rng) -> Corners:
    half = rng.uniform(0.88, 1.0)
    box = np.array([[-1, -half], [1, -half], [1, half], [-1, half]])
    return box[:, ::-1] if rng.random() < 0.5 else box


def _triangle(rng: Rng) -> Corners:
    apex = rng.uniform(-0.25, 0.25) if rng.random() < 0.7 else rng.choice([-1.0, 1.0])
    height = rng.uniform(1.3, 2.3)
    corners = np.array([[apex, -height / 2], [1, height / 2], [-1, height / 2]])
    return corners * [1, -1] if rng.random() < 0.15 else corners


def _star(rng: Rng) -> Corners:
    points = 5 if rng.random() < 0.9 else 6
    angle = np.arange(2 * points) * np.pi / points - np.pi / 2
    radius = np.where(np.arange(2 * points) % 2 == 0, 1.0, rng.uniform(0.32, 0.56))
    return np.stack([np.cos(angle), np.sin(angle)], 1) * radius[:, None]


def _cross(rng: Rng) -> Corners:
    a = rng.uniform(0.2, 0.42)  # half the width of an arm
    x = [-a, a, a, 1, 1, a, a, -a, -a, -1, -1, -a]
    y = [-1, -1, -a, -a, a, a, 1, 1, a, a, -a, -a]
    return np.array([x, y]).T * [rng.uniform(0.85, 1.0), 1.0]


def _heart(rng: Rng) -> Corners:
    kind = rng.random()
    t = np.linspace(0, 2 * np.pi, _ROUND, endpoint=False)
    if kind < 0.4:  # the classic parametric heart
        x = 16 * np.sin(t) ** 3
        y = -(13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t))
        corners = np.stack([x, y], 1) / 16
    elif kind < 0.7:  # two half discs on a point
        r, dip = rng.uniform(0.5, 0.6), rng.uniform(0.75, 1.3)
        arc = np.linspace(np.pi, 2 * np.pi, _ROUND // 2)
        lobe = np.stack([r * np.cos(arc), r * np.sin(arc)], 1)
        corners = np.concatenate([lobe + [-r, 0], lobe + [r, 0], [[0, r + dip]]])
    else:  # four cubic curves, as a drawing program makes it
        w, top, cleft = rng.uniform(0.9, 1.1), rng.uniform(0.65, 0.95), rng.uniform(0.3, 0.5)
        u = np.linspace(0, 1, _ROUND // 4, endpoint=False)[:, None]

        def curve(*p: tuple[float, float]) -> Corners:
            a, b, c, d = (np.array(q) for q in p)
            return np.asarray((1 - u) ** 3 * a + 3 * u * (1 - u) ** 2 * b + 3 * u**2 * (1 - u) * c + u**3 * d)

        right = curve((0, -cleft), (0.2 * w, -top - 0.25), (w, -top - 0.2), (w, -0.25))
        down = curve((w, -0.25), (w, 0.3), (0.35 * w, 0.6), (0, 1))
        half = np.concatenate([right, down])
        corners = np.concatenate([half, [[0, 1]], half[:0:-1] * [-1, 1]])
    return corners * [rng.uniform(0.88, 1.12), 1.0]


def _diamond(rng: Rng) -> Corners:
    corners = np.array([[0.0, -1], [rng.uniform(0.55, 1.0), 0], [0, 1], [0, 0]])
    corners[3, 0] = -corners[1, 0]
    return corners[:, ::-1] if rng.random() < 0.15 else corners


# Each with how far it may be turned and still be called by its name, in degrees. A square on its corner is a
# diamond, so those two stay near upright; a circle looks the same however it is turned.
_OUTLINES: dict[str, tuple[Callable[[Rng], Corners], float]] = {
    "circle": (_circle, 180),
    "square": (_square, 17),
    "triangle": (_triangle, 30),
    "star": (_star, 180),
    "cross": (_cross, 22),
    "heart": (_heart, 28),
    "ring": (_circle, 180),
    "diamond": (_diamond, 13),
}
SHAPES = tuple(_OUTLINES)


def outline(shape: str, rng: Rng) -> Corners:
    """Draw one instance of a shape's outline.

    Args:
        shape: One of `SHAPES`. A ring is its outer edge; whoever fills it cuts the hole.
        rng: Where proportions and rotation come from.

    Returns:
        Corners ``(n, 2)``, centred, the larger side of the bounding box 2 long.
    """
    draw, most = _OUTLINES[shape]
    corners = draw(rng)
    # A turn is mostly slight: people draw things upright.
    turn = np.deg2rad(rng.uniform(-1, 1) * most * (1.0 if rng.random() < 0.5 else 0.3))
    corners = corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]])
    return boxed(corners)


def boxed(corners: Corners) -> Corners:
    """Corners ``(n, 2)``, moved and scaled so that the larger side of their bounding box is from -1 to 1."""
    low, high = corners.min(0), corners.max(0)
    return np.asarray((corners - (low + high) / 2) * (2 / (high - low).max()))
