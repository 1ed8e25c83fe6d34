import collections

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from hybrid.data.drawing import draw_scene
from hybrid.data.scene_arrays import ATTRIBUTES, NOTHING, _cells, scene_arrays
from hybrid.data.scenes import (
    COLOURS,
    RELATIONS,
    SIZES,
    Scene,
    SceneObject,
    parse_caption,
    sample_crowd,
    sample_scene,
)
from hybrid.data.shapes import SHAPES, outline

seeds = st.integers(0, 2**32 - 1)


def test_captions_read_as_promised():
    circle = SceneObject("circle", "red", "small", (0.2, 0.5), 0.2)
    square = SceneObject("square", "blue", "large", (0.7, 0.5), 0.4)
    assert Scene((circle,), None, 1.0).caption == "a small red circle"
    two = Scene((circle, square), "to the left of", 1.0).caption
    assert two == "a small red circle to the left of a large blue square"
    assert parse_caption(two) == ([("small", "red", "circle"), ("large", "blue", "square")], "to the left of")
    for wrong in (
        "",
        "a red circle",
        "a small red circle above",
        "a small red circle above a blue square",
        "circle",
    ):
        assert parse_caption(wrong) is None


@given(seeds)
def test_scenes_hold_what_their_captions_say(seed):
    scene = sample_scene(np.random.default_rng(seed))
    parsed = parse_caption(scene.caption)
    assert parsed is not None
    assert parsed[0] == [(o.size, o.colour, o.shape) for o in scene.objects]
    width, height = scene.frame
    for o in scene.objects:
        assert o.extent / 2 <= o.centre[0] <= width - o.extent / 2
        assert o.extent / 2 <= o.centre[1] <= height - o.extent / 2
        assert (o.extent <= 0.25) == (o.size == "small")
    if scene.relation is not None:
        first, second = scene.objects
        dx, dy = (b - a for a, b in zip(first.centre, second.centre, strict=True))
        sign = {"to the left of": dx, "to the right of": -dx, "above": dy, "below": -dy}[scene.relation]
        assert sign > (first.extent + second.extent) / 2  # apart along the axis that is named
        assert (first.size, second.size) != ("large", "small")
        if first.size == second.size:
            assert scene.relation in ("to the left of", "above")


@given(seeds, st.sampled_from(SHAPES))
def test_outlines_fill_the_unit_box(seed, shape):
    corners = outline(shape, np.random.default_rng(seed))
    np.testing.assert_allclose((corners.max(0) - corners.min(0)).max(), 2)
    np.testing.assert_allclose(corners.max(0) + corners.min(0), 0, atol=1e-9)


def test_equal_seeds_give_equal_pictures():
    def draw(seed):
        rng = np.random.default_rng(seed)
        scene = sample_scene(rng)
        return scene, np.asarray(draw_scene(scene, rng))

    for seed in range(20):
        (scene, pixels), (again, same) = draw(seed), draw(seed)
        assert scene == again
        assert np.array_equal(pixels, same)
    assert draw(0)[0] != draw(1)[0]


def test_an_object_has_its_colour_and_stands_out():
    """Away from blur and noise, the middle of a disc is near a shade of its colour, and unlike the corner."""
    from hybrid.data.palette import PALETTE

    rng = np.random.default_rng(5)
    good = 0
    for i in range(200):
        colour = COLOURS[i % len(COLOURS)]
        scene = Scene((SceneObject("circle", colour, "large", (0.5, 0.5), 0.5),), None, 1.0)
        pixels = np.asarray(draw_scene(scene, rng), float)
        middle = pixels[pixels.shape[0] // 2, pixels.shape[1] // 2]
        distance = {name: np.abs(shades - middle).sum(1).min() for name, shades in PALETTE.items()}
        good += min(distance, key=distance.get) == colour
        assert np.abs(middle - pixels[2, 2]).max() > 20
    assert good > 170


def test_every_word_is_drawn():
    rng = np.random.default_rng(0)
    words = collections.Counter(w for _ in range(2000) for w in sample_scene(rng).caption.split())
    for word in (*SHAPES, *COLOURS, *SIZES, *["left", "right", "above", "below"]):
        assert words[word] > 50, word
    relations = collections.Counter(sample_scene(rng, 2).relation for _ in range(400))
    assert set(relations) == set(RELATIONS)


@pytest.mark.parametrize("n", [0, 3, -1])
def test_other_numbers_of_objects_are_refused(n):
    with pytest.raises(ValueError, match="1 or 2"):
        sample_scene(np.random.default_rng(0), n)


def test_arrays_do_not_depend_on_the_number_of_workers_and_are_read_back(tmp_path, monkeypatch):
    monkeypatch.setattr("hybrid.data.scene_arrays._CHUNK", 50)
    one = scene_arrays(tmp_path / "one", 70, 24, 6, seed=3, workers=1)
    two = scene_arrays(tmp_path / "two", 70, 24, 6, seed=3, workers=2)
    again = scene_arrays(tmp_path / "one", 70, 24, 6, seed=3, workers=1)
    for a in (two, again):
        assert np.array_equal(one.pixels, a.pixels)
        assert np.array_equal(one.labels, a.labels)
        assert np.array_equal(one.cells, a.cells)
    other = scene_arrays(tmp_path / "other", 50, 24, 6, seed=4, workers=1)
    assert not np.array_equal(one.labels[:50], other.labels)
    captions = one.captions()
    assert len(set(captions)) > 60
    assert all(parse_caption(caption) for caption in captions)
    assert one.labels.shape == (70, len(ATTRIBUTES))
    for cells, caption in zip(one.cells, captions, strict=True):
        objects = {(o[2], o[1]) for o in parse_caption(caption)[0]}
        named = {(SHAPES[s], COLOURS[c]) for s, c in cells if s != NOTHING}
        assert named <= objects  # a small one may lie between the middles of all cells


def test_cells_lie_where_the_object_is():
    lower_left = SceneObject("star", "red", "large", (0.25, 0.75), 0.5)
    scene = Scene((lower_left,), None, 2.0)  # twice as wide as high: a frame of 2 by 1
    cells = _cells(scene, 4).reshape(4, 4, 2)
    assert (cells[2:, 0] == [SHAPES.index("star"), COLOURS.index("red")]).all()
    assert (cells[:2] == NOTHING).all()
    assert (cells[:, 1:] == NOTHING).all()


@given(seeds)
def test_crowds_do_not_touch(seed):
    scene = sample_crowd(np.random.default_rng(seed))
    assert 1 <= len(scene.objects) <= 9
    for i, a in enumerate(scene.objects):
        for b in scene.objects[:i]:
            apart = max(abs(a.centre[0] - b.centre[0]), abs(a.centre[1] - b.centre[1]))
            assert apart > (a.extent + b.extent) / 2
