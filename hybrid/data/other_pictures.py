"""Pictures of anything but the scenes: what a model of scenes should say it has not seen.

These are far from scenes: noise, clouds, collages, text, plots of lines. A detector is trained on them and on
`hybrid.data.near_scenes` (outlier exposure, Hendrycks et al., arXiv:1812.04606); they stand for everything
else, photographs included, of which none are needed.
"""

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

from hybrid.data.drawing import Rng, photograph, shade
from hybrid.data.palette import COLOURS

Size = tuple[int, int]  # width and height in pixels
Rgb = tuple[int, int, int]
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJ0123456789.,  "


def draw_other(rng: Rng) -> Image.Image:
    """Draw a picture that is no scene.

    Args:
        rng: The only source of randomness.

    Returns:
        An RGB picture of 64 to 192 pixels on its short side.
    """
    side, aspect = np.exp(rng.uniform(np.log(64), np.log(192))), rng.uniform(0.6, 1.7)
    size = round(side * max(aspect, 1)), round(side * max(1 / aspect, 1))
    kinds, often = list(_KINDS), np.array(list(_KINDS.values()))
    picture = kinds[int(rng.choice(len(kinds), p=often / often.sum()))](rng, size)
    return photograph(picture, rng) if rng.random() < 0.7 else picture


def _colour(rng: Rng) -> Rgb:
    rgb = rng.integers(0, 256, 3) if rng.random() < 0.5 else shade(str(rng.choice(COLOURS)), rng)
    return int(rgb[0]), int(rgb[1]), int(rgb[2])


def _grey(rng: Rng) -> Rgb:
    level = int(rng.choice(np.array([0, 255, rng.integers(0, 256)])))
    return level, level, level


def _plain(rng: Rng, size: Size) -> Image.Image:
    return Image.new("RGB", size, _colour(rng) if rng.random() < 0.5 else _grey(rng))


def _ground(rng: Rng, size: Size) -> Image.Image:
    kind = rng.random()
    if kind < 0.6:
        return Image.new("RGB", size, _grey(rng))
    return _plain(rng, size) if kind < 0.8 else _gradient(rng, size)


def _plane(size: Size) -> tuple[np.ndarray, np.ndarray]:
    y, x = np.mgrid[-0.5 : 0.5 : size[1] * 1j, -0.5 : 0.5 : size[0] * 1j]
    return x, y


def _mixed(rng: Rng, share: np.ndarray) -> Image.Image:
    """Two colours, mixed by a share of 0 to 1 at each pixel."""
    first, second = np.array(_colour(rng)), np.array(_colour(rng))
    return Image.fromarray((first + (second - first) * share[..., None]).clip(0, 255).astype(np.uint8))


def _gradient(rng: Rng, size: Size) -> Image.Image:
    (x, y), angle = _plane(size), rng.uniform(0, 2 * np.pi)
    along = np.cos(angle) * x + np.sin(angle) * y if rng.random() < 0.7 else 1.4 * np.hypot(x, y) - 0.5
    return _mixed(rng, np.clip(along + 0.5, 0, 1))


def _stripes(rng: Rng, size: Size) -> Image.Image:
    (x, y), angle, waves = _plane(size), rng.uniform(0, np.pi), 2 * np.pi * rng.uniform(2, 20)
    wave = np.sin(waves * (np.cos(angle) * x + np.sin(angle) * y))
    if rng.random() < 0.5:
        wave *= np.sin(waves * (np.cos(angle) * y - np.sin(angle) * x))
    return _mixed(rng, ((np.sign(wave) if rng.random() < 0.6 else wave) + 1) / 2)


def _noise(rng: Rng, size: Size) -> Image.Image:
    grain = int(rng.choice([1, 1, 2, 4, 8, 16]))
    shape = max(2, size[1] // grain), max(2, size[0] // grain), 3
    even = rng.random() < 0.6
    pixels = rng.uniform(0, 256, shape) if even else rng.normal(128, rng.uniform(10, 60), shape)
    if rng.random() < 0.3:
        pixels = pixels[..., :1].repeat(3, 2)
    resample = Image.Resampling(int(rng.choice([0, 2, 3])))
    return Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).resize(size, resample)


def _cloud(rng: Rng, size: Size) -> Image.Image:
    """A field whose amplitudes fall with the frequency, as those of photographs do."""
    width, height = size
    frequency = np.hypot(*np.meshgrid(np.fft.fftfreq(width), np.fft.fftfreq(height))) + 1 / max(size)
    spectra = np.fft.fft2(rng.normal(size=(3, height, width))) / frequency ** rng.uniform(0.6, 2)
    levels = np.fft.ifft2(spectra + rng.uniform(0, 4) * spectra[:1]).real
    levels = (levels - levels.min()) / np.ptp(levels)
    levels = ((levels - 0.5) * rng.uniform(0.6, 2) + rng.uniform(0.25, 0.75)).clip(0, 1)
    if rng.random() < 0.2:
        levels = levels.mean(0, keepdims=True).repeat(3, 0)
    return Image.fromarray((255 * levels.transpose(1, 2, 0)).astype(np.uint8))


