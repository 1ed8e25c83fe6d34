"""Formats, files that results go into, and what a kill leaves of them."""

import csv
import io
import json

import pytest

from hybrid.data.result_file import ResultFileError, ResultWriter, images_done
from hybrid.data.results import BARE, FORMATS, Result, printable
from hybrid.data.sidecars import sidecar_of, write_sidecar

ROWS = [
    Result("a.png", "a large red circle"),
    Result("b.png", error='is "damaged", cut short'),
    Result("c, d: e.png", 'says "hello, world"'),
    Result("f.png", ""),
    Result("Bär 図.png", "ein Bär: braun"),
]


def _written(form, rows):
    out = io.StringIO()
    with ResultWriter(out, form) as writer:
        for row in rows:
            writer.write(row)
    return out.getvalue()


def test_text():
    assert (
        _written(FORMATS["text"], ROWS[:3]) == 'a.png: a large red circle\nc, d: e.png: says "hello, world"\n'
    )
    assert _written(BARE, ROWS[:2]) == "a large red circle\n"
    assert _written(BARE, [Result("a", "red \x1b[31m")]) == "red \\x1b[31m\n"


@pytest.mark.parametrize("n", [0, 1, 5])
def test_json_is_one_array(n):
    rows = json.loads(_written(FORMATS["json"], ROWS[:n]))
    assert rows == [json.loads(line) for line in _written(FORMATS["jsonl"], ROWS[:n]).splitlines()]
    assert [row.get("caption") for row in rows] == [row.caption for row in ROWS[:n]]
    assert [row.get("error") for row in rows] == [row.error for row in ROWS[:n]]


def test_csv_has_a_header():
    rows = list(csv.DictReader(io.StringIO(_written(FORMATS["csv"], ROWS))))
    assert [row["image"] for row in rows] == [row.image for row in ROWS]
    assert [row["caption"] for row in rows] == [row.caption or "" for row in ROWS]
    assert [row["error"] for row in rows] == [row.error or "" for row in ROWS]
    assert _written(FORMATS["csv"], []) == "image,caption,error\n"


class _Counting(io.StringIO):
    flushed = 0

    def flush(self):
        self.flushed += 1


@pytest.mark.parametrize("name", FORMATS)
def test_every_row_leaves_at_once(name):
    out = _Counting()
    writer = ResultWriter(out, FORMATS[name])
    for i in range(3):
        before, text = out.flushed, out.getvalue()
        writer.write(Result(f"{i}.png", "red"))
        assert out.flushed == before + 1
        assert f"{i}.png" in out.getvalue()[len(text) :]


@pytest.mark.parametrize("name", FORMATS)
def test_a_file_cut_anywhere_is_gone_on_with(tmp_path, name):
    """Whatever a kill leaves: the rows that are whole stay, and with the rest written all are there once."""
    form, path = FORMATS[name], tmp_path / "out"
    whole = _written(form, ROWS)
    wanted = _written(form, [row for row in ROWS if row.error is None]).encode()
    data = whole.encode()
    for cut in range(len(data) + 1):
        path.write_bytes(data[:cut])
        done = images_done(path, form)
        left = [row for row in ROWS if row.error is None and row.image not in done]
        with (
            path.open("a", encoding="utf-8", newline="\n") as out,
            ResultWriter(out, form, begun=bool(done)) as w,
        ):
            for row in left:
                w.write(row)
        assert path.read_bytes() == wanted, cut
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


@pytest.mark.parametrize("name", FORMATS)
def test_of_a_missing_or_empty_file_nothing_is_done(tmp_path, name):
    assert images_done(tmp_path / "none", FORMATS[name]) == set()
    (tmp_path / "empty").touch()
    assert images_done(tmp_path / "empty", FORMATS[name]) == set()


def test_a_name_with_a_colon_is_found_in_text(tmp_path):
    (tmp_path / "out").write_text("a: b.png: red: very\n")
    assert {"a", "a: b.png"} <= images_done(tmp_path / "out", FORMATS["text"])


@pytest.mark.parametrize("name", ["json", "jsonl", "csv"])
def test_another_file_is_left_alone(tmp_path, name):
    path = tmp_path / "thesis.txt"
    path.write_text("It was a dark\nand stormy night\nindeed.\n")
    with pytest.raises(ResultFileError, match=r"line 1 is not a row.*--overwrite"):
        images_done(path, FORMATS[name])
    assert path.read_text().startswith("It was a dark")
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]


def test_a_link_and_its_permissions_stay(tmp_path):
    (tmp_path / "real").write_text('{"image": "a", "caption": "b"}\n')
    (tmp_path / "real").chmod(0o640)
    (tmp_path / "link").symlink_to("real")
    assert images_done(tmp_path / "link", FORMATS["jsonl"]) == {"a"}
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").stat().st_mode & 0o777 == 0o640


def test_sidecars(tmp_path):
    assert sidecar_of("a/img.tar.jpg").name == "img.tar.txt"
    write_sidecar(str(tmp_path / "img.jpg"), "ein Bär")
    write_sidecar(str(tmp_path / "img.jpg"), "two")
    assert (tmp_path / "img.txt").read_text() == "two\n"
    assert [path.name for path in tmp_path.iterdir()] == ["img.txt"]
    with pytest.raises(OSError, match="none"):
        write_sidecar(str(tmp_path / "none" / "img.jpg"), "red")


def test_names_are_shown_on_one_line():
    assert printable("a\nb\x1b[31m.png") == "a\\nb\\x1b[31m.png"
    assert printable("Bär 図.png") == "Bär 図.png"
    assert "\\udcff" in printable("a\udcff.png")
