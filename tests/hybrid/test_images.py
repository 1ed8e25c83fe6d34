import io
import os
import struct
import warnings
import zlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from hybrid.data.images import FORMATS, ImageError, _no_warnings, open_image


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
    upright = open_image(tmp_path / "a.png")
    assert np.array_equal(np.asarray(upright), np.asarray(picture))
    assert np.array_equal(np.asarray(open_image(upright)), np.asarray(picture))  # and not once more


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


@pytest.mark.parametrize(
    "mode", ["1", "L", "LA", "La", "P", "PA", "CMYK", "RGBA", "RGBa", "YCbCr", "LAB", "HSV"]
)
def test_every_mode_becomes_rgb(mode):
    whole = _scene().convert({"LA": "L", "La": "LA", "RGBa": "RGBA"}.get(mode, "RGB"))
    assert open_image(whole.convert(mode)).mode == "RGB"


# What each file holds: left half red, right half blue, as far as the mode can say it.
def _halves(mode, **_):
    picture = Image.new("RGB", (32, 16), (255, 0, 0))
    picture.paste((0, 0, 255), (16, 0, 32, 16))
    return picture if mode == "RGB" else picture.convert(mode)


@pytest.mark.parametrize(
    ("format_", "mode", "options"),
    [
        ("JPEG", "CMYK", {"quality": 100, "subsampling": 0}),
        ("TIFF", "CMYK", {}),
        ("TIFF", "CMYK", {"compression": "tiff_lzw"}),
        ("PNG", "P", {}),
        ("GIF", "P", {}),
        ("BMP", "P", {}),
        ("TIFF", "P", {}),
        ("JPEG", "RGB", {"quality": 100, "subsampling": 0, "progressive": True}),
        ("WEBP", "RGB", {"lossless": True}),
        ("TIFF", "RGB", {"compression": "tiff_deflate"}),
    ],
)
def test_colours_come_out_as_they_went_in(format_, mode, options):
    stream = io.BytesIO()
    _halves(mode).save(stream, format_, **options)
    stream.seek(0)
    pixels = np.asarray(open_image(stream)).astype(int)
    assert np.abs(pixels[:, :12] - (255, 0, 0)).max() <= 4
    assert np.abs(pixels[:, 20:] - (0, 0, 255)).max() <= 4


@pytest.mark.parametrize("format_", ["PNG", "GIF", "BMP", "TIFF"])
def test_one_bit_is_black_and_white(format_):
    wanted = np.indices((9, 13)).sum(0) % 2 * 255
    stream = io.BytesIO()
    Image.fromarray(wanted.astype(np.uint8)).convert("1").save(stream, format_)
    stream.seek(0)
    assert np.array_equal(np.asarray(open_image(stream)), wanted[..., None].repeat(3, 2))


@pytest.mark.parametrize("format_", ["PNG", "GIF", "WEBP"])
def test_transparency_of_every_kind_lies_over_white(format_):
    picture = Image.new("RGBA", (8, 8), (0, 0, 0, 0))
    picture.paste((0, 0, 255, 255), (4, 0, 8, 8))
    stream = io.BytesIO()
    picture.save(stream, format_, lossless=True)
    stream.seek(0)
    out = open_image(stream)
    assert (out.getpixel((1, 1)), out.getpixel((6, 1))) == ((255, 255, 255), (0, 0, 255))


def test_a_transparent_palette_entry_and_a_transparent_grey_lie_over_white(tmp_path):
    picture = Image.new("P", (2, 1), 0)
    picture.putpalette([255, 0, 0, 0, 255, 0])
    picture.putpixel((1, 0), 1)
    picture.save(tmp_path / "p.png", transparency=0)
    assert [open_image(tmp_path / "p.png").getpixel((x, 0)) for x in (0, 1)] == [(255,) * 3, (0, 255, 0)]
    grey = Image.new("LA", (2, 1), (0, 0))
    grey.putpixel((1, 0), (0, 128))
    grey.save(tmp_path / "la.png")
    assert [open_image(tmp_path / "la.png").getpixel((x, 0))[0] for x in (0, 1)] == [255, 127]


@pytest.mark.parametrize("format_", ["GIF", "PNG", "WEBP", "TIFF"])
def test_of_several_frames_the_first_is_taken(format_):
    stream = io.BytesIO()
    frames = [Image.new("RGB", (20, 10), colour) for colour in ("red", "green", "blue")]
    frames[0].save(stream, format_, save_all=True, append_images=frames[1:], lossless=True)
    stream.seek(0)
    assert open_image(stream).getpixel((5, 5)) == (255, 0, 0)


