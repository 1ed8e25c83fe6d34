"""Whether a picture is like those trained on: the detector itself, and the bundled model's."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.inference.out_of_distribution import FILE, Detector, network
from hybrid.inference.things import SIDE, cut_out, outlines
from hybrid.loading.names import BUNDLED
from hybrid.training.out_of_distribution import _folded, _fresh, fit_detector
from tests.hybrid.conftest import one_line
from tests.scenes_elsewhere import sample_pictures


def _disc(colour, ground, centre=(32, 32), radius=12):
    y, x = np.mgrid[:64, :64] + 0.5
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    return torch.tensor(np.where(inside, *(np.reshape(c, (-1, 1, 1)) for c in (colour, ground)))).float()


def test_things_are_cut_out_and_counted():
    ground, red = (1.0, 1.0, 1.1), (1.0, -2.0, -2.0)
    none = _disc(ground, ground)
    one = _disc(red, ground, (20, 40), 12)
    two = one.minimum(_disc(red, ground, (37, 40), 3))  # within the first one's crop
    three = two.minimum(_disc(red, ground, (50, 50), 5))
    found = cut_out(torch.stack([none, one, two, three]))
    assert found.count.tolist() == [0, 1, 2, 3]
    assert found.owner.tolist() == [1, 2, 2]
    assert found.crops[:, :, SIDE // 2, SIDE // 2].allclose(torch.tensor([0.0, -3.0, -3.1]), atol=1e-5)
    assert found.crops[1].allclose(found.crops[0], atol=1e-5)


def test_a_ring_around_something_is_one_thing_with_it():
    white, red = (1.0, 1.0, 1.0), (1.0, -2.0, -2.0)
    ring = _disc(red, white, radius=20).maximum(_disc(white, (-9, -9, -9), radius=14))
    found = cut_out(torch.stack([ring, ring.minimum(_disc(red, white, radius=6))]))
    assert found.count.tolist() == [1, 1]
    assert outlines(found.crops)[:, 0, SIDE // 2, SIDE // 2].tolist() == pytest.approx([0, 1], abs=0.1)


def test_a_thing_looks_the_same_wherever_it_is_and_whatever_its_colour():
    slope = torch.linspace(-0.25, 0.25, 64)[None, None]  # light falls on the ground from a side
    first = _disc((1.0, -2.0, -2.0), (1.0, 1.0, 1.0)) + slope
    second = _disc((0.0, 2.0, -1.0), (-2.0, -2.0, -2.0), (45, 24))
    wanted = _disc((1.0,), (0.0,), (SIDE / 2, SIDE / 2), SIDE / 2 / (1.15 + 1 / 12))[:, :SIDE, :SIDE]
    for share, rest in outlines(cut_out(torch.stack([first, second])).crops):
        assert (share - wanted).abs().mean() < 0.05
        assert rest.abs().max() < 0.1


def test_marks_of_another_colour_are_left_over():
    marked = _disc((1.0, -2.0, -2.0), (1.0, 1.0, 1.0), radius=20)
    marked[:, 28:36, 28:36] = torch.tensor([-2.0, 1.0, 1.0])[:, None, None]
    share, rest = outlines(cut_out(marked[None]).crops)[0]
    assert share[5, SIDE // 2] == pytest.approx(1)
    assert rest[5, SIDE // 2] == pytest.approx(0, abs=1e-3)
    assert rest[SIDE // 2, SIDE // 2] > 0.5


@pytest.fixture(scope="module")
def fitted():
    """A detector that was shown discs, and discs with a hole; and the discs that set its limit."""
    rng = np.random.default_rng(0)

    def discs(count, hole):
        made = []
        for _ in range(count):
            colour, place, radius = rng.uniform(-2, 0, 3), rng.uniform(26, 38, 2), rng.uniform(10, 20)
            made.append(_disc(colour, (1.5, 1.5, 1.5), place, radius))
            if hole:
                made[-1] = made[-1].maximum(_disc((1.5, 1.5, 1.5), (-9, -9, -9), place, radius / 2))
        return torch.stack(made)

    plain, held_out, holed = discs(64, False), discs(50, False), discs(64, True)
    return fit_detector(cut_out(plain), held_out, cut_out(holed), needless=0.04), held_out, discs(20, True)


def test_what_is_unlike_the_scenes_is_strange(fitted):
    known, held_out, holed = fitted
    assert np.mean(known.unfamiliar(holed)) > 0.9
    assert sum(known.unfamiliar(held_out)) == 2
    assert known.unfamiliar(torch.zeros(1, 3, 64, 64)) == [True]


def test_the_network_is_the_trained_one():
    torch.manual_seed(0)
    net = _fresh()
    for layer in net:
        if isinstance(layer, torch.nn.BatchNorm2d):  # as after some training
            layer.running_mean.normal_()
            layer.running_var.uniform_(0.5, 2)
            torch.nn.init.normal_(layer.bias)
    crops = torch.randn(3, 2, SIDE, SIDE)
    wanted = net.eval()(crops)[:, 0]
    assert network(crops, _folded(net)).allclose(wanted, atol=0.01)  # kept in half precision


def test_saved_and_read_back(fitted, tmp_path):
    known, pixels, _ = fitted
    known.save(tmp_path)
    assert Detector.load(tmp_path).scores(pixels).equal(known.scores(pixels))
    assert Detector.load(tmp_path / "none") is None
    (tmp_path / FILE).write_bytes(b"damaged")
    assert Detector.load(tmp_path) is None
    save_file({"other": torch.zeros(1)}, tmp_path / FILE)
    assert Detector.load(tmp_path) is None


def _noise(rng):
    return Image.fromarray(rng.integers(0, 256, (90, 120, 3), np.uint8))


def _gradient(rng):
    first, last = rng.integers(0, 256, (2, 3))
    along = np.linspace(0, 1, 120)[:, None, None]
    return Image.fromarray((first * (1 - along) + last * along + np.zeros((1, 90, 1))).astype(np.uint8))


def _cloud(rng):
    """Like a photograph of nothing in particular: its spectrum falls with the frequency."""
    frequency = np.hypot(*np.meshgrid(*[np.fft.fftfreq(128)] * 2)) + 1 / 128
    spectra = np.fft.fft2(rng.normal(size=(3, 128, 128))) / frequency**1.2
    levels = np.fft.ifft2(spectra + 2 * spectra[:1]).real
    levels = (levels - levels.min()) / (levels.max() - levels.min())
    return Image.fromarray((255 * levels.transpose(1, 2, 0)).astype(np.uint8))


def _text(rng):
    picture = Image.new("RGB", (400, 300), "white")
    draw = ImageDraw.Draw(picture)
    for y in range(10, 290, 14):
        draw.text((10, y), "".join(rng.choice(list("abcdefghijk  "), rng.integers(10, 60))), fill="black")
    return picture


def _plot(rng):
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4, 3))
    axes = figure.subplots()
    axes.plot(rng.normal(size=(50, 3)).cumsum(0))
    axes.scatter(*rng.normal(size=(2, 80)))
    axes.set_title("A title")
    stream = io.BytesIO()
    figure.savefig(stream)
    return Image.open(stream).convert("RGB")


def _grey_photograph(rng):
    return _cloud(rng).convert("L").convert("RGB")


def _plain(rng):
    return Image.new("RGB", (200, 150), tuple(rng.integers(0, 256, 3).tolist()))


def _five_circles(rng):
    picture = Image.new("RGB", (240, 240), "white")
    for i in range(5):
        x, y = 20 + 70 * (i % 3) + rng.integers(0, 20), 30 + 100 * (i // 3) + rng.integers(0, 20)
        colour = tuple(rng.integers(0, 200, 3).tolist())
        ImageDraw.Draw(picture).ellipse((x, y, x + 48, y + 48), fill=colour)
    return picture


def _pentagon(rng):
    picture = Image.new("RGB", (240, 240), "white")
    turn, colour = int(rng.integers(0, 72)), tuple(rng.integers(0, 160, 3).tolist())
    ImageDraw.Draw(picture).regular_polygon((120, 120, 80), 5, rotation=turn, fill=colour)
    return picture


def _plaid(rng):
    stripes = rng.integers(0, 256, (2, 8, 3)).repeat(16, 1)
    return Image.fromarray(((stripes[0][:, None] + stripes[1][None]) // 2).astype(np.uint8))


def _chequers(rng):
    odd = np.indices((160, 160)).sum(0) // int(rng.integers(8, 24)) % 2
    return Image.fromarray(rng.integers(0, 256, (2, 3))[odd].astype(np.uint8))


def _scribble(rng):
    picture = Image.new("RGB", (200, 200), "white")
    points = rng.uniform(20, 180, (30, 2)).ravel().tolist()
    ImageDraw.Draw(picture).line(points, fill="black", width=2, joint="curve")
    return picture


def _smiley(rng):
    picture = Image.new("RGB", (160, 160), "white")
    draw = ImageDraw.Draw(picture)
    draw.ellipse((30, 30, 130, 130), fill=tuple(rng.integers(0, 256, 3).tolist()), outline="black", width=3)
    for x in (60, 90):
        draw.ellipse((x, 60, x + 10, 75), fill="black")
    draw.arc((55, 60, 105, 110), 20, 160, fill="black", width=3)
    return picture


def _house(rng):
    picture, wall, roof = Image.new("RGB", (200, 200), "white"), *rng.choice(_BRIGHT, 2, replace=False)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((60, 90, 140, 160), fill=wall)
    draw.polygon([(50, 90), (100, int(rng.integers(30, 60))), (150, 90)], fill=roof)
    return picture


def _arrow(rng):
    picture, way = Image.new("RGB", (200, 200), "white"), rng.uniform(0, 2 * np.pi)
    turn = np.array([[np.cos(way), np.sin(way)], [-np.sin(way), np.cos(way)]])
    corners = (
        np.array([(-70, -10), (15, -10), (15, -28), (70, 0), (15, 28), (15, 10), (-70, 10)]) @ turn + 100
    )
    ImageDraw.Draw(picture).polygon(corners.ravel().tolist(), fill=str(rng.choice(_BRIGHT)))
    return picture


def _die(rng):
    picture, face, pips = Image.new("RGB", (200, 200), "white"), *rng.choice(_BRIGHT, 2, replace=False)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((50, 50, 150, 150), fill=face)
    for x, y in rng.permutation([(75, 75), (125, 125), (75, 125), (125, 75), (100, 100)])[2:].tolist():
        draw.ellipse((x - 10, y - 10, x + 10, y + 10), fill=pips)
    return picture


def _three_squares(rng):
    picture = Image.new("RGB", (200, 200), "white")
    for x, y in [(50, 60), (145, 65), (100, 145)]:
        x, y = x + int(rng.integers(-8, 8)), y + int(rng.integers(-8, 8))
        ImageDraw.Draw(picture).rectangle((x - 25, y - 25, x + 25, y + 25), fill=str(rng.choice(_BRIGHT)))
    return picture


def _maze(rng):
    picture = Image.fromarray((rng.random((20, 20)) > 0.5).astype(np.uint8) * 255)
    return picture.resize((160, 160), Image.Resampling.NEAREST).convert("RGB")


_BRIGHT = ["red", "green", "blue", "orange", "purple", "brown", "black"]


@pytest.fixture(scope="module")
def strange():
    """Which pictures the bundled model's detector calls strange."""
    _, processor = hybrid.load()
    detector = Detector.load(BUNDLED)
    return lambda pictures: np.array(
        detector.unfamiliar(torch.cat([processor.pixel_values(picture) for picture in pictures]))
    )


