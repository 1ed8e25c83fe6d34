"""What a picture shows, and a seeded way to choose it."""

import math
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from PIL import ImageColor

SHAPES = ("circle", "square", "triangle", "star", "cross", "heart", "ring", "diamond")
SIZES = ("small", "large")
RELATIONS = ("left", "right", "above", "below")

# What people type when they want the colour: CSS names, then Material, Tailwind and Tableau values. Left
# out are the few that pass for a neighbour: CSS brown and firebrick (one colour, nearly), mediumpurple.
COLOURS = {
    "red": ("red", "crimson", "#f44336", "#ef4444", "#d62728", "#e53935"),
    "green": ("green", "limegreen", "forestgreen", "seagreen", "#4caf50", "#22c55e", "#2ca02c"),
    "blue": ("blue", "royalblue", "dodgerblue", "steelblue", "#2196f3", "#3b82f6", "#1f77b4", "#1565c0"),
    "yellow": ("yellow", "gold", "#ffeb3b", "#fde047", "#fdd835"),
    "orange": ("orange", "darkorange", "#ff9800", "#f97316", "#ff7f0e", "#fb8c00"),
    "purple": ("purple", "darkviolet", "darkorchid", "#8e24aa", "#9c27b0", "#a855f7", "#9467bd"),
    "pink": ("pink", "hotpink", "lightpink", "deeppink", "#ec4899", "#f06292", "#f48fb1", "#e377c2"),
    "brown": ("saddlebrown", "sienna", "#795548", "#6d4c41", "#8c564b", "#8b5a2b"),
    "black": ("black", "#111111", "#1a1a1a", "#212121"),
    "white": ("white", "#fafafa", "snow", "whitesmoke"),
}
BACKGROUNDS = (
    *("white", "#ffffff", "#fafafa", "ivory", "#f5f5f5"),
    *("#eeeeee", "lightgrey", "#e0e0e0", "#cccccc"),
    *("#444444", "#333333", "#424242", "#3a3a3a"),
    *("#111111", "#1e1e1e", "#0d1117", "#121212"),
)
CANVASES = ((288, 288), (320, 240), (240, 320), (400, 300))
ACROSS = {"small": (0.14, 0.20), "large": (0.30, 0.45)}  # of the picture's short side
OUTLINES = ("black", "#222222", "#333333", "#444444")

CONTRAST = 32.0  # least CIE76 difference between an object and the background
MARGIN = 4.0  # pixels left free at the picture's edge
GAP = 0.05  # of the short side, least free strip between two objects
ASIDE = 0.4  # most sideways offset, of the distance along the relation's axis


@dataclass(frozen=True)
class Thing:
    """One object; `cx`, `cy` is the middle of its upright bounding box and `across` the longer side of it."""

    shape: str
    colour: str
    size: str
    fill: str
    across: float
    angle: float  # degrees, clockwise
    outline: str | None
    outline_width: float
    form: float  # in [0, 1): which of a renderer's constructions of the shape
    proportion: float  # in [0, 1): where a construction leaves its proportions open
    cx: float = 0.0
    cy: float = 0.0

    @property
    def reach(self) -> float:
        """Half the side of an upright box, around the centre, that holds every drawn pixel."""
        turn = math.radians(abs(self.angle))
        # 2: the pointed corner of an outline may stick out four half-widths before it is cut off.
        return 0.5 * self.across * (math.cos(turn) + math.sin(turn)) + 2 * self.outline_width + 1.0


@dataclass(frozen=True)
class Scene:
    """A picture; with two objects, the second is `relation` of the first ("left": to its left)."""

    width: int
    height: int
    background: str
    things: tuple[Thing, ...]
    relation: str | None = None


def rgb(colour: str) -> tuple[int, int, int]:
    """Return a CSS colour's channels."""
    red, green, blue = ImageColor.getrgb(colour)[:3]
    return red, green, blue


def difference(one: str, other: str) -> float:
    """Return how far apart two CSS colours look (CIE76)."""
    return float(np.linalg.norm(_lab(one) - _lab(other)))


