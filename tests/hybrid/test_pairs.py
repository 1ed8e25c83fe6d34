"""Readers of one's own pictures and captions: each format, and each way in which data may be bad."""

import json

import pytest

from hybrid.data.images import open_image
from hybrid.data.pairs import DataError, choose_split, read_pairs


@pytest.fixture
def folder(tmp_path, pictures):
    """Three pictures, and nothing said of them."""
    for i, picture in enumerate(pictures[:3]):
        picture.save(tmp_path / f"{i}.png")
    return tmp_path


def _write(folder, name, content):
    (folder / name).write_text(content if isinstance(content, str) else json.dumps(content))
    return folder / name


def _said(pairs):
    return {pair.image.rpartition("/")[2]: pair.captions for pair in pairs}


def _refused(where, *words):
    with pytest.raises(DataError) as caught:
        read_pairs(where)
    message = str(caught.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def test_folder_with_sidecars(folder):
    for i in range(3):
        _write(folder, f"{i}.txt", f"\ufeffpicture  {i}\n\n also {i}\n" if i else "picture 0")
    pairs = read_pairs(folder)
    assert _said(pairs) == {
        "0.png": ("picture 0",),
        "1.png": ("picture 1", "also 1"),
        "2.png": ("picture 2", "also 2"),
    }
    assert choose_split(pairs, "train") == pairs
    assert open_image(pairs[0].source()).size


def test_jsonl_joins_rows_of_one_picture(folder):
    rows = [
        {"image": "0.png", "caption": "a"},
        {"image": "1.png", "captions": ["b", "c"], "split": "val"},
        {"image": "./0.png", "caption": "d"},
    ]
    file = _write(folder, "all.jsonl", "\n\n".join(json.dumps(row) for row in rows))
    pairs = read_pairs(file)
    assert _said(pairs) == {"0.png": ("a", "d"), "1.png": ("b", "c")}
    assert _said(choose_split(pairs, "val", "test")) == {"1.png": ("b", "c")}
    assert [pair.split for pair in pairs] == [None, "val"]


@pytest.mark.parametrize(("name", "mark"), [("all.csv", ","), ("all.tsv", "\t")])
def test_csv(folder, name, mark):
    rows = [("image", "note", "caption"), ("0.png", "x", '"one, two"'), ("0.png", "", "three")]
    file = _write(folder, name, "\n".join(mark.join(row) for row in rows))
    assert _said(read_pairs(file)) == {"0.png": ("one, two", "three")}


def _coco():
    return {
        "images": [{"id": 7, "file_name": "0.png"}, {"id": 9, "file_name": "1.png"}],
        "annotations": [
            {"id": 1, "image_id": 9, "caption": "nine"},
            {"id": 2, "image_id": 7, "caption": "seven"},
            {"id": 3, "image_id": 9, "caption": "neuf"},
        ],
    }


def test_coco_beside_its_pictures_and_where_coco_has_them(folder):
    wanted = {"0.png": ("seven",), "1.png": ("nine", "neuf")}
    assert _said(read_pairs(_write(folder, "coco.json", _coco()))) == wanted
    (folder / "annotations").mkdir()
    (folder / "train2017").mkdir()
    for i in range(2):
        (folder / f"{i}.png").rename(folder / "train2017" / f"{i}.png")
    file = _write(folder / "annotations", "captions_train2017.json", _coco())
    assert _said(read_pairs(file)) == wanted


def _karpathy(**more):
    splits = ("train", "restval", "val")
    return {
        "images": [
            {"filename": f"{i}.png", "split": splits[i], "sentences": [{"raw": f"s{i}", "tokens": []}]} | more
            for i in range(3)
        ]
    }


def test_karpathy_split(folder):
    pairs = read_pairs(_write(folder, "dataset_flickr8k.json", _karpathy()))
    assert [pair.split for pair in pairs] == ["train", "train", "val"]
    assert _said(choose_split(pairs, "train")) == {"0.png": ("s0",), "1.png": ("s1",)}
    (folder / "val2014").mkdir()
    for i in range(3):
        (folder / f"{i}.png").rename(folder / "val2014" / f"{i}.png")
    assert len(read_pairs(_write(folder, "dataset_coco.json", _karpathy(filepath="val2014")))) == 3


def test_datasets_on_disk(folder, pictures, tmp_path_factory):
    datasets = pytest.importorskip("datasets")
    path = str(tmp_path_factory.mktemp("stored"))
    table = {"image": [str(folder / f"{i}.png") for i in range(3)], "caption": ["a", "b", "c"]}
    data = datasets.Dataset.from_dict(table).cast_column("image", datasets.Image())
    datasets.DatasetDict({"train": data, "validation": data}).save_to_disk(path)
    pairs = read_pairs(path)
    assert [(pair.split, pair.captions) for pair in pairs[2:4]] == [("train", ("c",)), ("val", ("a",))]
    assert open_image(pairs[4].source()).tobytes() == pictures[1].convert("RGB").tobytes()


def test_a_name_on_the_hub_without_the_library_says_how(monkeypatch):
    import sys

    monkeypatch.setitem(sys.modules, "datasets", None)
    _refused("owner/name", "qproj[train]")


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("a.jsonl", '{"image": "0.png", "caption": "a"}\n{"image": ', ["line 2", "not JSON"]),
        ("a.jsonl", '{"image": "9.png", "caption": "a"}', ["line 1", "9.png", "no file"]),
        ("a.jsonl", '\n{"image": "0.png", "caption": "  "}', ["line 2", "0.png", "empty"]),
        ("a.jsonl", '{"image": "0.png", "captions": []}', ["line 1", "empty"]),
        ("a.jsonl", '{"image": "0.png", "captions": "a"}', ["line 1", "list"]),
        ("a.jsonl", '{"image": "0.png", "caption": 3}', ["line 1", "caption must be text"]),
        ("a.jsonl", '{"image": "0.png", "caption": "a", "captions": ["b"]}', ["line 1", "exactly one"]),
        ("a.jsonl", "[1]", ["line 1", "object"]),
        ("a.jsonl", "[" * 100_000, ["line 1", "not JSON"]),
        ("a.jsonl", "", ["holds no picture"]),
        (
            "a.jsonl",
            '{"image": "0.png", "captions": ["a"]}\n{"image": "0.png", "captions": ["b"]}',
            ["line 2", "0.png comes a second time", "line 1"],
        ),
        ("a.csv", "image,text\n0.png,a", ["line 1", "image and caption", "image,text"]),
        ("a.csv", "image,caption\n0.png,one, two", ["line 2", "2 columns", "quotes"]),
        ("a.csv", "image,caption\n0.png", ["line 2", "2 columns"]),
        ("a.csv", 'image,caption\n0.png,"a', ["line 2", "not CSV"]),
        ("a.json", '{"images": [}', ["line 1", "not JSON"]),
        ("a.json", {"pictures": []}, ["no known format"]),
        ("a.json", {"images": [], "annotations": [{"id": 1, "image_id": 2, "caption": "x"}]}, ["image 2"]),
        ("a.json", {"annotations": []}, ["not a COCO"]),
        ("a.json", {"images": [{"filename": "0.png", "sentences": []}]}, ["images[0]", "split"]),
        ("a.yaml", "x", ["no known format"]),
    ],
)
def test_bad_files(folder, name, content, words):
    _refused(_write(folder, name, content), name, *words)


def test_not_utf8_names_the_line(folder):
    (folder / "a.csv").write_bytes(b"image,caption\n0.png,caf\xe9")
    _refused(folder / "a.csv", "line 2", "UTF-8")


def test_bad_folders(folder):
    _write(folder, "0.txt", "a")
    _write(folder, "1.txt", "  \n")
    _refused(folder, "2.png has no .txt file")
    _write(folder, "2.txt", "c")
    _refused(folder, "1.txt", "1.png is empty")
    _write(folder, "1.txt", "b")
    (folder / "1.jpg").write_bytes(b"x")
    _refused(folder, "1.png and", "1.jpg", "share")
    (folder / "1.jpg").unlink()
    _write(folder, "captions.csv", "image,caption\n")
    _refused(folder, "captions.csv", "not clear which")
    for i in range(3):
        (folder / f"{i}.txt").unlink()
    _refused(folder, "captions.csv", "name that file")
    _refused(folder / "none", "no such file")


def test_only_the_first_faults_are_listed(folder):
    rows = [json.dumps({"image": f"{i}-none.png", "caption": "x"}) for i in range(10)]
    message = _refused(_write(folder, "a.jsonl", "\n".join(rows)), "line 1", "line 3", "and 7 more")
    assert "line 4" not in message
