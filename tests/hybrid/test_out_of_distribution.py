"""Whether a picture is like those trained on: the detector itself, and the bundled model's."""

import numpy as np
import pytest
import torch
from PIL import Image, ImageDraw
from safetensors.torch import save_file

import hybrid
from hybrid.data.drawing import draw_scene
from hybrid.data.scenes import sample_scene
from hybrid.inference.out_of_distribution import FILE, Detector, network
from hybrid.inference.things import FRAME, SIDE, Frame, cut_out, outlines
from hybrid.loading.names import BUNDLED
from hybrid.training.out_of_distribution import _folded, _fresh, fit_detector
from tests.hybrid.conftest import one_line
from tests.hybrid.icons import ICONS, draw_icon
from tests.hybrid.no_scenes import NO_SCENES, text
from tests.scenes_elsewhere import sample_pictures

WHITE, BLACK, RED = (0.9, 0.9, 0.9), (0.0, 0.0, 0.0), (0.9, 0.0, 0.0)


def _disc(colour, ground, centre=(48, 48), radius=18):
    y, x = np.mgrid[:FRAME, :FRAME] + 0.5
    inside = np.hypot(x - centre[0], y - centre[1]) < radius
    return torch.tensor(np.where(inside, *(np.reshape(c, (-1, 1, 1)) for c in (colour, ground)))).float()


def _frames(*pixels):
    return [Frame(each, 1.0) for each in pixels]