def _dead_leaves(rng: Rng, size: Size) -> Image.Image:
    """Overlapping pieces of any size and texture, the classical model of a photograph's statistics."""
    picture, side = _cloud(rng, size), min(size)
    for _ in range(int(rng.integers(3, 40))):
        radius = side * min(0.6, 0.03 + 0.04 * rng.pareto(1.2))
        stencil = Image.new("L", size)
        _irregular(rng, ImageDraw.Draw(stencil), _somewhere(rng, size, 0), radius, 255)
        if rng.random() < 0.6:
            stencil = stencil.filter(ImageFilter.GaussianBlur(rng.uniform(0.3, 4)))
        texture = _cloud if rng.random() < 0.2 else _gradient if rng.random() < 0.5 else _plain
        picture.paste(texture(rng, size), (0, 0), stencil)
    return picture


def _blobs(rng: Rng, size: Size) -> Image.Image:
    picture = _ground(rng, size)
    for _ in range(int(rng.integers(1, 8))):
        level = int(rng.integers(100, 200))
        stencil = _cloud(rng, size).convert("L").point(lambda v, level=level: 255 * (v > level))
        picture.paste(_colour(rng), (0, 0), stencil.filter(ImageFilter.GaussianBlur(rng.uniform(0, 3))))
    return picture


def _text(rng: Rng, size: Size) -> Image.Image:
    picture, height = _ground(rng, size), int(rng.integers(8, max(9, min(size) // 3)))
    pen, font, fill = ImageDraw.Draw(picture), ImageFont.load_default(height), _colour(rng)
    once = rng.random() < 0.25
    y = size[1] / 3 if once else float(rng.integers(0, height + 1))
    while y < size[1]:
        words = "".join(rng.choice(list(_LETTERS), rng.integers(2, 40)))
        x = float(rng.integers(0, max(1, size[0] // 3))) if once else 4.0
        pen.text((x, y), words, fill=fill, font=font)
        y += size[1] if once else height * rng.uniform(1.1, 1.8)
    return picture


def _lines(rng: Rng, size: Size) -> Image.Image:
    picture = _ground(rng, size)
    pen, (width, height), side = ImageDraw.Draw(picture), size, min(size)
    for _ in range(int(rng.integers(1, 30))):
        count, kind = int(rng.integers(2, 30)), rng.random()
        if kind < 0.4:  # a plot
            points = np.stack([np.linspace(0, width, count), rng.normal(height / 2, height / 6, count)], 1)
        elif kind < 0.7:  # a scribble
            points = rng.normal(0, side / 8, (count, 2)).cumsum(0) + rng.uniform(0, size)
        else:
            points = rng.uniform(0, size, (2, 2))
        pen.line(points.ravel().tolist(), fill=_colour(rng), width=int(rng.integers(1, max(2, side // 20))))
    return picture


def _somewhere(rng: Rng, size: Size, margin: float) -> np.ndarray:
    return rng.uniform(margin, np.maximum(np.array(size) - margin, margin))


def _irregular(
    rng: Rng, pen: ImageDraw.ImageDraw, centre: np.ndarray, radius: float, fill: Rgb | int
) -> None:
    count = int(rng.integers(3, 14))
    angles, radii = np.sort(rng.uniform(0, 2 * np.pi, count)), radius * rng.uniform(0.4, 1.2, count)
    _polygon(pen, centre, angles, radii, fill)


def _polygon(
    pen: ImageDraw.ImageDraw, centre: np.ndarray, angles: np.ndarray, radii: np.ndarray, fill: Rgb | int
) -> None:
    corners = centre + radii[:, None] * np.stack([np.cos(angles), np.sin(angles)], 1)
    pen.polygon(corners.ravel().tolist(), fill=fill)


def _collage(rng: Rng, size: Size) -> Image.Image:
    first, second = (list(_KINDS)[int(rng.integers(len(_KINDS) - 1))](rng, size) for _ in range(2))
    if rng.random() < 0.5:
        return Image.blend(first, second, float(rng.uniform(0.2, 0.8)))
    half = _plane(size)[int(rng.integers(2))] > 0
    return Image.composite(first, second, Image.fromarray((255 * half).astype(np.uint8)))


# How often each is drawn. Collages are made of those before them.
_KINDS = {
    _text: 3,
    _lines: 2,
    _blobs: 2,
    _dead_leaves: 2,
    _plain: 1,
    _gradient: 1,
    _noise: 1,
    _cloud: 1,
    _stripes: 1,
    _collage: 1,
}
