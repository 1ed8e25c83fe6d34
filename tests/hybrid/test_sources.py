import os

from hybrid.data.sources import find_pictures, natural, unread_pictures


def _touch(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def test_numbers_in_names_count():
    names = ["b", "a10", "a2", "A1", "a2b", "a02"]
    assert sorted(names, key=natural) == ["A1", "a02", "a2", "a2b", "a10", "b"]


def test_a_folder_stands_for_its_pictures_in_natural_order(tmp_path):
    _touch(
        tmp_path, "10.png", "9.JPG", "a.txt", ".hidden.png", "b.webp", "sub/1.png", "sub/.x/2.png", "z/3.png"
    )
    assert find_pictures([f"{tmp_path}"]) == [f"{tmp_path}/{name}" for name in ("9.JPG", "10.png", "b.webp")]
    below = [f"{tmp_path}/{name}" for name in ("9.JPG", "10.png", "b.webp", "sub/1.png", "z/3.png")]
    assert find_pictures([f"{tmp_path}"], recursive=True) == below


def test_patterns(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, "10.png", "9.png", "x.dat", "sub/1.png", "sub/deep/2.png")
    assert find_pictures(["*.png"]) == ["9.png", "10.png"]
    assert find_pictures(["*"]) == ["9.png", "10.png", "x.dat"]
    assert find_pictures(["s*"], recursive=True) == ["sub/1.png", "sub/deep/2.png"]
    assert find_pictures(["**/*.png"]) == ["9.png", "10.png", "sub/1.png", "sub/deep/2.png"]


def test_a_file_may_be_called_like_a_pattern(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, "a[1].png", "a1.png")
    assert find_pictures(["a[1].png"]) == ["a[1].png"]


def test_what_stands_for_nothing_is_kept_in_its_place(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    _touch(tmp_path, "a.png")
    names = ["none.png", "empty", "x*.png", "a.png", "-", "https://example.org/*.png", "a\0b"]
    assert find_pictures(names) == names


def test_nothing_is_listed_twice(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, "a.png", "b.png")
    assert find_pictures(["b.png", "*.png", "b.png"]) == ["b.png", "a.png"]


def test_links_in_a_circle_end(tmp_path):
    _touch(tmp_path, "sub/a.png")
    (tmp_path / "sub" / "again").symlink_to(tmp_path)
    assert find_pictures([f"{tmp_path}"], recursive=True) == [f"{tmp_path}/sub/a.png"]


def test_names_that_are_no_text(tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    _touch(tmp_path, name)
    assert find_pictures([f"{tmp_path}"]) == [f"{tmp_path}/{name}"]


def test_pictures_left_out_by_their_format_are_listed(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    _touch(tmp_path, "a.png", "b.JXL", "sub/c.svg", "sub/.d.svg", "e.txt")
    assert unread_pictures([".", "b.JXL"]) == ["./b.JXL"]
    assert unread_pictures(["."], recursive=True) == ["./b.JXL", "./sub/c.svg"]
    assert unread_pictures(["s*"], recursive=True) == ["sub/c.svg"]
    assert unread_pictures(["s*", "*.txt", "none"]) == []
