"""Formats that need a reader: where it is installed they are read as carefully as the others."""

import io

import numpy as np
import pytest
from PIL import Image

from hybrid.data.formats import FORMATS, SUFFIXES, register_readers
from hybrid.data.images import ImageError, open_image


@pytest.mark.parametrize(("name", "ending"), [("AVIF", ".avif"), ("HEIF", ".heic")])
def test_modern_formats_are_read_upright_and_whole_or_not_at_all(tmp_path, name, ending):
    if name not in FORMATS:
        pytest.skip(f"nothing here reads {name}")
    register_readers()
    assert ending in SUFFIXES
    levels = np.zeros((24, 40, 3), np.uint8)
    levels[:, :20] = 255  # white on the left: on top, when the camera was turned
    exif = Image.Exif()
    exif[0x0112] = 6
    file = tmp_path / f"a{ending}"
    Image.fromarray(levels).save(file, name, exif=exif.tobytes(), quality=90)
    picture = np.asarray(open_image(file))
    assert picture.shape == (40, 24, 3)
    assert picture[:16].min() > 200 > 50 > picture[24:].max()
    data = file.read_bytes()
    for percent in range(1, 100, 7):
        with pytest.raises(ImageError):
            open_image(io.BytesIO(data[: len(data) * percent // 100]))


def test_what_no_reader_knows_says_the_way(tmp_path):
    (tmp_path / "a.jxl").write_bytes(b"\xff\x0a not really")
    with pytest.raises(ImageError, match=r"a\.jxl: is not a picture in one of .*; convert to PNG or JPEG"):
        open_image(tmp_path / "a.jxl")
