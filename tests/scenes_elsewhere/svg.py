"""Scenes as SVG text, drawn by resvg."""

import io
import math

import resvg_py
from PIL import Image

from tests.scenes_elsewhere.sampling import Scene, Thing

# Hearts as one would write them by hand: a start, then cubic curves (two handles and an end each).
HEARTS = (
    ((50, 90), [(15, 65, 5, 45, 5, 30), (5, 12, 18, 5, 28, 5), (38, 5, 46, 11, 50, 20)]),
    ((50, 95), [(40, 82, 0, 60, 0, 32), (0, 14, 12, 4, 26, 4), (36, 4, 45, 10, 50, 22)]),
    (
        (12, 21.35),
        [(5.4, 15.36, 2, 12.28, 2, 8.5), (2, 5.42, 4.42, 3, 7.5, 3), (9.24, 3, 10.91, 3.81, 12, 5.09)],
    ),
)


def draw_svg(scene: Scene) -> Image.Image:
    """Draw a scene by way of SVG."""
    png = resvg_py.svg_to_bytes(svg_string=svg_text(scene), skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def svg_text(scene: Scene) -> str:
    """Write a scene as an SVG document."""
    body = "\n".join(f"  {_element(thing)}" for thing in scene.things)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{scene.width}" height="{scene.height}"'
        f' viewBox="0 0 {scene.width} {scene.height}">\n'
        f'  <rect width="100%" height="100%" fill="{scene.background}"/>\n{body}\n</svg>\n'
    )


def _element(thing: Thing) -> str:
    write = {
        "circle": _circle,
        "square": _square,
        "triangle": _triangle,
        "star": _star,
        "cross": _cross,
        "heart": _heart,
        "ring": _ring,
        "diamond": _diamond,
    }[thing.shape]
    place = f"translate({thing.cx:.2f} {thing.cy:.2f})"
    if thing.angle:
        place += f" rotate({thing.angle:.1f})"
    return f'<g transform="{place}">{write(thing)}</g>'


def _paint(thing: Thing) -> str:
    paint = f'fill="{thing.fill}"'
    if thing.outline:
        paint += f' stroke="{thing.outline}" stroke-width="{thing.outline_width:.2f}"'
        if thing.proportion > 0.5:
            paint += ' stroke-linejoin="round"'
    return paint


def _circle(thing: Thing) -> str:
    return f'<circle r="{thing.across / 2:.2f}" {_paint(thing)}/>'


def _square(thing: Thing) -> str:
    corner = f' rx="{0.06 * thing.across:.2f}"' if thing.form > 0.8 else ""
    return f"<rect {_box(thing.across, thing.across)}{corner} {_paint(thing)}/>"


def _triangle(thing: Thing) -> str:
    height = math.sqrt(3) / 2 if thing.form < 0.5 else 0.8 + 0.5 * thing.proportion
    return _polygon(thing, [(0.5, 0), (1, height), (0, height)])


def _star(thing: Thing) -> str:
    inner = 0.382 if thing.form < 0.5 else 0.5
    points = []
    for i in range(10):
        radius, turn = (inner if i % 2 else 1.0), math.pi * i / 5
        points.append((radius * math.sin(turn), -radius * math.cos(turn)))
    return _polygon(thing, points)


def _cross(thing: Thing) -> str:
    arm = 0.28 + 0.12 * thing.proportion
    low, high = (1 - arm) / 2, (1 + arm) / 2
    if thing.form < 0.4 and not thing.outline:  # two bars, one over the other
        size, bar = thing.across, arm * thing.across
        return "".join(f'<rect {_box(*ends)} fill="{thing.fill}"/>' for ends in ((size, bar), (bar, size)))
    outline = [(low, 0), (high, 0), (high, low), (1, low), (1, high), (high, high)]
    return _polygon(thing, outline + [(1 - x, 1 - y) for x, y in outline])


def _diamond(thing: Thing) -> str:
    if thing.form < 0.4:  # a square on its corner
        side = thing.across / math.sqrt(2)
        return f'<rect {_box(side, side)} transform="rotate(45)" {_paint(thing)}/>'
    wide = 0.6 + 0.25 * thing.proportion
    return _polygon(thing, [(0, -1), (wide, 0), (0, 1), (-wide, 0)])


def _ring(thing: Thing) -> str:
    band = (0.13 + 0.10 * thing.proportion) * thing.across
    radius = (thing.across - band) / 2
    circle = f'<circle r="{radius:.2f}" fill="none" stroke="{{}}" stroke-width="{{:.2f}}"/>'
    under = circle.format(thing.outline, band + thing.outline_width) if thing.outline else ""
    over = circle.format(thing.fill, band - thing.outline_width if thing.outline else band)
    return under + over


def _heart(thing: Thing) -> str:
    (x, y), left = HEARTS[int(thing.form * len(HEARTS))]
    # The right half is the left one mirrored and walked back to the start.
    nodes = [(x, y), *((c[i], c[i + 1]) for c in left for i in (0, 2, 4))]
    nodes += [(2 * x - u, v) for u, v in reversed(nodes[:-1])]
    # Their handles never leave the box of the ends, so the nodes' box is the curve's.
    xs, ys = zip(*nodes, strict=True)
    scale = thing.across / max(max(xs) - min(xs), max(ys) - min(ys))
    x0, y0 = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    text = [f"{scale * (u - x0):.2f} {scale * (v - y0):.2f}" for u, v in nodes]
    return f'<path d="M {text[0]} C {", ".join(text[1:])} Z" {_paint(thing)}/>'


def _box(width: float, height: float) -> str:
    return f'x="{-width / 2:.2f}" y="{-height / 2:.2f}" width="{width:.2f}" height="{height:.2f}"'


def _polygon(thing: Thing, points: list[tuple[float, float]]) -> str:
    """Write a polygon, given in any unit, fitted to the thing's size and centred."""
    xs, ys = zip(*points, strict=True)
    scale = thing.across / max(max(xs) - min(xs), max(ys) - min(ys))
    x0, y0 = (max(xs) + min(xs)) / 2, (max(ys) + min(ys)) / 2
    text = " ".join(f"{scale * (x - x0):.2f},{scale * (y - y0):.2f}" for x, y in points)
    return f'<polygon points="{text}" {_paint(thing)}/>'
