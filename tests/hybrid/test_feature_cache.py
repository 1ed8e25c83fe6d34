"""Vision features are computed once, and never those of another picture, tower or preparation."""

import numpy as np
import pytest
import torch

from hybrid.data import feature_cache
from hybrid.data.feature_cache import CacheError, FeatureCache, features_of, tower_key
from hybrid.data.pairs import DataError, Pair


@pytest.fixture
def pairs(tmp_path, pictures):
    found = []
    for i, picture in enumerate(pictures):
        picture.save(tmp_path / f"{i}.png")
        found.append(Pair(str(tmp_path / f"{i}.png"), ("x",), f"line {i}"))
    return found


@pytest.fixture
def looked(monkeypatch):
    """How many pictures the tower has looked at, batch by batch."""
    counts = []
    look = feature_cache._look
    monkeypatch.setattr(feature_cache, "_look", lambda model, px: counts.append(len(px)) or look(model, px))
    return counts


def test_features_are_what_the_model_sees_and_are_computed_once(tiny, pairs, pictures, tmp_path, looked):
    model, processor = tiny
    first = features_of(pairs, model, processor, tmp_path / "cache")
    with torch.no_grad():
        wanted = model.vision_features(torch.cat([processor.pixel_values(p) for p in pictures])).numpy()
    np.testing.assert_allclose(first, wanted, rtol=1e-5, atol=1e-6)
    again = features_of(pairs[::-1], model, processor, tmp_path / "cache")
    assert np.array_equal(again[::-1], first)
    assert looked == [5]


def test_the_file_counts_and_not_its_name(tiny, pairs, pictures, tmp_path, looked):
    first = features_of(pairs, *tiny, tmp_path / "cache")
    pictures[1].save(pairs[0].image)  # another picture under the same name
    (tmp_path / "copy.png").write_bytes((tmp_path / "2.png").read_bytes())
    again = features_of([pairs[0], Pair(str(tmp_path / "copy.png"), ("x",), "")], *tiny, tmp_path / "cache")
    assert np.array_equal(again, first[[1, 2]])
    assert looked == [5]


def test_a_tower_with_batch_norm_has_a_key(tiny):
    model, processor = tiny
    before = tower_key(model, processor)
    model.vision_tower.norm = torch.nn.BatchNorm2d(3)  # counts its batches in a tensor without dimensions
    after = tower_key(model, processor)
    model.vision_tower.norm.num_batches_tracked += 1
    assert len({before, after, tower_key(model, processor)}) == 3


def test_another_tower_preparation_or_output_is_another_key(tiny):
    model, processor = tiny
    keys = [tower_key(model, processor), tower_key(model, processor)]
    assert keys[0] == keys[1]
    model.config.vision_feature = "pooled"
    keys.append(tower_key(model, processor))
    processor.image_processor.image_mean = [0.1, 0.2, 0.3]
    keys.append(tower_key(model, processor))
    weight = next(model.vision_tower.parameters())
    with torch.no_grad():
        weight.view(-1)[0] = torch.nextafter(weight.view(-1)[0], torch.tensor(9.0))
    keys.append(tower_key(model, processor))
    assert len(set(keys)) == 4


def test_a_damaged_entry_is_computed_again_and_a_damaged_file_named(tiny, pairs, tmp_path, looked):
    first = features_of(pairs, *tiny, tmp_path / "cache")
    (path,) = (tmp_path / "cache").iterdir()
    data = bytearray(path.read_bytes())
    at = data.find(first[3].tobytes())
    data[at + 5] ^= 1
    path.write_bytes(data)
    assert np.array_equal(features_of(pairs, *tiny, tmp_path / "cache"), first)
    assert looked == [5, 1]
    path.write_bytes(b"no database" * 100)
    with pytest.raises(OSError, match=r"features-.*delete it"):
        features_of(pairs, *tiny, tmp_path / "cache")


def test_pictures_that_cannot_be_read_are_named_after_the_others_are_kept(tiny, pairs, tmp_path, looked):
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:100])
    (tmp_path / "3.png").unlink()
    with pytest.raises(DataError, match=r"3\.png.*1\.png: is damaged"):
        features_of(pairs, *tiny, tmp_path / "cache")
    assert looked == [3]
    features_of([pairs[0], pairs[2], pairs[4]], *tiny, tmp_path / "cache")
    assert looked == [3]


def test_features_of_another_width_are_not_taken(tmp_path):
    cache = FeatureCache(tmp_path, "key", 3)
    cache.put({b"a": np.ones(3, np.float32)})
    assert set(cache.get([b"a", b"b"])) == {b"a"}
    assert not FeatureCache(tmp_path, "key", 4).get([b"a"])


def test_large_ones_are_mapped_and_leave_no_file(tiny, pairs, tmp_path, monkeypatch):
    wanted = features_of(pairs, *tiny, tmp_path / "cache")
    monkeypatch.setattr(feature_cache, "_LARGE", 4 * wanted.size - 1)
    assert np.array_equal(features_of(pairs[:4], *tiny, tmp_path / "cache"), wanted[:4])
    mapped = features_of(pairs, *tiny, tmp_path / "cache")
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, wanted)
    assert len(list((tmp_path / "cache").iterdir())) == 1

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(feature_cache.os, "posix_fallocate", full)
    with pytest.raises(CacheError, match=r"cannot hold 480 bytes .*No space left.*free some room or"):
        features_of(pairs, *tiny, tmp_path / "cache")
