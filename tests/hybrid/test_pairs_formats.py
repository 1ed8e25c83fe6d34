"""Lists of captions as other projects hand them round: each is read whole, and its faults named by line."""

import io
import json
import tarfile

import pytest
from PIL import Image

from hybrid.data import formats
from hybrid.data.pairs import FORMATS, DataError, choose_split, read_pairs
from hybrid.data.pairs import source as data_source


@pytest.fixture
def folder(tmp_path):
    """Three small pictures."""
    for i in range(3):
        Image.new("RGB", (4, 4), (80 * i, 0, 0)).save(tmp_path / f"{i}.png")
    return tmp_path


def _write(path, content):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content, indent=1))
    return path


def _said(pairs):
    return {pair.image.rpartition("/")[2]: (pair.captions, pair.split) for pair in pairs}


def _refused(where, *words):
    with pytest.raises(DataError) as caught:
        read_pairs(where)
    for word in words:
        assert word in str(caught.value)
    assert "\n" not in str(caught.value)


def test_parts_are_known_by_all_their_names(folder):
    names = {"Train": "train", "training": "train", "VALIDATION": "val", "valid": "val", " dev ": "val"}
    names |= {"Test": "test", "testing": "test", "restval": "train", "": None}
    for name, part in names.items():
        row = {"image": "0.png", "caption": "a", "split": name}
        (pair,) = read_pairs(_write(folder / "a.jsonl", json.dumps(row)))
        assert pair.split == part, name
    rows = ['{"image": "0.png", "caption": "a"}', '{"image": "1.png", "caption": "b", "split": "extra"}']
    _refused(_write(folder / "a.jsonl", "\n".join(rows)), "line 2", "'extra'", "train", "dev", "test")
    _refused(_write(folder / "a.csv", "image,caption,split\n0.png,a,minival\n"), "line 2", "'minival'")


def test_names_of_columns_may_be_in_any_case_and_other_words_for_a_split_are_noted(folder):
    wanted = {"0.png": (("a",), "test"), "1.png": (("b",), "val")}
    table = "Image, Caption ,Split\n0.png,a,Test\n1.png,b,val\n"
    rows = '{"Image": "0.png", "Caption": "a", "SPLIT": "Test"}\n'
    rows += '{"image": "1.png", "caption": "b", "split": "val"}'
    assert _said(read_pairs(_write(folder / "a.csv", table))) == wanted
    assert _said(read_pairs(_write(folder / "a.jsonl", rows))) == wanted
    with pytest.warns(UserWarning, match="column subset is not read; call it split"):
        read_pairs(_write(folder / "a.csv", table.replace("Split", "Subset")))


def test_a_picture_in_two_parts_is_refused(folder):
    rows = "image,caption,split\n0.png,a,train\n1.png,b,test\n0.png,c,test\n./1.png,d,\n"
    _refused(_write(folder / "a.csv", rows), "line 4", "in part test, but in part train at line 2")
    _refused(folder / "a.csv", "line 5", "in no part, but in part test at line 3")


def test_unmarked_pictures_are_for_training_where_others_have_a_part(folder):
    pairs = read_pairs(_write(folder / "a.csv", "image,caption,split\n0.png,a,\n1.png,b,val\n"))
    assert [p.image[-5:] for p in choose_split(pairs, "train")] == ["0.png"]
    assert [p.image[-5:] for p in choose_split(pairs, "val", "test")] == ["1.png"]


def test_time_grows_with_the_rows_and_not_with_their_square(folder, monkeypatch):
    looked = []
    isfile = data_source.os.path.isfile
    monkeypatch.setattr(data_source.os.path, "isfile", lambda path: looked.append(path) or isfile(path))
    rows = [json.dumps({"image": f"{i % 3}.png", "caption": str(i)}) for i in range(3000)]
    pairs = read_pairs(_write(folder / "a.jsonl", "\n".join(rows)))
    assert [len(pair.captions) for pair in pairs] == [1000] * 3
    assert pairs[1].captions[:2] == ("1", "4")
    assert len(looked) < 20