@pytest.mark.parametrize("size", [(1, 1), (30_000, 1), (1, 30_000), (3, 20_000)])
def test_a_very_long_picture_is_seen_whole_or_cut_like_the_tower_cuts(tmp_path, tiny, size):
    """Its processor brings the short side to 32 pixels: without a cut the long one would have a million."""
    Image.new("RGB", size, (0, 0, 255)).save(tmp_path / "a.png")
    picture = open_image(tmp_path / "a.png")
    assert picture.size == size
    _, processor = tiny
    towers, reached = processor.image_processor, []

    def recording(picture, **options):
        reached.append(picture.size)
        return towers(picture, **options)

    recording.do_center_crop = towers.do_center_crop
    processor.image_processor = recording
    pixels = processor.pixel_values(picture)
    assert max(reached[0]) <= 16 * min(size)
    assert pixels.shape == (1, 3, 32, 32)
    assert (pixels == pixels[:, :, :1, :1]).all()
    assert pixels[0, 2, 0, 0] > 1 > -1 > pixels[0, 0, 0, 0]


def test_ends_that_are_cropped_away_may_be_cut_first(tiny):
    """The middle of a long picture looks the same with and without the cut."""
    _, processor = tiny
    for shape in ((40, 1600), (1600, 40)):
        ramp = np.linspace(0, 255, max(shape)).astype(np.uint8)
        picture = Image.fromarray(np.broadcast_to(ramp if shape[0] < shape[1] else ramp[:, None], shape))
        whole = processor.image_processor(picture.convert("RGB"), return_tensors="pt")["pixel_values"]
        cut = processor.pixel_values(picture.convert("RGB"))
        assert (whole - cut).abs().max() < 0.02


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
    assert _fails(tmp_path, "*.jpg").startswith(f"{tmp_path}: is a directory; ")
    _fails("https://example.org/a.png", "not fetched")
    os.mkfifo(tmp_path / "pipe")
    for name in (tmp_path / "pipe", "/dev/zero"):
        assert _fails(name).startswith(f"{name}: is not a regular file; ")
    _fails("a\0b.png", "cannot be opened")
    _fails("x" * 5000, "cannot be opened")


def test_what_is_neither_file_nor_picture(tmp_path):
    _fails(np.zeros((4, 4, 3), np.uint8), "ndarray", "PIL.Image.fromarray")
    _fails(b"GIF89a", "bytes", "io.BytesIO")
    _fails(None, "NoneType")
    _fails(Image.new("RGB", (0, 3)), "has 0 x 3 pixels")
    closed, stream = _scene(), io.BytesIO(b"GIF89a")
    closed.close()
    stream.close()
    _fails(closed, "cannot be read", "open it anew")
    _fails(stream, "cannot be read", "open it anew")
    _fails(io.StringIO("GIF89a"), "mode 'rb'")
    _scene().save(tmp_path / "cut.jpg")
    (tmp_path / "cut.jpg").write_bytes((tmp_path / "cut.jpg").read_bytes()[:-300])
    with Image.open(tmp_path / "cut.jpg") as lazy:
        _fails(lazy, "cut.jpg", "truncated")


def test_what_is_no_picture(tmp_path):
    (tmp_path / "empty.png").touch()
    _fails(tmp_path / "empty.png", "empty.png", "is empty")
    (tmp_path / "text.jpg").write_text("not a picture")
    _fails(tmp_path / "text.jpg", "text.jpg", "JPEG")
    (tmp_path / "page.png").write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n")
    _fails(tmp_path / "page.png", "is not a picture")


