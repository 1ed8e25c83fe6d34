"""Whether a picture is like those trained on: the measure itself, and the bundled model's."""

import io

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.inference.out_of_distribution import FILE, Familiarity
from hybrid.loading.names import BUNDLED
from hybrid.training.out_of_distribution import measure_familiarity
from tests.hybrid.conftest import one_line
from tests.scenes_elsewhere import sample_pictures


@pytest.fixture(scope="module")
def two_clouds():
    """Training and held-out points of two clouds, stretched; and what lies in between."""
    generator = torch.Generator().manual_seed(0)
    stretch = torch.diag(torch.tensor([1.0, 10.0, 0.1]))
    points = torch.randn(4400, 3, generator=generator) @ stretch
    points[::2, 0] += 30
    return points[:4000], points[4000:], torch.tensor([[15.0, 0.0, 0.0], [0.0, 0.0, 1.0], [30.0, 60.0, 0.0]])


def test_so_many_held_out_ones_lie_beyond_the_threshold(two_clouds):
    train, held_out, between = two_clouds
    known = measure_familiarity(train, held_out, centres=8, needless=0.05)
    assert sum(known.unfamiliar(held_out)) == 20
    assert known.unfamiliar(between) == [True] * 3


def test_the_scale_of_a_feature_does_not_matter(two_clouds):
    train, held_out, between = two_clouds
    scale = torch.tensor([3.0, 0.2, 7.0])
    one = measure_familiarity(train, held_out, centres=8)
    other = measure_familiarity(train * scale, held_out * scale, centres=8)
    torch.testing.assert_close(other.distances(between * scale), one.distances(between), rtol=1e-2, atol=0)


def test_one_centre_is_mahalanobis(two_clouds):
    train, held_out, between = two_clouds
    known = measure_familiarity(train, held_out, centres=1)
    difference = (between - train.mean(0)).double().numpy()
    wanted = np.sqrt(
        np.einsum("ni,ij,nj->n", difference, np.linalg.inv(np.cov(train.T.double())), difference)
    )
    np.testing.assert_allclose(known.distances(between), wanted, rtol=1e-3)


def test_saved_and_read_back(two_clouds, tmp_path):
    train, held_out, between = two_clouds
    known = measure_familiarity(train, held_out)
    known.save(tmp_path)
    assert Familiarity.load(tmp_path).distances(between).equal(known.distances(between))
    assert Familiarity.load(tmp_path / "none") is None
    (tmp_path / FILE).write_bytes(b"damaged")
    assert Familiarity.load(tmp_path) is None
    save_file({"other": torch.zeros(1)}, tmp_path / FILE)
    assert Familiarity.load(tmp_path) is None


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


@pytest.fixture(scope="module")
def share():
    """What share of pictures the bundled model's measure calls unfamiliar."""
    model, processor = hybrid.load()
    known = Familiarity.load(BUNDLED)

    def of(pictures):
        with torch.inference_mode():
            features = model.vision_features(processor(images=pictures)["pixel_values"])
        return np.mean(known.unfamiliar(features))

    return of


@pytest.mark.parametrize("draw", [_noise, _gradient, _cloud, _text, _plot])
def test_what_is_no_drawn_scene_is_unfamiliar(share, draw):
    rng = np.random.default_rng(3)
    assert share([draw(rng) for _ in range(20)]) >= 0.9


def test_scenes_are_familiar_whoever_drew_them(share):
    rng = np.random.default_rng(5)
    assert share([draw_scene(sample_scene(rng), rng) for _ in range(200)]) <= 0.04
    for renderer in ("svg", "figure"):
        for n_objects in (1, 2):
            pairs = sample_pictures(50, n_objects, seed=77, renderer=renderer)
            assert share([picture for picture, _ in pairs]) <= 0.06


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
