"""How a scene looks: Pillow draws it, with everything that may differ between two programs' pictures.

Shade, outline, shadow, gradient, background, resolution, blur, noise and JPEG artefacts are all drawn at
random, so that what stays the same across pictures is what the caption says.
"""

import io
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import numpy as np
from PIL import Image, ImageDraw, ImageFilter

from hybrid.data.palette import PALETTE
from hybrid.data.scenes import Scene, SceneObject
from hybrid.data.shapes import Corners, outline

Rng = np.random.Generator
Rgb = np.ndarray  # (3,), 0 to 255, float
Skin = Callable[[tuple[int, int], Rng], Image.Image]


def draw_scene(scene: Scene, rng: Rng) -> Image.Image:
    """Draw a scene.

    Args:
        scene: What to draw.
        rng: Decides how it looks.

    Returns:
        An RGB picture of 64 to 320 pixels on its short side.
    """
    sheet = Sheet.of(scene, rng)
    for thing, fill, edge in sheet.coloured(scene):
        paint(sheet.picture, Piece.of(thing, rng), lit(fill), edge, sheet.side, sheet.shadow, rng)
    return photograph(sheet.picture, rng)


@dataclass(frozen=True)
class Sheet:
    """What a scene is drawn on, and in which colours.

    Attributes:
        picture: An empty ground, of the scene's proportions.
        side: Its short side in pixels.
        ground: The ground's colour.
        fills: The colour of each object.
        edges: That of its outline, if it has one.
        shadow: Whether objects throw one.
    """

    picture: Image.Image
    side: int
    ground: Rgb
    fills: list[Rgb]
    edges: list[Rgb | None]
    shadow: bool

    @classmethod
    def of(cls, scene: Scene, rng: Rng) -> Self:
        """Choose all of it at random."""
        side = int(np.exp(rng.uniform(np.log(64), np.log(320))))
        width, height = (round(side * length) for length in scene.frame)
        fills = [shade(o.colour, rng) for o in scene.objects]
        ground, edges = _ground_and_edges(fills, rng)
        picture = _background(width, height, ground, rng)
        return cls(picture, side, ground, fills, edges, rng.random() < 0.12)

    def coloured(self, scene: Scene) -> Iterator[tuple[SceneObject, Rgb, Rgb | None]]:
        """The objects of the scene, each with the colours of its area and of its outline."""
        return zip(scene.objects, self.fills, self.edges, strict=True)


@dataclass(frozen=True)
class Piece:
    """An area to paint.

    Attributes:
        loops: Its outline, and that of its hole if it has one, each ``(n, 2)`` in a box from -1 to 1.
        centre: Where the box's middle is, in units of the picture's short side.
        radius: Half the box's side, in the same unit.
    """

    loops: tuple[Corners, ...]
    centre: tuple[float, float]
    radius: float

    @classmethod
    def of(cls, thing: SceneObject, rng: Rng) -> Self:
        """Draw one instance of an object of a scene."""
        corners = outline(thing.shape, rng)
        hole = (corners * rng.uniform(0.45, 0.82),) if thing.shape == "ring" else ()
        return cls((corners, *hole), thing.centre, thing.extent / 2)


def lit(fill: Rgb) -> Skin:
    """A surface of one flat colour mostly; sometimes lit from a side."""

    def skin(size: tuple[int, int], rng: Rng) -> Image.Image:
        if rng.random() < 0.75:
            return Image.new("RGB", size, tuple(int(c) for c in fill))
        y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
        angle, strength = rng.uniform(0, 2 * np.pi), rng.uniform(5, 28)
        light = strength * (np.cos(angle) * x + np.sin(angle) * y)
        return Image.fromarray(np.clip(fill + light[..., None], 0, 255).astype(np.uint8))

    return skin


def shade(colour: str, rng: Rng) -> Rgb:
    """Draw a shade of a colour at random: ``(3,)`` from 0 to 255."""
    a, b = rng.choice(PALETTE[colour], 2)
    mix = a + (b - a) * rng.random() * (0 if rng.random() < 0.4 else 1)
    return np.asarray(np.clip(mix + rng.normal(0, 5, 3), 0, 255))


def _visible(a: Rgb, b: Rgb) -> bool:
    """Whether two colours are told apart at a glance: weighted distance after Compuserve's "redmean"."""
    mean = (a[0] + b[0]) / 2
    d = a - b
    weights = np.array([2 + mean / 256, 4, 2 + (255 - mean) / 256])
    return float(np.sqrt((weights * d * d).sum())) > 160


