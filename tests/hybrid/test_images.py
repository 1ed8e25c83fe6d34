import io
import os

import numpy as np
import pytest
from PIL import Image

from hybrid.images import FORMATS, ImageError, open_image


def _scene(size=(40, 30)):
    rng = np.random.default_rng(0)
    return Image.fromarray(rng.integers(0, 256, (size[1], size[0], 3), np.uint8))


@pytest.mark.parametrize("format_", FORMATS)
def test_every_listed_format_is_read(tmp_path, format_):
    path = tmp_path / f"picture.{format_.lower()}"
    _scene().save(path, format_)
    picture = open_image(path)
    assert picture.mode == "RGB"
    assert picture.size == (40, 30)


def test_lossless_pixels_come_through_unchanged(tmp_path):
    _scene().save(tmp_path / "a.png")
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), np.asarray(_scene()))


@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied(tmp_path, orientation):
    undo = {2: 0, 3: 3, 4: 1, 5: 5, 6: 2, 7: 6, 8: 4}  # Pillow's transpose that a camera of this kind "did"
    picture = _scene()
    stored = picture.transpose(Image.Transpose(undo[orientation])) if orientation > 1 else picture
    exif = Image.Exif()
    exif[0x0112] = orientation
    stored.save(tmp_path / "a.png", exif=exif)
    assert np.array_equal(np.asarray(open_image(tmp_path / "a.png")), np.asarray(picture))


def test_transparency_lies_over_white(tmp_path):
    picture = Image.new("RGBA", (4, 4), (255, 0, 0, 0))
    picture.putpixel((1, 1), (255, 0, 0, 255))
    picture.save(tmp_path / "a.png")
    out = open_image(tmp_path / "a.png")
    assert out.getpixel((0, 0)) == (255, 255, 255)
    assert out.getpixel((1, 1)) == (255, 0, 0)


def test_16_bits_keep_their_levels(tmp_path):
    ramp = np.linspace(0, 65535, 256).astype(np.uint16)[None].repeat(4, 0)
    Image.fromarray(ramp).save(tmp_path / "a.png")
    out = np.asarray(open_image(tmp_path / "a.png"))[0, :, 0]
    assert np.abs(out.astype(int) - np.arange(256)).max() <= 1


def test_a_dark_16_bit_picture_stays_dark(tmp_path):
    Image.fromarray(np.full((4, 4), 200, np.uint16)).save(tmp_path / "a.png")
    assert open_image(tmp_path / "a.png").getpixel((0, 0)) == (1, 1, 1)


@pytest.mark.parametrize("top", [1.0, 255.0, 65535.0])
def test_floating_point_levels_are_scaled(tmp_path, top):
    Image.fromarray(np.linspace(0, top, 5, dtype=np.float32)[None]).save(tmp_path / "a.tiff")
    levels = np.asarray(open_image(tmp_path / "a.tiff"))[0, :, 0]
    assert levels.tolist() == [0, 64, 128, 191, 255]


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "CMYK", "RGBA"])
def test_every_mode_becomes_rgb(mode):
    assert open_image(_scene().convert("L" if mode == "LA" else "RGB").convert(mode)).mode == "RGB"


def test_streams_and_one_pixel():
    stream = io.BytesIO()
    Image.new("RGB", (1, 1), "red").save(stream, "PNG")
    stream.seek(0)
    assert open_image(stream).getpixel((0, 0)) == (255, 0, 0)


def _fails(source, *words):
    with pytest.raises(ImageError) as error:
        open_image(source)
    message = str(error.value)
    assert "\n" not in message
    for word in words:
        assert word in message
    return message


def test_what_is_no_file(tmp_path):
    _fails(tmp_path / "none.png", "none.png", "no such file")
    _fails(tmp_path, "is a directory", "*.jpg")
    _fails("https://example.org/a.png", "not fetched")
    os.mkfifo(tmp_path / "pipe")
    _fails(tmp_path / "pipe", "not a regular file")
    _fails("/dev/zero", "not a regular file")
    _fails("a\0b.png", "cannot be opened")
    _fails("x" * 5000, "cannot be opened")


def test_what_is_no_picture(tmp_path):
    (tmp_path / "empty.png").touch()
    _fails(tmp_path / "empty.png", "empty.png", "is empty")
    (tmp_path / "text.jpg").write_text("not a picture")
    _fails(tmp_path / "text.jpg", "text.jpg", "JPEG")
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    _fails(tmp_path / "page.png", "is not a picture")


@pytest.mark.parametrize("format_", ["JPEG", "PNG", "WEBP"])
def test_a_file_cut_short_anywhere_is_refused(tmp_path, format_):
    stream = io.BytesIO()
    _scene((64, 64)).save(stream, format_)
    whole = stream.getvalue()
    for percent in range(100):
        (tmp_path / "cut").write_bytes(whole[: len(whole) * percent // 100])
        _fails(tmp_path / "cut", "cut")


def test_a_bomb_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    _scene().save(tmp_path / "a.png")
    monkeypatch.setattr("hybrid.images.MAX_PIXELS", 1000)
    _fails(tmp_path / "a.png", "40 x 30", "1,000")
