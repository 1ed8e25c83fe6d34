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

_LARGE = 0.2  # least extent of what is altered: what is smaller does not show the alteration
_TRIES = 20
_ROUND = np.linspace(0, 2 * np.pi, 60, endpoint=False)  # angles once around


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
        if thing is altered and (kind < 0.4 or (kind > 0.7 and rng.random() < 0.5)):
            loop = strange_outline(rng)
            holes = (loop * rng.uniform(0.4, 0.8),) if rng.random() < 0.1 else ()
            piece = replace(piece, loops=(loop, *holes))
        if thing is altered and 0.4 <= kind < 0.5:
            skin = _patterned(fill, rng)
        paint(picture, piece, skin, edge, side, sheet.shadow, rng)
        if thing is altered and kind >= 0.5:
            change = _with_parts if kind > 0.7 else _with_marks
            picture = change(picture, thing, fill, sheet.ground, side, rng)
    return photograph(picture, rng)


def _with_something_large(rng: Rng) -> Scene:
    while True:
        scene = sample_scene(rng)
        if max(thing.extent for thing in scene.objects) >= _LARGE:
            return scene


def _patterned(fill: Rgb, rng: Rng) -> Skin:
    """Stripes, chequers or a blend of two shades."""
    other, angle = shade(str(rng.choice(COLOURS)), rng), rng.uniform(0, np.pi)
    blended, crossed = rng.random() < 0.3, rng.random() < 0.4
    waves = np.pi * (rng.uniform(0.4, 2) if blended else rng.uniform(1.5, 5))

    def skin(size: tuple[int, int], _rng: Rng) -> Image.Image:
        y, x = np.mgrid[-1 : 1 : size[1] * 1j, -1 : 1 : size[0] * 1j]
        wave = np.sin(waves * (np.cos(angle) * x + np.sin(angle) * y))
        if crossed:
            wave = wave * np.sin(waves * (np.cos(angle) * y - np.sin(angle) * x))
        share = (wave + 1) / 2 if blended else wave > 0
        return Image.fromarray((fill + (other - fill) * share[..., None]).clip(0, 255).astype(np.uint8))

    return skin


def _with_parts(
    picture: Image.Image, thing: SceneObject, fill: Rgb, ground: Rgb, side: int, rng: Rng
) -> Image.Image:
    """Large pieces grown onto a thing or cut out of it, as an arrow, a key or a crescent are made."""
    others = rng.random() < 0.4

    def part(_count: int) -> tuple[Corners, Rgb, float, float]:
        kind = rng.random()
        colour = ground if kind < 0.25 else shade(str(rng.choice(COLOURS)), rng) if others else fill
        return _part_outline(rng), colour, rng.uniform(0.3, 1.0), rng.uniform(0.3, 1.2)

    return _changed(picture, thing, part, [1, 1, 2, 2, 3, 4], side, rng)


def _with_marks(
    picture: Image.Image, thing: SceneObject, fill: Rgb, ground: Rgb, side: int, rng: Rng
) -> Image.Image:
    """Small pieces on a thing, cut out of it or grown onto it."""

    def mark(count: int) -> tuple[Corners, Rgb, float, float]:
        colours = shade(str(rng.choice(COLOURS)), rng), ground, fill
        colour = colours[int(rng.choice(3, p=[0.7, 0.15, 0.15]))]
        size = rng.uniform(0.12, max(0.3, 0.8 / count**0.5))
        return _mark_outline(rng), colour, max(size, 0.06 / thing.extent), rng.uniform(0, 1.1)

    return _changed(picture, thing, mark, [1, 1, 2, 2, 3, 4, 6, 9], side, rng)


def _changed(
    picture: Image.Image,
    thing: SceneObject,
    draw: Callable[[int], tuple[Corners, Rgb, float, float]],
    counts: list[int],
    side: int,
    rng: Rng,
) -> Image.Image:
    """Pieces on a thing, tried anew until they are seen where the picture is 64 pixels wide.

    `draw` is given how many there are, and gives an outline, its colour, and its size and its distance from
    the thing's middle in the thing's own half extents.
    """
    for _ in range(_TRIES):
        found, count = picture.copy(), int(rng.choice(counts))
        alike, upright, turn = rng.random() < 0.5, rng.random() < 0.5, rng.uniform(0, 2 * np.pi)
        pieces = [draw(count)] * count if alike else [draw(count) for _ in range(count)]
        for index, (loop, colour, size, distance) in enumerate(pieces):
            angle = rng.uniform(0, 2 * np.pi)
            if upright:
                angle = np.pi / 2 * rng.integers(4)
            elif alike:
                angle = turn + 2 * np.pi * index / count
            half = thing.extent / 2
            x, y = (
                middle + half * distance * way
                for middle, way in zip(thing.centre, (np.cos(angle), np.sin(angle)), strict=True)
            )
            hole = (loop * rng.uniform(0.6, 0.95),) if rng.random() < 0.1 else ()
            paint(found, Piece((loop, *hole), (x, y), half * size), lit(colour), None, side, False, rng)
        before, after = (np.asarray(p.resize((64, 64)), int) for p in (picture, found))
        if (np.abs(before - after).max(-1) > 40).sum() >= 10:
            break
    return found