@pytest.mark.parametrize("name", ["a.JSONL", "a.Json", "a.CSV"])
def test_endings_may_be_in_upper_case(folder, name):
    rows = [{"image": "0.png", "caption": "a"}]
    content = {"a.JSONL": json.dumps(rows[0]), "a.Json": rows, "a.CSV": "image,caption\n0.png,a"}[name]
    assert _said(read_pairs(_write(folder / name, content))) == {"0.png": (("a",), None)}


def test_side_cars_may_end_in_upper_case(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "A.PNG")
    (tmp_path / "A.TXT").write_text("a star")
    assert _said(read_pairs(tmp_path)) == {"A.PNG": (("a star",), None)}
    (tmp_path / "B.TXT").write_text("a ring")
    with pytest.warns(UserWarning, match=r"no picture lies beside \S*B\.TXT"):
        read_pairs(tmp_path)


def test_blip_lists(folder):
    (folder / "images").mkdir()
    (folder / "2.png").rename(folder / "images" / "2.png")
    rows = [
        {"image": "0.png", "caption": "a", "image_id": "x"},
        {"image": "2.png", "caption": ["c", "d"]},
        {"image": "0.png", "caption": "b"},
    ]
    assert _said(read_pairs(_write(folder / "a.json", rows))) == {
        "0.png": (("a", "b"), None),
        "2.png": (("c", "d"), None),
    }
    text = '[{"image": "0.png", "caption": "a"},\n {"image": "1.png"},\n\n 7]'
    _refused(_write(folder / "a.json", text), "line 2, [1]: exactly one", "line 4, [2]: must be an object")
    _refused(_write(folder / "a.json", text[:-1]), "line 4", "not JSON")
    _refused(_write(folder / "a.json", text + ","), "line 4", "not JSON")
    _refused(_write(folder / "a.json", "[]"), "holds no picture")
    _refused(_write(folder / "a.json", "[" * 50_000), "a.json")
    address = [{"image": "https://example.org/a.jpg", "caption": "a"}]
    _refused(_write(folder / "a.json", address), "https://example.org/a.jpg", "not fetched")


def test_json_is_parsed_once(folder, monkeypatch):
    loads, parsed = json.loads, []
    monkeypatch.setattr(json, "loads", lambda text: parsed.append(1) or loads(text))
    note = {"image_id": 1, "caption": "a"}
    coco = {"images": [{"id": 1, "file_name": "0.png"}], "annotations": [note]}
    read_pairs(_write(folder / "a.json", coco))
    assert parsed == [1]


def test_llava_conversations_give_each_answer_its_question(folder):
    turns = [
        {"from": "human", "value": "<image>\nWhat is it?"},
        {"from": "gpt", "value": "A cat."},
        {"from": "human", "value": "What colour?"},
        {"from": "gpt", "value": "Red."},
    ]
    rows = [
        {"id": 1, "image": "0.png", "conversations": turns},
        {"id": 2, "conversations": turns[2:]},
        {
            "id": 3,
            "image": "0.png",
            "conversations": [{"from": "human", "value": "Describe.\n<image>"}, turns[1]],
        },
    ]
    with pytest.warns(UserWarning, match="1 conversations are left out: they have no picture"):
        (pair,) = read_pairs(_write(folder / "a.json", rows))
    assert pair.captions == ("A cat.", "Red.", "A cat.")
    assert pair.prompts == ("What is it?", "What is it?\nA cat.\nWhat colour?", "Describe.")
    said = [{"role": "user", "content": "What?"}, {"role": "assistant", "content": "A dog."}]
    (pair,) = read_pairs(_write(folder / "a.jsonl", json.dumps({"image": "1.png", "messages": said})))
    assert (pair.prompts, pair.captions) == (("What?",), ("A dog.",))
    rows = [
        rows[0],
        {"image": "1.png", "conversations": [{"from": "robot", "value": "x"}]},
        {"image": "1.png"},
    ]
    _refused(
        _write(folder / "a.json", rows), "line 24, [1]: must have", "[2]: the conversation has no answer"
    )


