"""Pictures that are nearly scenes: drawn by the same pen, but with something that no caption says.

A detector that is shown noise and text learns to tell noise and text. What it must learn is where scenes end,
so these differ from scenes in one respect each, drawn at random: an outline that is none of the eight, marks
on a shape, a piece cut out or added, a patterned surface.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from PIL import Image

from hybrid.data.drawing import Piece, Rgb, Rng, Sheet, Skin, lit, paint, photograph, shade
from hybrid.data.palette import COLOURS
from hybrid.data.scenes import Scene, SceneObject, sample_scene
from hybrid.data.shapes import SHAPES, Corners, boxed, outline

_LARGE = 0.31  # least extent of what is altered: of something small, 64 pixels do not show the alteration
_TRIES = 20


def draw_near(rng: Rng) -> Image.Image:
    """Draw a picture that is nearly a scene.

    Args:
        rng: The only source of randomness.

    Returns:
        An RGB picture of 64 to 320 pixels on its short side.
    """
    kind = rng.random()
    scene = _with_something_large(rng)
    sheet = Sheet.of(scene, rng)
    picture, side = sheet.picture, sheet.side
    altered = max(scene.objects, key=lambda thing: thing.extent)
    for thing, fill, edge in sheet.coloured(scene):
        piece, skin = Piece.of(thing, rng), lit(fill)
        if thing is altered and kind < 0.4:
            piece = replace(piece, loops=(strange_outline(rng),))
        if thing is altered and 0.4 <= kind < 0.55:
            skin = _patterned(fill, rng)
        paint(picture, piece, skin, edge, side, sheet.shadow, rng)
        if thing is altered and kind >= 0.55:
            picture = _with_marks(picture, thing, fill, sheet.ground, side, rng)
    return photograph(picture, rng)


def _with_something_large(rng: Rng) -> Scene:
    while True:
        scene = sample_scene(rng)
        if max(thing.extent for thing in scene.objects) >= _LARGE:
            return scene


def _patterned(fill: Rgb, rng: Rng) -> Skin:
    """Stripes or chequers of two shades."""
    other, angle = shade(str(rng.choice(COLOURS)), rng), rng.uniform(0, np.pi)
    waves, crossed = np.pi * rng.uniform(1.5, 5), rng.random() < 0.4

    def skin(size: tuple[int, int], _rng: Rng) -> Image.Image:
        y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
        odd = np.sin(waves * (np.cos(angle) * x + np.sin(angle) * y)) > 0
        if crossed:
            odd ^= np.sin(waves * (np.cos(angle) * y - np.sin(angle) * x)) > 0
        return Image.fromarray(np.where(odd[..., None], fill, other).clip(0, 255).astype(np.uint8))

    return skin


def _with_marks(
    picture: Image.Image, thing: SceneObject, fill: Rgb, ground: Rgb, side: int, rng: Rng
) -> Image.Image:
    """Pieces on a thing, cut out of it or grown onto it, that are seen when the picture is 64 pixels wide."""

    def mark(most: float) -> tuple[Corners, Rgb, float]:
        colours = shade(str(rng.choice(COLOURS)), rng), ground, fill
        colour = colours[int(rng.choice(3, p=[0.7, 0.15, 0.15]))]
        return _mark_outline(rng), colour, max(0.03, thing.extent / 2 * rng.uniform(0.12, max(0.3, most)))

    for _ in range(_TRIES):
        found, count = picture.copy(), int(rng.choice([1, 1, 2, 2, 3, 4, 6, 9]))
        most = 0.8 / count**0.5
        alike = rng.random() < 0.5
        for loop, colour, radius in [mark(most)] * count if alike else [mark(most) for _ in range(count)]:
            angle, distance = rng.uniform(0, 2 * np.pi), thing.extent / 2 * rng.uniform(0, 1.1)
            x, y = thing.centre
            piece = Piece((loop,), (x + distance * np.cos(angle), y + distance * np.sin(angle)), radius)
            paint(found, piece, lit(colour), None, side, False, rng)
        before, after = (np.asarray(p.resize((64, 64)), int) for p in (picture, found))
        if (np.abs(before - after).max(-1) > 40).sum() >= 10:
            break
    return found


def _mark_outline(rng: Rng) -> Corners:
    kind = rng.random()
    if kind < 0.35:
        return outline(str(rng.choice(SHAPES)), rng)
    return strange_outline(rng) if kind < 0.65 else _stroke(rng)


def _stroke(rng: Rng) -> Corners:
    """A part of a circle's line, or of a straight one, as a pen draws it."""
    bend, width = rng.choice([0.05, rng.uniform(0.5, np.pi)]), rng.uniform(0.06, 0.2)
    angle = rng.uniform(0, 2 * np.pi) + np.linspace(-bend, bend, 12)
    line = np.stack([np.cos(angle), np.sin(angle)], 1)
    thick = width * min(1, bend)
    return boxed(np.concatenate([line * (1 + thick), line[::-1] * (1 - thick)]))


def strange_outline(rng: Rng) -> Corners:
    """An outline ``(n, 2)`` that is none of `hybrid.data.shapes`, in a box from -1 to 1."""
    corners = _STRANGE[int(rng.integers(len(_STRANGE)))](rng)
    turn = rng.uniform(0, 2 * np.pi)
    return boxed(corners @ np.array([[np.cos(turn), np.sin(turn)], [-np.sin(turn), np.cos(turn)]]))


def _polar(radius: np.ndarray, angle: np.ndarray) -> Corners:
    return np.asarray(radius[:, None] * np.stack([np.cos(angle), np.sin(angle)], 1))


def _regular(rng: Rng) -> Corners:
    count = int(rng.choice([5, 5, 5, 6, 6, 7, 8]))
    return _polar(np.ones(count), 2 * np.pi * np.arange(count) / count)


def _irregular(rng: Rng) -> Corners:
    count = int(rng.integers(5, 12))
    return _polar(rng.uniform(0.35, 1.2, count), np.sort(rng.uniform(0, 2 * np.pi, count)))


def _star(rng: Rng) -> Corners:
    count = 2 * int(rng.choice([3, 4, 4, 7, 8, 9, 10]))
    inner = rng.uniform(0.3, 0.7) if count > 6 else rng.uniform(0.15, 0.35)
    return _polar(np.where(np.arange(count) % 2, inner, 1.0), 2 * np.pi * np.arange(count) / count)


def _distorted(rng: Rng) -> Corners:
    """One of the eight, squeezed or slanted."""
    corners = outline(str(rng.choice([shape for shape in SHAPES if shape not in ("triangle", "ring")])), rng)
    if rng.random() < 0.6:
        return np.asarray(corners * [1, rng.uniform(0.12, 0.5)])
    slant = rng.uniform(0.5, 1.2) * rng.choice([-1, 1])
    return np.asarray(corners @ np.array([[1, 0], [slant, 1]]) * [1, rng.uniform(0.5, 1)])


def _smooth(rng: Rng) -> Corners:
    """A closed curve of a few waves."""
    angle, radius = np.linspace(0, 2 * np.pi, 60, endpoint=False), np.ones(60)
    for wave in range(2, 6):
        radius += rng.normal(0, 0.22) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return _polar(radius.clip(0.1), angle)


_STRANGE: tuple[Callable[[Rng], Corners], ...] = (_regular, _irregular, _star, _distorted, _smooth)