# None of these took part in training; what did is drawn by other code.
NO_SCENES = [
    *(_noise, _gradient, _cloud, _text, _plot, _grey_photograph, _plain, _five_circles, _pentagon, _plaid),
    *(_chequers, _scribble, _smiley, _house, _arrow, _die, _three_squares, _maze),
]


def test_what_is_no_drawn_scene_is_strange(strange):
    rng = np.random.default_rng(3)
    found = {draw.__name__: strange([draw(rng) for _ in range(12)]).mean() for draw in NO_SCENES}
    assert np.mean(list(found.values())) >= 0.95, found
    assert min(found.values()) >= 0.5, found


def test_real_photographs_are_strange(strange):
    images = pytest.importorskip("sklearn.datasets").load_sample_images().images
    assert strange([Image.fromarray(image) for image in images]).all()


def test_scenes_are_not_strange_whoever_drew_them(strange):
    rng = np.random.default_rng(5)
    assert strange([draw_scene(sample_scene(rng), rng) for _ in range(300)]).mean() <= 0.01
    others = [
        picture
        for renderer in ("svg", "figure")
        for n_objects in (1, 2)
        for picture, _ in sample_pictures(75, n_objects, seed=77, renderer=renderer)
    ]
    assert strange(others).mean() <= 0.01


def test_the_library_says_so_too(scenes):
    with pytest.warns(UserWarning, match="1 of 2 pictures are unlike anything"):
        hybrid.caption([_text(np.random.default_rng(3)), scenes[0][0]], max_new_tokens=2)
    hybrid.caption([scenes[0][0]], max_new_tokens=2)  # a warning would be an error here


@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_the_command_says_it_once_on_stderr(run, scenes, tmp_path, more):
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        _text(rng).save(path)
    code, out, err = run("caption", *more, scenes[0][0], *paths)
    assert code == 0
    assert len(out.splitlines()) == 4
    one_line(err, f"note: {paths[0]} is unlike", "drawn scenes", "--model")
    assert run("caption", *more, "-q", paths[0])[2] == ""
    assert run("caption", *more, scenes[0][0])[2] == ""
    assert "3 unlike anything" in run("caption", *more, "-v", *paths)[2]