def test_an_answer_is_trained_behind_its_own_question(tiny):
    from hybrid.data.caption_dataset import PairDataset
    from hybrid.data.pairs import Pair

    _, processor = tiny
    pairs = [
        Pair("a", ("yes", "red"), "line 1", prompts=("Is it?", "Colour?")),
        Pair("b", ("a cat",), "line 2"),
    ]
    import numpy as np

    batch = PairDataset(pairs, np.zeros((2, 4), np.float32), processor, 128).__getitems__([0, 1, 2])
    for ids, labels, prompt in zip(
        batch["input_ids"], batch["labels"], ("Is it?", "Colour?", None), strict=True
    ):
        head = processor.prompt_ids(prompt)
        assert ids[: len(head)].tolist() == head
        assert (labels[: len(head)] < 0).all()
        assert labels[len(head)] == ids[len(head)]


def test_hugging_faces_image_folder(folder):
    rows = [{"file_name": "0.png", "text": "a"}, {"file_name": "1.png", "text": "b"}]
    _write(folder / "metadata.jsonl", "\n".join(map(json.dumps, rows)))
    with pytest.warns(UserWarning, match="1 pictures are left out: the metadata does not name them"):
        assert _said(read_pairs(folder)) == {"0.png": (("a",), None), "1.png": (("b",), None)}
    _write(folder / "metadata.csv", "file_name,text\n0.png,a\n")
    _refused(folder, "metadata.csv and metadata.jsonl")
    assert len(read_pairs(folder / "metadata.csv")) == 1
    _write(folder / "metadata.jsonl", '{"file_name": "0.png", "text": 3}')
    (folder / "metadata.csv").unlink()
    _refused(folder, "line 1", "text must be text")


def test_folders_called_train_and_validation_are_the_parts(tmp_path):
    for part in ("train", "validation", "Test"):
        (tmp_path / part).mkdir()
        Image.new("RGB", (4, 4)).save(tmp_path / part / "0.png")
        _write(tmp_path / part / "0.txt", part)
    assert [(p.captions, p.split) for p in read_pairs(tmp_path)] == [
        (("Test",), "test"),
        (("train",), "train"),
        (("validation",), "val"),
    ]
    for part in ("train", "validation", "Test"):
        (tmp_path / part / "0.txt").unlink()
        _write(tmp_path / part / "metadata.csv", f"file_name,text\n0.png,{part}\n")
    assert sorted(p.split for p in read_pairs(tmp_path)) == ["test", "train", "val"]


def test_flickr8k_tables_and_token_files_with_their_parts(folder):
    (folder / "Images").mkdir()
    for i in range(3):
        (folder / f"{i}.png").rename(folder / "Images" / f"{i}.png")
    lines = ["image,caption", "0.png,A dog , running .", '1.png,"A ""cat"" , sitting"', "0.png,b"]
    _write(folder / "captions.txt", "\n".join(lines))
    wanted = {"0.png": (("A dog , running .", "b"), None), "1.png": (('A "cat" , sitting',), None)}
    assert _said(read_pairs(folder / "captions.txt")) == _said(read_pairs(folder)) == wanted
    text = folder / "Flickr8k_text"
    tokens = ["0.png#0\tA dog .", "0.png#1\tb", "1.png#0\tc", "2.png#0\td", "2.png.1#0\te"]
    _write(text / "Flickr8k.token.txt", "\n".join(tokens))
    (folder / "captions.txt").unlink()
    with pytest.warns(UserWarning, match=r"1 pictures are left out: their names.*2\.png\.1"):
        assert len(read_pairs(folder)) == 3
    _write(text / "Flickr_8k.trainImages.txt", "0.png\n")
    _write(text / "Flickr_8k.devImages.txt", "1.png\n")
    with pytest.warns(UserWarning, match="2 pictures are left out: they are in none of its parts"):
        assert _said(read_pairs(folder)) == {"0.png": (("A dog .", "b"), "train"), "1.png": (("c",), "val")}
    _write(text / "Flickr_8k.testImages.txt", "1.png\n")
    _refused(folder, "testImages.txt", "lists 1.png, which is in val, too")
    _refused(_write(folder / "captions.txt", "image,caption\n0.png,a\nnonsense"), "line 3")