def _part_outline(rng: Rng) -> Corners:
    kind = rng.random()
    if kind < 0.3:
        return outline(str(rng.choice(SHAPES)), rng)
    return strange_outline(rng) if kind < 0.5 else _turned(_bar(rng), rng)


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
    return _turned(_STRANGE[int(rng.integers(len(_STRANGE)))](rng), rng)


def _turned(corners: Corners, rng: Rng) -> Corners:
    """Turned by any angle; half the time by a right one, as people draw."""
    turn = np.pi / 2 * rng.integers(4) if rng.random() < 0.5 else rng.uniform(0, 2 * np.pi)
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


def _bar(rng: Rng) -> Corners:
    """A rectangle or an ellipse."""
    box = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]])
    around = box if rng.random() < 0.6 else _polar(np.ones(60), _ROUND)
    return np.asarray(around * [1, rng.uniform(0.1, 0.72)])


def _squeezed(rng: Rng) -> Corners:
    """One of the eight, far narrower than it may be."""
    shape = str(rng.choice(["star", "cross", "heart", "diamond"]))
    return np.asarray(outline(shape, rng) * [1, rng.uniform(0.12, 0.4 if shape == "diamond" else 0.65)])


def _slanted(rng: Rng) -> Corners:
    """One of the eight, slanted."""
    shape, slant = str(rng.choice(["square", "square", "star", "cross", "heart"])), rng.uniform(0.35, 1.2)
    corners = outline(shape, rng) @ np.array([[1, 0], [slant * rng.choice([-1, 1]), 1]])
    return np.asarray(corners * [1, rng.uniform(0.5, 1)])


def _quadrilateral(rng: Rng) -> Corners:
    """A trapezium, or a kite."""
    if rng.random() < 0.6:
        top, shift = rng.uniform(0.25, 0.75), rng.uniform(-0.3, 0.3)
        height = rng.uniform(0.4, 1)
        return np.array([[-1, height], [1, height], [shift + top, -height], [shift - top, -height]])
    wide, high = rng.uniform(0.4, 1), rng.uniform(0.15, 0.7)
    return np.array([[0, -high], [wide, 0], [0, 1], [-wide, 0]])


def _disturbed(rng: Rng) -> Corners:
    """One of the eight, its corners moved about."""
    corners = outline(str(rng.choice(["square", "star", "cross"])), rng)
    return np.asarray(corners + rng.normal(0, rng.uniform(0.2, 0.4), corners.shape))


def _superellipse(rng: Rng) -> Corners:
    """Between a cross, a diamond, a circle and a square."""
    power = 2 / rng.choice([rng.uniform(0.4, 0.75), rng.uniform(1.3, 1.5), rng.uniform(2.8, 4)])
    around = _polar(np.ones(60), _ROUND)
    return np.asarray(np.sign(around) * np.abs(around) ** power)


def _sector(rng: Rng) -> Corners:
    """A part of a disc, or of a ring."""
    angle = np.linspace(0, rng.uniform(0.25, 0.88) * 2 * np.pi, 40)
    arc, kind = _polar(np.ones(40), angle), rng.random()
    inner = arc[::-1] * rng.uniform(0.4, 0.8) if kind < 0.4 else np.zeros((int(kind < 0.7), 2))
    return np.concatenate([arc, inner])


def _smooth(rng: Rng) -> Corners:
    """A closed curve of a few waves."""
    angle, radius = _ROUND, np.ones(60)
    for wave in range(2, 6):
        radius += rng.normal(0, 0.22) * np.cos(wave * angle + rng.uniform(0, 2 * np.pi))
    return _polar(radius.clip(0.1), angle)


def _ribbon(rng: Rng) -> Corners:
    """A thick line that bends smoothly or at corners, as letters, spirals and flashes do."""
    corners = int(rng.integers(2, 7))
    turns = rng.uniform(-2.6, 2.6, corners)
    if rng.random() < 0.3:  # to and fro
        turns = np.abs(turns) * (-1) ** np.arange(corners)
    lengths, steps = rng.uniform(0.4, 1, corners), 12 if rng.random() < 0.5 else 1
    heading = np.cumsum(np.repeat(turns / steps, steps))
    way = _polar(np.repeat(lengths / steps, steps), heading)
    line = np.concatenate([np.zeros((1, 2)), way.cumsum(0)])
    along = np.gradient(line, axis=0)
    across = along[:, ::-1] * [-1, 1] / np.hypot(*along.T).clip(1e-6)[:, None]
    wide = rng.uniform(0.06, 0.22) * np.ptp(line, axis=0).max() * across
    if rng.random() < 0.2:  # to a point
        wide = wide * np.linspace(1, 0.1, len(line))[:, None]
    return np.concatenate([line + wide, (line - wide)[::-1]])


_STRANGE: tuple[Callable[[Rng], Corners], ...] = (
    *(_regular, _regular, _irregular, _star, _bar, _squeezed, _slanted, _slanted, _quadrilateral),
    *(_disturbed, _superellipse, _sector, _sector, _smooth, _smooth, _ribbon, _ribbon),
)
