"""Pictures that are no drawn scenes; every function draws one from a random generator."""

import io

import numpy as np
from PIL import Image, ImageDraw

_BRIGHT = ["red", "green", "blue", "orange", "purple", "brown", "black"]


def noise(rng):
    return Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8))


def gradient(rng):
    first, last = rng.integers(0, 256, (2, 3))
    along = np.linspace(0, 1, 120)[:, None, None]
    return Image.fromarray((first * (1 - along) + last * along + np.zeros((1, 90, 1))).astype(np.uint8))


def cloud(rng):
    """Like a photograph of nothing in particular: its spectrum falls with the frequency."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128)] * 2)) + 1 / 128
    spectra = np.fft.fft2(rng.normal(size=(3, 128, 128))) / frequency**1.2
    levels = np.fft.ifft2(spectra + 2 * spectra[:1]).real
    levels = (levels - levels.min()) / (levels.max() - levels.min())
    return Image.fromarray((255 * levels.transpose(1, 2, 0)).astype(np.uint8))


def text(rng):
    picture = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(picture)
    for y in range(10, 290, 14):
        draw.text((10, y), "".join(rng.choice(list("abcdefghijk  "), rng.integers(10, 60))), fill="black")
    return picture


def plot(rng):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot(rng.normal(size=(50, 3)).cumsum(0))
    axes.scatter(*rng.normal(size=(2, 80)))
    axes.set_title("A title")
    stream = io.BytesIO()
    figure.savefig(stream)
    return Image.open(stream).convert("RGB")


def grey_photograph(rng):
    return cloud(rng).convert("L").convert("RGB")


def plain(rng):
    return Image.new("RGB", (200, 150), tuple(rng.integers(0, 256, 3).tolist()))


def five_circles(rng):
    picture = Image.new("RGB", (240, 240), "white")
    for i in range(5):
        x, y = 20 + 70 * (i % 3) + rng.integers(0, 20), 30 + 100 * (i // 3) + rng.integers(0, 20)
        colour = tuple(rng.integers(0, 200, 3).tolist())
        ImageDraw.Draw(picture).ellipse((x, y, x + 48, y + 48), fill=colour)
    return picture


def pentagon(rng):
    picture = Image.new("RGB", (240, 240), "white")
    turn, colour = int(rng.integers(0, 72)), tuple(rng.integers(0, 160, 3).tolist())
    ImageDraw.Draw(picture).regular_polygon((120, 120, 80), 5, rotation=turn, fill=colour)
    return picture


def plaid(rng):
    stripes = rng.integers(0, 256, (2, 8, 3)).repeat(16, 1)
    return Image.fromarray(((stripes[0][:, None] + stripes[1][None]) // 2).astype(np.uint8))


def chequers(rng):
    odd = np.indices((160, 160)).sum(0) // int(rng.integers(8, 24)) % 2
    return Image.fromarray(rng.integers(0, 256, (2, 3))[odd].astype(np.uint8))


def scribble(rng):
    picture = Image.new("RGB", (200, 200), "white")
    points = rng.uniform(20, 180, (30, 2)).ravel().tolist()
    ImageDraw.Draw(picture).line(points, fill="black", width=2, joint="curve")
    return picture


def smiley(rng):
    picture = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 30, 130, 130), fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=3)
    for x in (60, 90):
        draw.ellipse((x, 60, x + 10, 75), fill="black")
    draw.arc((55, 60, 105, 110), 20, 160, fill="black", width=3)
    return picture


def house(rng):
    picture, wall, roof = Image.new("RGB", (200, 200), "white"), *rng.choice(_BRIGHT, 2, replace=False)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 90, 140, 160), fill=wall)
    draw.polygon([(50, 90), (100, int(rng.integers(30, 60))), (150, 90)], fill=roof)
    return picture


def arrow(rng):
    picture, way = Image.new("RGB", (200, 200), "white"), rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(way), np.sin(way)], [-np.sin(way), np.cos(way)]])
    corners = (
        np.array([(-70, -10), (15, -10), (15, -28), (70, 0), (15, 28), (15, 10), (-70, 10)]) @ turn + 100
    )
    ImageDraw.Draw(picture).polygon(corners.ravel().tolist(), fill=str(rng.choice(_BRIGHT)))
    return picture


def die(rng):
    picture, face, pips = Image.new("RGB", (200, 200), "white"), *rng.choice(_BRIGHT, 2, replace=False)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((50, 50, 150, 150), fill=face)
    for x, y in rng.permutation([(75, 75), (125, 125), (75, 125), (125, 75), (100, 100)])[2:].tolist():
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=pips)
    return picture


def three_squares(rng):
    picture = Image.new("RGB", (200, 200), "white")
    for x, y in [(50, 60), (145, 65), (100, 145)]:
        x, y = x + int(rng.integers(-8, 8)), y + int(rng.integers(-8, 8))
        ImageDraw.Draw(picture).rectangle((x - 25, y - 25, x + 25, y + 25), fill=str(rng.choice(_BRIGHT)))
    return picture


def maze(rng):
    picture = Image.fromarray((rng.random((20, 20)) > 0.5).astype(np.uint8) * 255)
    return picture.resize((160, 160), Image.Resampling.NEAREST).convert("RGB")


# None of these took part in training; what did is drawn by other code.
NO_SCENES = [
    *(noise, gradient, cloud, text, plot, grey_photograph, plain, five_circles, pentagon, plaid),
    *(chequers, scribble, smiley, house, arrow, die, three_squares, maze),
]
