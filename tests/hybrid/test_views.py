"""Views of training pictures: parts of them, kept like the wholes, and one of them in a batch."""

import numpy as np
import pytest
import torch
from PIL import Image

from hybrid.data.caption_dataset import CaptionDataset
from hybrid.data.feature_cache import features_of
from hybrid.data.pairs import Pair
from hybrid.data.views import view_of


@pytest.mark.parametrize("size", [(60, 40), (40, 60), (1, 1), (2, 300)])
def test_views_are_parts_and_half_of_them_mirrored(size):
    """Each pixel says where it is from, so the part is known and may not be scaled."""
    columns, rows = np.meshgrid(np.arange(size[0]), np.arange(size[1]))
    whole = Image.fromarray(np.stack([columns % 256, rows % 256, rows // 256], 2).astype(np.uint8))
    mirrored, areas = 0, []
    for i in range(60):
        part = np.asarray(view_of(whole, bytes([i]))).astype(int)
        assert np.array_equal(part, np.asarray(view_of(whole, bytes([i]))))
        areas.append(part.shape[0] * part.shape[1] / (size[0] * size[1]))
        steps = np.diff(part[0, :, 0])
        assert np.all(steps == 1) or np.all(steps == -1)
        mirrored += bool(len(steps)) and steps[0] == -1
        assert np.all(np.diff(part[:, 0, 1] + 256 * part[:, 0, 2]) == 1)
    assert all(0.3 < area <= 1 for area in areas)
    if min(size) > 2:
        assert 15 < mirrored < 45
        assert min(areas) < 0.6
        assert len(set(areas)) > 30


def test_a_view_is_looked_at_once_and_apart_from_the_whole(tiny, tmp_path):
    model, processor = tiny
    rng = np.random.default_rng(0)
    pairs = []
    for i in range(3):
        Image.fromarray(rng.integers(0, 256, (30, 40, 3), np.uint8)).save(tmp_path / f"{i}.png")
        pairs.append(Pair(str(tmp_path / f"{i}.png"), ("x",), ""))
    whole, first, second = (features_of(pairs, model, processor, tmp_path, view=view) for view in range(3))
    assert not any(np.allclose(*two) for two in ((whole, first), (whole, second), (first, second)))
    for view, seen in enumerate((whole, first, second)):
        assert np.array_equal(features_of(pairs, model, processor, tmp_path, view=view), seen)


def test_a_caption_comes_with_one_view_of_its_picture():
    data = CaptionDataset([[1]] * 2, [[2], [3]], 0, np.array([[0.0], [10.0]], np.float32), [0, 1])
    assert data.__getitems__([0, 1])["vision_features"].tolist() == [[0], [10]]
    data.views = [np.array([[1.0], [11.0]], np.float32), np.array([[2.0], [12.0]], np.float32)]

    rng, drawn = np.random.default_rng(0), []
    for _ in range(300):
        data.choose_views(rng)
        drawn.append(data.__getitems__([0, 1])["vision_features"])
        assert torch.equal(data.__getitems__([1])["vision_features"], drawn[-1][1:])
    seen = torch.cat(drawn, 1)
    for row, whole in zip(seen, (0, 10), strict=True):
        counts = torch.bincount((row - whole).long(), minlength=3)
        assert counts.tolist() == pytest.approx([100, 100, 100], abs=35)
    assert not torch.equal(seen[0], seen[1] - 10)
    assert data.features.tolist() == [[0], [10]]