def sample_scene(rng: np.random.Generator, n_objects: int) -> Scene:
    """Choose a scene of one or two objects."""
    if n_objects not in (1, 2):
        raise ValueError(f"a scene has one or two objects, not {n_objects}")
    width, height = CANVASES[rng.choice(len(CANVASES), p=(0.7, 0.1, 0.1, 0.1))]
    background = _pick(rng, BACKGROUNDS)
    things = [_thing(rng, background, min(width, height)) for _ in range(n_objects)]
    if n_objects == 1:
        (thing,) = things
        x = _between(rng, thing.reach + MARGIN, width - thing.reach - MARGIN)
        y = _between(rng, thing.reach + MARGIN, height - thing.reach - MARGIN)
        return Scene(width, height, background, (replace(thing, cx=x, cy=y),))

    while (things[0].shape, things[0].colour) == (things[1].shape, things[1].colour):
        things[1] = _thing(rng, background, min(width, height))
    relation = _pick(rng, RELATIONS)
    return Scene(width, height, background, _arranged(rng, things, relation, width, height), relation)


def _thing(rng: np.random.Generator, background: str, short: int) -> Thing:
    size = _pick(rng, SIZES)
    across = short * _between(rng, *ACROSS[size])
    shape = _pick(rng, SHAPES)
    visible = {
        colour: [fill for fill in fills if difference(fill, background) >= CONTRAST]
        for colour, fills in COLOURS.items()
    }
    colour = _pick(rng, [colour for colour, fills in visible.items() if fills])
    angle = 0.0
    if rng.random() < 0.4:
        # A diamond turned far enough is a square.
        angle = _between(rng, -15, 15) * (0.35 if shape == "diamond" else 1.0)
    outline = _pick(rng, OUTLINES) if rng.random() < 0.35 else None
    thickest = 2.5 if size == "large" else 1.5
    return Thing(
        shape=shape,
        colour=colour,
        size=size,
        fill=_pick(rng, visible[colour]),
        across=across,
        angle=angle,
        outline=outline,
        outline_width=_between(rng, 1.0, thickest) if outline else 0.0,
        form=rng.random(),
        proportion=rng.random(),
    )


def _arranged(
    rng: np.random.Generator, things: list[Thing], relation: str, width: int, height: int
) -> tuple[Thing, Thing]:
    """Place the second thing on the named side of the first, retrying sizes and places until both fit."""
    first, second = things
    sideways = relation in ("left", "right")
    along, aside = (width, height) if sideways else (height, width)
    short = min(width, height)
    while True:
        first, second = (replace(t, across=short * _between(rng, *ACROSS[t.size])) for t in (first, second))
        before, after = (second, first) if relation in ("left", "above") else (first, second)
        near = before.reach + MARGIN
        distance = before.reach + after.reach + GAP * short
        spare = along - MARGIN - after.reach - (near + distance)
        if spare < 0:
            continue
        start, end = sorted((rng.random(), rng.random()))
        a = near + spare * start
        b = near + spare * end + distance
        c = _between(rng, before.reach + MARGIN, aside - before.reach - MARGIN)
        d = _between(rng, after.reach + MARGIN, aside - after.reach - MARGIN)
        if abs(c - d) <= ASIDE * (b - a):
            break
    at_before, at_after = ((a, c), (b, d)) if sideways else ((c, a), (d, b))
    before = replace(before, cx=at_before[0], cy=at_before[1])
    after = replace(after, cx=at_after[0], cy=at_after[1])
    return (after, before) if relation in ("left", "above") else (before, after)


@cache
def _lab(colour: str) -> np.ndarray:
    srgb = np.array(rgb(colour)) / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    matrix = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = matrix @ linear / np.array([0.9505, 1.0, 1.089])
    f = np.where(xyz > 216 / 24389, np.cbrt(xyz), (24389 / 27 * xyz + 16) / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def _pick(rng: np.random.Generator, options):
    return options[int(rng.integers(len(options)))]


def _between(rng: np.random.Generator, low: float, high: float) -> float:
    return float(rng.uniform(low, high))
