"""Flat icons, as people draw them in SVG; none of them is a scene, and none took part in training.

They are forms in a box from -50 to 50. A and B are colours, G is the ground's.
"""

import io

import resvg_py
from PIL import Image, ImageColor

GROUNDS = ["white", "whitesmoke", "#ddd", "#eef6ff", "#222", "black"]
COLOURS = [
    "red",
    "tomato",
    "darkorange",
    "gold",
    "limegreen",
    "green",
    "teal",
    "dodgerblue",
    "blue",
    "purple",
]
COLOURS += ["hotpink", "saddlebrown", "black", "white"]


def _path(form, colour="A"):
    return f'<path d="{form}" fill="{colour}"/>'


def _line(form, width, colour="A"):
    return f'<path d="{form}" fill="none" stroke="{colour}" stroke-width="{width}" stroke-linecap="round"/>'


def _disc(x, y, radius, colour="A"):
    return f'<circle cx="{x}" cy="{y}" r="{radius}" fill="{colour}"/>'


def _box(x, y, width, height, colour="A"):
    return f'<rect x="{x}" y="{y}" width="{width}" height="{height}" fill="{colour}"/>'


ICONS = {
    "scissors": _line("M-20 20 L22 -46 M20 20 L-22 -46 M-39 34 a13 15 0 1 0 26 0 a13 15 0 1 0 -26 0", 8)
    + _line("M13 34 a13 15 0 1 0 26 0 a13 15 0 1 0 -26 0", 8),
    "spanner": _path(
        "M-8 -14 L-8 44 A8 8 0 0 0 8 44 L8 -14 A24 24 0 0 0 12 -50 L12 -30 L0 -22 L-12 -30 L-12 -50"
        " A24 24 0 0 0 -8 -14Z"
    ),
    "glass": _path(
        "M-26 -48 L26 -48 Q30 0 4 6 L4 38 Q22 40 24 48 L-24 48 Q-22 40 -4 38 L-4 6 Q-30 0 -26 -48Z"
    ),
    "table": _box(-48, -22, 96, 12) + _box(-40, -20, 9, 55) + _box(31, -20, 9, 55),
    "bicycle": _line(
        "M-48 16 a20 20 0 1 0 40 0 a20 20 0 1 0 -40 0 M8 16 a20 20 0 1 0 40 0 a20 20 0 1 0 -40 0", 5
    )
    + _line("M-28 16 L-10 -18 L20 -18 L0 16 L-28 16 M0 16 L-14 -26 M28 16 L18 -30 L30 -32", 5, "B"),
    "aeroplane": _path(
        "M0 -50 Q7 -44 7 -24 L48 8 L48 17 L7 4 L5 32 L18 42 L18 48 L0 43 L-18 48 L-18 42 L-5 32 L-7 4"
        " L-48 17 L-48 8 L-7 -24 Q-7 -44 0 -50Z"
    ),
    "castle": _path("M-45 48 V-30 H-33 V-20 H-24 V-30 H-12 V-6 H12 V-30 H24 V-20 H33 V-30 H45 V48Z")
    + _path("M-9 48 V28 A9 9 0 0 1 9 28 V48Z", "G"),
    "pizza": _path("M-40 -40 Q0 -56 40 -40 L0 50Z") + _disc(-12, -20, 6, "B") + _disc(1, 8, 6, "B"),
    "carrot": _path("M-20 -18 Q0 -34 20 -18 Q16 20 0 50 Q-16 20 -20 -18Z")
    + _line("M0 -24 L-14 -46 M0 -24 L0 -49 M0 -24 L14 -46", 6, "B"),
    "cat": _path("M-38 -48 L-14 -30 Q0 -34 14 -30 L38 -48 L40 4 A40 40 0 0 1 -40 4Z"),
    "camera": _path("M-48 -30 H-22 L-15 -40 H15 L22 -30 H48 V36 H-48Z")
    + _disc(0, 3, 23, "G")
    + _disc(0, 3, 15, "B"),
    "play": _disc(0, 0, 47) + _path("M-15 -22 L25 0 L-15 22Z", "G"),
    "wireless": _disc(0, 30, 7)
    + "".join(
        _line(f"M{-0.7 * q:.1f} {30 - 0.7 * q:.1f} A{q} {q} 0 0 1 {0.7 * q:.1f} {30 - 0.7 * q:.1f}", 9)
        for q in (24, 44, 64)
    ),
    "warning": _path("M0 -45 L50 42 L-50 42Z") + _box(-4, -16, 8, 30, "B") + _disc(0, 24, 5, "B"),
    "crown": _path("M-45 38 L-48 -24 L-24 6 L0 -40 L24 6 L48 -24 L45 38Z"),
    "shield": _path("M0 -48 Q20 -36 40 -36 V0 Q38 34 0 50 Q-38 34 -40 0 V-36 Q-20 -36 0 -48Z"),
    "music": _disc(-30, 34, 12)
    + _disc(26, 24, 12)
    + _path("M-25 34 V-38 L38 -48 V24 H30 V-28 L-18 -20 V34Z"),
    "bottle": _path("M-8 -50 H8 V-24 Q22 -16 22 0 V50 H-22 V0 Q-22 -16 -8 -24Z"),
    "puzzle": _path(
        "M-40 -28 H-10 A12 12 0 1 1 10 -28 H36 V-4 A12 12 0 1 1 36 16 V44 H10 A12 12 0 1 0 -10 44 H-40 V16"
        " A12 12 0 1 0 -40 -4Z"
    ),
    "hourglass": _path(
        "M-32 -48 H32 V-40 Q32 -14 6 0 Q32 14 32 40 V48 H-32 V40 Q-32 14 -6 0 Q-32 -14 -32 -40Z"
    ),
    "person": _disc(0, -28, 18) + _path("M-40 48 Q-40 -4 0 -4 Q40 -4 40 48Z", "B"),
}


def draw_icon(name, rng):
    """Draw one in colours that are told apart, anywhere on a plain ground."""
    ground, width, height = str(rng.choice(GROUNDS)), *rng.integers(160, 300, 2).tolist()
    far = [c for c in rng.permutation(COLOURS) if _apart(c, ground) > 230]
    side = rng.uniform(0.3, 0.75) * min(width, height)
    x, y = (rng.uniform(0.55 * side, length - 0.55 * side) for length in (width, height))
    body = ICONS[name]
    for letter, colour in zip("ABG", (far[0], far[1], ground), strict=True):
        body = body.replace(f'"{letter}"', f'"{colour}"')
    document = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">'
        f'<rect width="100%" height="100%" fill="{ground}"/>'
        f'<g transform="translate({x} {y}) scale({side / 100})">{body}</g></svg>'
    )
    png = resvg_py.svg_to_bytes(svg_string=document, skip_system_fonts=True)
    return Image.open(io.BytesIO(bytes(png))).convert("RGB")


def _apart(one, other):
    colours = (ImageColor.getrgb(str(colour)) for colour in (one, other))
    return sum(abs(a - b) for a, b in zip(*colours, strict=True))
