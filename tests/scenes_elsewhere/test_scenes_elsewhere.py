from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest

from tests.scenes_elsewhere import COLOURS, RELATIONS, RENDERERS, SHAPES, SIZES, sample_pictures, sample_scene
from tests.scenes_elsewhere.sampling import (
    ACROSS,
    BACKGROUNDS,
    CANVASES,
    CONTRAST,
    Scene,
    Thing,
    difference,
    rgb,
)

renderers = pytest.mark.parametrize("renderer", RENDERERS)


def drawn(scene, renderer):
    """Return where a picture is not background."""
    pixels = np.asarray(RENDERERS[renderer](scene)).astype(int)
    return np.abs(pixels - rgb(scene.background)).max(axis=2) > 12


def box(mask):
    ys, xs = np.nonzero(mask)
    return xs.min(), xs.max() + 1, ys.min(), ys.max() + 1


@renderers
@pytest.mark.parametrize("n_objects", [1, 2])
def test_a_seed_gives_the_same_pictures(renderer, n_objects):
    once, again = (sample_pictures(4, n_objects, 7, renderer) for _ in range(2))
    for (picture, scene), (same_picture, same_scene) in zip(once, again, strict=True):
        assert scene == same_scene
        assert picture.tobytes() == same_picture.tobytes()
    other = sample_pictures(4, n_objects, 8, renderer)
    assert [scene for _, scene in once] != [scene for _, scene in other]


def test_both_renderers_draw_the_same_scenes():
    svg, figure = (sample_pictures(3, 2, 1, renderer) for renderer in ("svg", "figure"))
    assert [scene for _, scene in svg] == [scene for _, scene in figure]
    assert all(a.tobytes() != b.tobytes() for (a, _), (b, _) in zip(svg, figure, strict=True))


@renderers
@pytest.mark.parametrize("size", CANVASES)
def test_pictures_are_rgb_of_the_scenes_size(renderer, size):
    scene = replace(sample_scene(np.random.default_rng(0), 1), width=size[0], height=size[1])
    picture = RENDERERS[renderer](scene)
    assert picture.mode == "RGB"
    assert picture.size == size
    assert picture.getpixel((0, 0)) == rgb(scene.background)


@renderers
def test_objects_show_their_colour_inside_the_picture_and_apart(renderer):
    for n_objects in (1, 2):
        for picture, scene in sample_pictures(12, n_objects, 3, renderer):
            assert picture.size == (scene.width, scene.height)
            masks = [drawn(replace(scene, things=(thing,)), renderer) for thing in scene.things]
            for thing, mask in zip(scene.things, masks, strict=True):
                if thing.shape != "ring":
                    assert picture.getpixel((int(thing.cx), int(thing.cy))) == rgb(thing.fill)
                assert not mask[[0, -1]].any()
                assert not mask[:, [0, -1]].any()
            assert sum(mask.astype(int) for mask in masks).max() == 1


@renderers
def test_every_colour_is_known_to_the_renderer(renderer):
    # resvg silently draws nothing for a name it does not know.
    for colour in {*BACKGROUNDS, *(fill for fills in COLOURS.values() for fill in fills)}:
        thing = Thing("square", "", "large", colour, 20, 0.0, None, 0.0, 0.5, 0.5, 24, 24)
        picture = RENDERERS[renderer](Scene(48, 48, colour, ()))
        assert picture.getpixel((24, 24)) == rgb(colour)
        picture = RENDERERS[renderer](Scene(48, 48, "teal", (thing,)))
        assert picture.getpixel((24, 24)) == rgb(colour)


@renderers
@pytest.mark.parametrize("shape", SHAPES)
def test_every_construction_is_as_wide_as_asked_and_centred(renderer, shape):
    for form, proportion in zip((0.05, 0.25, 0.45, 0.65, 0.72, 0.85, 0.95), (0.1, 0.9) * 4, strict=False):
        thing = Thing(shape, "blue", "large", "blue", 100, 0.0, None, 0.0, form, proportion, 140, 120)
        left, right, top, bottom = box(drawn(Scene(288, 240, "white", (thing,)), renderer))
        assert max(right - left, bottom - top) == pytest.approx(100, abs=3)
        assert min(right - left, bottom - top) > 55
        assert (left + right) / 2 == pytest.approx(140, abs=2)
        assert (top + bottom) / 2 == pytest.approx(120, abs=2)


@renderers
def test_a_ring_is_open(renderer):
    for form in (0.1, 0.9):
        thing = Thing("ring", "red", "large", "red", 100, 0.0, "black", 2.0, form, 0.5, 140, 120)
        picture = RENDERERS[renderer](Scene(288, 240, "white", (thing,)))
        assert picture.getpixel((140, 120)) == rgb("white")
        assert picture.getpixel((140, 120 - 41)) == rgb("red")


@renderers
@pytest.mark.parametrize("shape", sorted(set(SHAPES) - {"circle", "ring"}))
def test_turns_go_the_same_way(renderer, shape):
    for form in (0.2, 0.5, 0.9):
        thing = Thing(shape, "blue", "large", "blue", 100, 0.0, None, 0.0, form, 0.5, 140, 120)
        scene = Scene(288, 240, "white", (thing,))
        upright = RENDERERS[renderer](scene)
        turned = drawn(replace(scene, things=(replace(thing, angle=12.0),)), renderer)
        by_hand = {
            sign: np.asarray(upright.rotate(sign * 12, center=(140, 120), fillcolor="white"))[..., 0] < 200
            for sign in (-1, 1)  # counter-clockwise for Pillow
        }
        assert (turned ^ by_hand[-1]).sum() <= (turned ^ by_hand[1]).sum()
        assert (turned ^ by_hand[-1]).sum() < 0.12 * turned.sum()


def test_scenes_are_what_they_say():
    rng = np.random.default_rng(5)
    scenes = [sample_scene(rng, n) for n in (1, 2) for _ in range(400)]
    for scene in scenes:
        short = min(scene.width, scene.height)
        for thing in scene.things:
            assert thing.fill in COLOURS[thing.colour]
            assert difference(thing.fill, scene.background) >= CONTRAST
            assert ACROSS[thing.size][0] <= thing.across / short <= ACROSS[thing.size][1]
            assert abs(thing.angle) <= 15
        if len(scene.things) == 1:
            assert scene.relation is None
            continue
        first, second = scene.things
        assert (first.shape, first.colour) != (second.shape, second.colour)
        dx, dy = second.cx - first.cx, second.cy - first.cy
        ahead = {"left": -dx, "right": dx, "above": -dy, "below": dy}[scene.relation]
        assert ahead > first.reach + second.reach
        assert min(abs(dx), abs(dy)) < ahead / 2
    things = [thing for scene in scenes for thing in scene.things]
    assert {(t.shape, t.colour, t.size) for t in things} == set(product(SHAPES, COLOURS, SIZES))
    assert {scene.relation for scene in scenes} == {None, *RELATIONS}


def test_colours_of_two_names_do_not_look_alike():
    for one, other in combinations(COLOURS, 2):
        for fill, other_fill in product(COLOURS[one], COLOURS[other]):
            assert difference(fill, other_fill) > 22, (fill, other_fill)


def test_white_never_lies_on_light_nor_black_on_dark():
    for background in BACKGROUNDS:
        hidden = "white" if sum(rgb(background)) > 384 else "black"
        assert all(difference(fill, background) < CONTRAST for fill in COLOURS[hidden])


def test_other_numbers_of_objects_are_refused():
    with pytest.raises(ValueError, match="one or two"):
        sample_scene(np.random.default_rng(0), 3)
