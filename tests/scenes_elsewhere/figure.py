"""Scenes drawn with matplotlib: patches for some shapes, scatter markers for others."""

import math

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.markers import MarkerStyle
from matplotlib.patches import (
    Annulus,
    Circle,
    Ellipse,
    Patch,
    PathPatch,
    Polygon,
    Rectangle,
    RegularPolygon,
    Wedge,
)
from matplotlib.path import Path
from matplotlib.transforms import Affine2D
from PIL import Image

from tests.scenes_elsewhere.sampling import Scene, Thing

DPI = 100

# For a marker: its code and, for a thing one pixel across, the marker's size in pixels.
MARKERS = {
    "circle": (("o", 1.0),),
    "square": (("s", 1.0),),
    "triangle": (("^", 1.0),),
    "star": (("*", 1 / math.sin(math.radians(72))),),
    "cross": (("P", 1.0),),
    "heart": (("$\N{BLACK HEART SUIT}$", 1.0),),
    "diamond": (("D", math.sqrt(0.5)), ("d", math.sqrt(0.5))),
}


def draw_figure(scene: Scene) -> Image.Image:
    """Draw a scene as a matplotlib figure without axes."""
    figure = Figure(figsize=(scene.width / DPI, scene.height / DPI), dpi=DPI, facecolor=scene.background)
    canvas = FigureCanvasAgg(figure)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.set_xlim(0, scene.width)
    axes.set_ylim(0, scene.height)
    for thing in scene.things:
        _add(axes, thing, thing.cx, scene.height - thing.cy)
    canvas.draw()
    return Image.fromarray(np.asarray(canvas.buffer_rgba())[..., :3].copy())


def _add(axes: Axes, thing: Thing, x: float, y: float) -> None:
    """Add a thing at (x, y), y upwards; the lower part of `form` picks a marker, the upper a patch."""
    markers = MARKERS.get(thing.shape)
    if markers and thing.form < 0.4:
        code, size = markers[int(thing.form / 0.4 * len(markers))]
        _add_marker(axes, thing, x, y, code, size)
        return
    build = {
        "circle": _circle,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "cross": _cross,
        "heart": _heart,
        "ring": _ring,
        "diamond": _diamond,
    }[thing.shape]
    patch = build(thing)
    patch.set_facecolor(thing.fill)
    patch.set_edgecolor(thing.outline or "none")
    patch.set_linewidth(_points(thing.outline_width))
    patch.set_transform(Affine2D().rotate_deg(-thing.angle).translate(x, y) + axes.transData)
    axes.add_patch(patch)


def _add_marker(axes: Axes, thing: Thing, x: float, y: float, code: str, size: float) -> None:
    marker = MarkerStyle(code).rotated(deg=-thing.angle)
    if thing.shape == "star":  # turns about its points' circle, whose middle lies under the box's
        turn, radius = math.radians(-thing.angle), 0.5 * size * thing.across
        drop = radius * (1 - math.cos(math.radians(36))) / 2
        x, y = x + drop * math.sin(turn), y - drop * math.cos(turn)
    axes.scatter(
        [x],
        [y],
        s=_points(size * thing.across) ** 2,
        marker=marker,
        facecolors=thing.fill,
        edgecolors=thing.outline or "none",
        linewidths=_points(thing.outline_width),
    )


def _points(pixels: float) -> float:
    return pixels * 72 / DPI


def _circle(thing: Thing) -> Patch:
    if thing.form < 0.7:
        return Circle((0, 0), thing.across / 2)
    return Ellipse((0, 0), thing.across, thing.across)


def _square(thing: Thing) -> Patch:
    side = thing.across
    if thing.form < 0.7:
        return Rectangle((-side / 2, -side / 2), side, side)
    return RegularPolygon((0, 0), 4, radius=side / math.sqrt(2), orientation=math.pi / 4)


def _triangle(thing: Thing) -> Patch:
    if thing.form < 0.7:
        radius = thing.across / math.sqrt(3)
        return RegularPolygon((0, -radius / 4), 3, radius=radius)
    height = 0.85 + 0.4 * thing.proportion
    return _polygon(thing, [(-0.5, 0), (0.5, 0), (0, height)])


def _star(thing: Thing) -> Patch:
    if thing.form < 0.6:
        points = Path.unit_regular_star(5, innerCircle=0.45).vertices[:-1]
    else:
        turns = np.pi / 2 + np.arange(10) * np.pi / 5
        radii = np.where(np.arange(10) % 2, 0.38 + 0.12 * thing.proportion, 1.0)
        points = np.column_stack([radii * np.cos(turns), radii * np.sin(turns)])
    return _polygon(thing, points)


def _cross(thing: Thing) -> Patch:
    arm = (0.28 + 0.12 * thing.proportion) / 2
    corner = np.array([(arm, 0.5), (arm, arm), (0.5, arm)])
    quarter = np.array([(0, -1), (1, 0)])  # clockwise, for rows
    return _polygon(thing, np.concatenate([corner @ np.linalg.matrix_power(quarter, i) for i in range(4)]))


def _heart(thing: Thing) -> Patch:
    t = np.linspace(0, 2 * np.pi, 120, endpoint=False)
    if thing.form < 0.75:
        x = 16 * np.sin(t) ** 3
        y = 13 * np.cos(t) - 5 * np.cos(2 * t) - 2 * np.cos(3 * t) - np.cos(4 * t)
        return _polygon(thing, np.column_stack([x, y]))
    # Two half circles on the upper sides of a square that stands on its corner.
    half = np.linspace(0, np.pi, 40)
    lobe = np.column_stack([np.cos(half), np.sin(half)]) * math.sqrt(0.5)
    tilt = Affine2D().rotate_deg(-45).translate(0.5, 0.5)
    right = tilt.transform(lobe)
    left = right[::-1] * (-1, 1)
    outline = np.concatenate([[(0, -1)], right, left])
    shape = _fitted(thing, outline)
    return PathPatch(Path([*shape, shape[0]], closed=True))


def _ring(thing: Thing) -> Patch:
    radius = thing.across / 2
    band = (0.13 + 0.11 * thing.proportion) * thing.across
    if thing.form < 0.5:
        return Annulus((0, 0), radius, band)
    return Wedge((0, 0), radius, 0, 360, width=band)


def _diamond(thing: Thing) -> Patch:
    if thing.form < 0.7:
        return RegularPolygon((0, 0), 4, radius=thing.across / 2)
    wide = 0.6 + 0.3 * thing.proportion
    return _polygon(thing, [(0, 1), (wide, 0), (0, -1), (-wide, 0)])


def _polygon(thing: Thing, points) -> Polygon:
    return Polygon(_fitted(thing, points), closed=True)


def _fitted(thing: Thing, points) -> np.ndarray:
    """Scale points to the thing's size and centre their box on the origin."""
    points = np.asarray(points, dtype=float)
    low, high = points.min(axis=0), points.max(axis=0)
    return (points - (low + high) / 2) * (thing.across / (high - low).max())