def _ground_and_edges(fills: list[Rgb], rng: Rng) -> tuple[Rgb, list[Rgb | None]]:
    """Choose a neutral background and outlines with which every object can be seen."""
    while True:
        kind = rng.random()
        low, high = (205, 255) if kind < 0.55 else (0, 70) if kind < 0.9 else (85, 190)
        level = 255.0 if 0.15 < kind < 0.3 else 0.0 if 0.85 < kind < 0.9 else rng.uniform(low, high)
        ground = np.clip(level + rng.normal(0, 3, 3), 0, 255)
        outlined = rng.random() < 0.3
        dark = rng.random() < 0.8
        edge = np.full(3, rng.uniform(0, 60) if dark else rng.uniform(210, 255))
        # A white shape on white paper is fine once it has an outline.
        edges = [edge if outlined and _visible(edge, fill) else None for fill in fills]
        if all(
            _visible(fill, ground) or (line is not None and _visible(line, ground) and rng.random() < 0.5)
            for fill, line in zip(fills, edges, strict=True)
        ):
            return ground, edges


def _background(width: int, height: int, ground: Rgb, rng: Rng) -> Image.Image:
    """A sheet of the ground's colour; sometimes lit from a side."""
    if rng.random() < 0.75:
        return Image.new("RGB", (width, height), tuple(int(c) for c in ground))
    slope = rng.uniform(-22, 22, 2)
    y, x = np.mgrid[-0.5 : 0.5 : height * 1j, -0.5 : 0.5 : width * 1j]
    light = slope[0] * x + slope[1] * y
    return Image.fromarray(np.clip(ground + light[..., None], 0, 255).astype(np.uint8))


def paint(
    picture: Image.Image, piece: Piece, skin: Skin, edge: Rgb | None, side: int, shadow: bool, rng: Rng
) -> None:
    """Put one piece on a picture; its stencil is drawn larger and scaled down, for smooth edges.

    Args:
        picture: Is painted on.
        piece: What to paint, and where.
        skin: Makes its surface, of a size in pixels.
        edge: Colour of its outline, if it has one.
        side: The picture's short side in pixels.
        shadow: Whether it throws one.
        rng: Decides how thick the outline is and how far the shadow falls.
    """
    grain = 4 if side < 128 else 2
    radius = piece.radius * side
    half = int(radius) + 3
    cx, cy = piece.centre[0] * side, piece.centre[1] * side
    left, top = int(cx) - half, int(cy) - half
    loops = [(corners * radius + [cx - left, cy - top]) * grain for corners in piece.loops]

    body = Image.new("L", (2 * half * grain, 2 * half * grain))
    pen = ImageDraw.Draw(body)
    for loop, value in zip(loops, (255, 0), strict=False):
        pen.polygon(loop.ravel().tolist(), fill=value)
    body = body.reduce(grain)
    if shadow:
        offset = max(1, round(radius * rng.uniform(0.06, 0.15)))
        soft = body.filter(ImageFilter.GaussianBlur(offset * 0.8)).point(lambda v: v * 0.35)
        picture.paste((0, 0, 0), (left + offset, top + offset), soft)
    picture.paste(skin(body.size, rng), (left, top), body)
    if edge is not None:
        stroke = Image.new("L", (2 * half * grain, 2 * half * grain))
        pen = ImageDraw.Draw(stroke)
        thin = 0.6 if len(loops) > 1 else 1.0
        thickness = max(1, round(radius * rng.uniform(0.03, 0.12) * grain * thin))
        for loop in loops:
            pen.line(
                [*loop.ravel().tolist(), *loop[:2].ravel().tolist()], fill=255, width=thickness, joint="curve"
            )
        picture.paste(tuple(int(c) for c in edge), (left, top), stroke.reduce(grain))


def photograph(picture: Image.Image, rng: Rng) -> Image.Image:
    """What happens to a picture on its way: blur, a change of resolution, noise, contrast, JPEG."""
    if rng.random() < 0.2:
        picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(0.2, 0.012 * min(picture.size))))
    if rng.random() < 0.2:
        scale = rng.uniform(0.5, 1.5)
        size = (max(48, round(picture.width * scale)), max(48, round(picture.height * scale)))
        picture = picture.resize(size, Image.Resampling(int(rng.integers(0, 4))))
    if rng.random() < 0.3:
        pixels = np.asarray(picture, np.float32)
        pixels = (pixels - 128) * rng.uniform(0.85, 1.05) + 128 + rng.uniform(-10, 10)
        pixels += rng.normal(0, rng.uniform(0, 10), pixels.shape)
        picture = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    if rng.random() < 0.35:
        stream = io.BytesIO()
        # Full colour resolution half the time: halving it drowns small dark things in dark backgrounds.
        picture.save(
            stream, "JPEG", quality=int(rng.integers(35, 96)), subsampling=int(rng.choice([0, 0, 2]))
        )
        stream.seek(0)
        picture = Image.open(stream).convert("RGB")
    return picture