def _tar(path, files):
    with tarfile.open(path, "w") as tar:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return path


def test_webdataset_shards(folder, tmp_path_factory):
    data, shards = (folder / "1.png").read_bytes(), tmp_path_factory.mktemp("shards")
    first = {
        "0/a.b.png": b"x",
        "a.png": data,
        "a.txt": b"one\ntwo",
        "b.png": data,
        "b.json": b'{"caption": "c"}',
    }
    del first["0/a.b.png"]
    _tar(shards / "train-000.tar", first | {"c/d.seg.png": data, "c/d.PNG": data, "c/d.txt": b"d"})
    _tar(shards / "val-000.tar", {"a.png": data, "a.txt": b"e"})
    pairs = read_pairs(shards)
    assert [(p.captions, p.split) for p in pairs] == [
        (("one", "two"), "train"),
        (("c",), "train"),
        (("d",), "train"),
        (("e",), "val"),
    ]
    assert all(pair.stored() == data for pair in pairs)
    for name, n in (("train-{000..000}.tar", 3), ("*-000.tar", 4), ("val-000.tar", 1)):
        assert len(read_pairs(shards / name)) == n
    whole = (shards / "train-000.tar").read_bytes()
    for cut in (100, 512, 1024, 2048):  # some of them between two members
        (shards / "val-000.tar").write_bytes(whole[:cut])
        _refused(shards / "val-000.tar", "cannot be read as .tar", "get a whole copy")
    _refused(shards / "train-{000..001}.tar", "train-001.tar", "No such file")
    _refused(shards / "a.tar.gz", "compressed", "unpack")
    bad = {"a.png": data, "b.txt": b"b", "c.jxl": data, "c.txt": b"c", "d.png": data, "d.json": b"[]"}
    _refused(_tar(shards / "x.tar", bad), "a: has no .txt", "b: has no picture", "and 1 more")
    _refused(_tar(shards / "x.tar", {"c.jxl": data, "c.txt": b"c"}), ".jxl", "convert")


def test_pictures_in_other_formats_are_counted_and_their_captions_refused(folder):
    for i in range(3):
        _write(folder / f"{i}.txt", "a")
    (folder / "x.jxl").write_bytes(b"x")
    (folder / "y.JXL").write_bytes(b"x")
    with pytest.warns(UserWarning, match=r"2 pictures are left out.*2 \.jxl \(convert to PNG or JPEG\)"):
        assert len(read_pairs(folder)) == 3
    _write(folder / "y.txt", "b")
    _refused(folder, "y.txt is of", "y.JXL, whose format is not read (convert")
    (folder / "y.txt").rename(folder / "other.txt")
    (folder / "x.jxl").unlink()
    (folder / "y.JXL").unlink()
    with pytest.warns(UserWarning, match=r"no picture lies beside .*other\.txt"):
        read_pairs(folder)


def test_a_missing_reader_says_how_to_get_it():
    ways = {name: way for name, (_, _, way) in formats._OPTIONAL.items()}
    assert ways == {"AVIF": "pip install -U 'pillow>=11.3'", "HEIF": "pip install 'qproj[heic]'"}
    assert formats.left_out([]) == ""
    if "HEIF" not in formats.FORMATS:
        assert "1 .heic (pip install 'qproj[heic]'" in formats.left_out(["a.HEIC"])


def test_a_folder_without_pictures_is_no_data(tmp_path):
    _write(tmp_path / "notes.md", "x")
    _refused(tmp_path, "holds no picture", "WebDataset", "LLaVA")


def test_every_format_says_what_it_is_and_stands_in_the_docs():
    from pathlib import Path

    from hybrid.data import pairs

    docs = (Path(__file__).parents[2] / "docs" / "training.md").read_text()
    for name in FORMATS:
        assert f"(../hybrid/data/pairs/{name}.py)" in docs, name
        assert pairs._format(name).FORM