@pytest.mark.parametrize("format_", FORMATS)
@pytest.mark.parametrize("mode", ["RGB", "L", "P", "1"])
def test_a_file_cut_short_anywhere_is_refused(format_, mode):
    picture = _scene((64, 64)).convert(mode)
    picture.paste(0, (0, 32, 64, 64))  # a part that packs into a few bytes
    stream = io.BytesIO()
    if mode in ("P", "1") and format_ in ("JPEG", "WEBP"):
        picture = picture.convert("RGB")
    picture.save(stream, format_)
    whole = stream.getvalue()
    for percent in range(100):
        _fails(io.BytesIO(whole[: len(whole) * percent // 100]), "the stream: ")


@pytest.mark.parametrize("format_", FORMATS)
def test_what_follows_the_end_of_a_file_does_no_harm(format_):
    stream = io.BytesIO()
    _scene().save(stream, format_)
    assert open_image(io.BytesIO(stream.getvalue() + b"more")).size == (40, 30)


def test_a_picture_drawn_in_a_great_many_passes_is_refused():
    """Such a JPEG of a few KB can take minutes."""
    stream = io.BytesIO()
    _scene((64, 64)).save(stream, "JPEG", progressive=True)
    whole = stream.getvalue()
    assert open_image(io.BytesIO(whole)).size == (64, 64)
    last = whole.rindex(b"\xff\xda")
    _fails(io.BytesIO(whole[:-2] + whole[last:-2] * 100 + whole[-2:]), "passes", "save it anew")


def test_bombs():
    """Real ones: a few bytes that unpack to gigabytes, in pixels or in text."""
    for size in (50_000, 12_000):
        header = struct.pack(">IIBBBBB", size, size, 8, 6, 0, 0, 0)
        body = zlib.compress(bytes(10_000_000), 9) * 3
        _fails(io.BytesIO(_png(IHDR=header, IDAT=body)), "more than the 51,000,000", "scale it down")
    text = b"Comment\0\0" + zlib.compress(bytes(100_000_000), 9)
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    _fails(io.BytesIO(_png(IHDR=header, zTXt=text, IDAT=zlib.compress(bytes(4)))), "the stream")
    _fails(io.BytesIO(b"GIF89a" + struct.pack("<HHBBB", 60_000, 60_000, 0, 0, 0) + b";"), "the stream")


def _png(**chunks):
    out = b"\x89PNG\r\n\x1a\n"
    for name, data in [*chunks.items(), ("IEND", b"")]:
        body = name.encode() + data
        out += struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    return out


def test_a_stream_that_does_not_end_is_not_read_for_ever(monkeypatch):
    monkeypatch.setattr("hybrid.data.images.MAX_BYTES", 1000)
    with Path("/dev/zero").open("rb") as endless:
        _fails(endless, "/dev/zero", "more than")


def test_what_may_not_be_read(tmp_path, monkeypatch):
    def refused(*_):
        raise PermissionError(13, "Permission denied")

    _scene().save(tmp_path / "a.png")
    monkeypatch.setattr("pathlib.Path.open", refused)  # the tests may run as root, who may read all
    _fails(tmp_path / "a.png", "may not be read; check its permissions")


def test_warnings_are_silent_until_the_last_thread_has_read_and_as_before_then():
    before, stream = list(warnings.filters), io.BytesIO()
    _scene().save(stream, "PNG")
    stream.seek(0)
    with _no_warnings:
        with ThreadPoolExecutor(1) as pool:
            pool.submit(open_image, stream).result()
        warnings.warn("a damaged tag", stacklevel=1)  # an error in these tests
    assert warnings.filters == before
    with pytest.warns(UserWarning, match="seen"):
        warnings.warn("seen", stacklevel=1)


@pytest.mark.parametrize(
    "error",
    [
        OSError, SyntaxError, ValueError, IndexError, KeyError, TypeError, OverflowError, EOFError,
        struct.error, MemoryError,
    ],
)  # fmt: skip
def test_what_pillow_raises_for_broken_files_becomes_one_error(monkeypatch, error):
    def broken(*_):
        raise error("what\never")

    stream = io.BytesIO()
    _scene().save(stream, "PNG")
    monkeypatch.setattr("PIL.PngImagePlugin.PngImageFile.load", broken)
    _fails(io.BytesIO(stream.getvalue()), "the stream: ", "; ")


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("block", [b"garbage", b"MM\0*\0\0\0\x08\0\x05", b"Exif\0\0II*\0\xff\xff\xff\xff"])
def test_a_whole_picture_with_damaged_exif_is_read(kind, block):
    picture = Image.new("RGB", (16, 12), (200, 30, 30))
    stream = io.BytesIO()
    picture.save(stream, kind, exif=block)
    assert open_image(io.BytesIO(stream.getvalue())).size == (16, 12)


def test_a_png_with_a_wrong_checksum_of_its_exif_is_read_without_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    stream = io.BytesIO()
    Image.new("RGB", (16, 12)).save(stream, "PNG", exif=exif)
    data = bytearray(stream.getvalue())
    assert open_image(io.BytesIO(data)).size == (12, 16)
    data[data.find(b"eXIf") + 20] ^= 255
    assert open_image(io.BytesIO(data)).size == (16, 12)
    data[data.find(b"IDAT") + 8] ^= 255
    with pytest.raises(ImageError, match=r"damaged|not a picture"):
        open_image(io.BytesIO(data))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("tag", [274, 282, 270])
def test_a_tiff_whose_notes_lie_outside_of_the_file_is_read(order, tag):
    picture = np.random.default_rng(0).integers(0, 255, (6, 4, 3), np.uint8)
    mark = {"<": b"II*\0", ">": b"MM\0*"}[order]
    tags = {256: (3, 1, 4), 257: (3, 1, 6), 258: (3, 1, 8), 262: (3, 1, 2), 273: (4, 1, 8), 277: (3, 1, 3)}
    tags |= {278: (3, 1, 6), 279: (4, 1, 72), tag: (10, 1, 2**32 - 1)}  # a pair of numbers far away
    rows = [
        struct.pack(order + "HHI" + ("H2x" if kind == 3 else "I"), number, kind, count, value)
        for number, (kind, count, value) in sorted(tags.items())
    ]
    data = mark + struct.pack(order + "I", 80) + picture.tobytes() + struct.pack(order + "H", len(rows))
    data += b"".join(rows) + bytes(4)
    np.testing.assert_array_equal(np.asarray(open_image(io.BytesIO(data))), picture)