def test_things_are_cut_out_and_counted():
    none = _disc(WHITE, WHITE)
    one = _disc(RED, WHITE, (30, 60), 18)
    two = one.minimum(_disc(RED, WHITE, (56, 60), 5))  # within the first one's crop
    three = two.minimum(_disc(RED, WHITE, (75, 75), 8))
    found = cut_out(_frames(none, one, two, three))
    assert found.count.tolist() == [0, 1, 2, 3]
    assert found.owner.tolist() == [1, 2, 2]
    assert found.crops[:, :, SIDE // 2, SIDE // 2].allclose(torch.tensor([0.0, -0.9, -0.9]), atol=1e-4)
    assert found.crops[1].allclose(found.crops[0], atol=1e-4)


def test_what_is_small_or_faint_is_dust():
    disc = _disc(RED, WHITE)
    small = disc.minimum(_disc(RED, WHITE, (80, 80), 1.5))
    faint = disc.minimum(_disc((0.83, 0.83, 0.83), WHITE, (80, 80), 8))  # as a JPEG's halo is
    assert cut_out(_frames(small, faint)).count.tolist() == [1, 1]


def test_a_ring_around_something_is_one_thing_with_it():
    ring = _disc(RED, WHITE, radius=30).maximum(_disc(WHITE, BLACK, radius=21))
    found = cut_out(_frames(ring, ring.minimum(_disc(RED, WHITE, radius=9))))
    assert found.count.tolist() == [1, 1]
    assert outlines(found.crops)[:, 0, SIDE // 2, SIDE // 2].tolist() == pytest.approx([0, 1], abs=0.1)


def _in_crop(centre=SIDE / 2, radius=SIDE / 2 / (1.15 + 2 / 36)):
    """A disc of 36 pixels, as it looks cut out."""
    return _disc((1.0,), (0.0,), (centre, centre), radius)[:, :SIDE, :SIDE]


def test_a_thing_looks_the_same_wherever_it_is_and_whatever_its_colour():
    slope = torch.linspace(-0.07, 0.07, FRAME)[None, None]  # light falls on the ground from a side
    first = _disc(RED, WHITE) + slope
    second = _disc((0.3, 0.9, 0.3), BLACK, (68, 36))
    for share, rest in outlines(cut_out(_frames(first, second)).crops):
        assert (share - _in_crop()).abs().mean() < 0.05
        assert rest.abs().max() < 0.1


@pytest.mark.parametrize("size", [(300, 150), (150, 300)])
def test_a_thing_looks_the_same_whatever_the_pictures_proportions(size):
    picture = Image.new("RGB", size, "white")
    ImageDraw.Draw(picture).ellipse((30, 60, 86, 116), fill="red")
    (share, rest), *others = outlines(cut_out([Frame.of(picture)]).crops)
    assert not others
    assert (share - _in_crop()).abs().mean() < 0.1
    assert rest.abs().mean() < 0.05


def test_marks_of_another_colour_are_left_over():
    marked = _disc(RED, WHITE, radius=30)
    marked[:, 42:54, 42:54] = torch.tensor([0.0, 0.6, 0.6])[:, None, None]
    share, rest = outlines(cut_out(_frames(marked)).crops)[0]
    assert share[6, SIDE // 2] == pytest.approx(1, abs=1e-3)
    assert rest[6, SIDE // 2] == pytest.approx(0, abs=1e-2)
    assert rest[SIDE // 2, SIDE // 2] > 0.5


@pytest.fixture(scope="module")
def fitted():
    """A detector that was shown discs, and discs with a hole; and the discs that set its limit."""
    rng = np.random.default_rng(0)

    def discs(count, hole):
        made = []
        for _ in range(count):
            colour, place, radius = rng.uniform(0, 0.5, 3), rng.uniform(39, 57, 2), rng.uniform(15, 30)
            made.append(_disc(colour, WHITE, place, radius))
            if hole:
                made[-1] = made[-1].maximum(_disc(WHITE, BLACK, place, radius / 2))
        return _frames(*made)

    plain, held_out, holed = discs(64, False), discs(50, False), discs(64, True)
    return fit_detector(cut_out(plain), held_out, cut_out(holed), needless=0.04), held_out, discs(20, True)


def test_what_is_unlike_the_scenes_is_strange(fitted):
    known, held_out, holed = fitted
    assert np.mean(known.unfamiliar(holed)) > 0.9
    assert known.scores(holed).median() > 0 > known.scores(held_out).median()  # log-odds
    assert sum(known.unfamiliar(held_out)) == 2
    assert known.unfamiliar(_frames(torch.zeros(3, FRAME, FRAME))) == [True]


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
    known, frames, _ = fitted
    known.save(tmp_path)
    assert Detector.load(tmp_path).scores(frames).equal(known.scores(frames))
    assert Detector.load(tmp_path / "none") is None
    (tmp_path / FILE).write_bytes(b"damaged")
    assert Detector.load(tmp_path) is None
    save_file({"other": torch.zeros(1)}, tmp_path / FILE)
    assert Detector.load(tmp_path) is None


@pytest.fixture(scope="module")
def strange():
    """Which pictures the bundled model's detector calls strange."""
    detector = Detector.load(BUNDLED)
    return lambda pictures: np.array(detector.unfamiliar([Frame.of(picture) for picture in pictures]))


def test_what_is_no_drawn_scene_is_strange(strange):
    rng = np.random.default_rng(3)
    found = {draw.__name__: strange([draw(rng) for _ in range(8)]).mean() for draw in NO_SCENES}
    found |= {name: strange([draw_icon(name, rng) for _ in range(5)]).mean() for name in ICONS}
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
        for picture, _ in sample_pictures(40, n_objects, seed=77, renderer=renderer)
    ]
    assert strange(others).mean() <= 0.01


def test_the_library_says_so_too(scenes):
    with pytest.warns(UserWarning, match="1 of 2 pictures are unlike anything"):
        hybrid.caption([text(np.random.default_rng(3)), scenes[0][0]], max_new_tokens=2)
    hybrid.caption([scenes[0][0]], max_new_tokens=2)  # a warning would be an error here


@pytest.mark.parametrize("more", [[], ["--stream"]])
def test_the_command_says_it_once_on_stderr(run, scenes, tmp_path, more):
    rng = np.random.default_rng(3)
    paths = [tmp_path / f"{name}.png" for name in "abc"]
    for path in paths:
        text(rng).save(path)
    code, out, err = run("caption", *more, scenes[0][0], *paths)
    assert code == 0
    assert len(out.splitlines()) == 4
    one_line(err, f"note: {paths[0]} is unlike", "drawn scenes", "--model")
    assert run("caption", *more, "-q", paths[0])[2] == ""
    assert run("caption", *more, scenes[0][0])[2] == ""
    assert "3 unlike anything" in run("caption", *more, "-v", *paths)[2]
