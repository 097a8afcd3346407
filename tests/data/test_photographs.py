"""Photographs of every kind of file."""

import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from jaxgan.data import photographs
from jaxgan.data._image_sources import reads_heif
from jaxgan.errors import InputError
from tests.generators import line_of

BANDS = np.zeros((40, 60, 3), np.uint8)
BANDS[:20] = 200, 40, 40
BANDS[20:] = 30, 90, 210


def content(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return stream.getvalue()


def test_a_photograph_is_read_whole():
    np.testing.assert_array_equal(photographs.decode(content(Image.fromarray(BANDS))), BANDS)


def test_it_is_turned_as_its_exif_says():
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # the camera was turned: rotate clockwise
    turned = content(Image.fromarray(np.rot90(BANDS)), exif=exif)
    np.testing.assert_array_equal(photographs.decode(turned), BANDS)


@pytest.mark.parametrize(
    ("mode", "kind"),
    [
        ("L", "PNG"),
        ("P", "PNG"),
        ("1", "PNG"),
        ("CMYK", "JPEG"),
        ("CMYK", "TIFF"),
        ("LA", "PNG"),
    ],
)
def test_other_colours_become_rgb(mode, kind):
    image = Image.fromarray(BANDS).convert(mode)
    found = photographs.decode(content(image, kind))
    assert found.shape == BANDS.shape
    expected = np.asarray(image.convert("RGB")).astype(float)
    assert np.abs(found - expected).mean() < 4  # levels, of a JPEG


def test_transparency_becomes_white_and_deep_grey_is_not_black():
    clear = Image.new("RGBA", (9, 9), (10, 20, 30, 0))
    assert (photographs.decode(content(clear)) == 255).all()
    deep = Image.fromarray(np.full((9, 9), 4000, np.uint16))  # of 12 bits
    assert photographs.decode(content(deep)).min() > 240


def test_a_large_one_is_reduced():
    found = photographs.decode(content(Image.new("RGB", (600, 300), "teal"), "JPEG"), 200)
    assert found.shape == (100, 200, 3)


def test_what_cannot_be_read_is_one_line(tmp_path):
    whole = content(Image.fromarray(BANDS))
    cases = {
        "text.jpg": (b"not an image", "not a readable image"),
        "empty.png": (b"", "an empty file"),
        "cut.png": (whole[: len(whole) // 2], "damaged"),
        "huge.png": (content(Image.new("1", (5000, 5000))), "too large"),
    }
    if not reads_heif():
        cases["phone.heic"] = b"", "pillow-heif"
    for name, (data, says) in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(InputError, match=says) as error:
            photographs.read(tmp_path / name)
        assert line_of(error).startswith(f"{tmp_path / name}: ")


def test_a_folder_names_the_images_in_it(tmp_path):
    for name in ("b.png", "a.JPG", ".hidden.png", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "empty").mkdir()
    listed = photographs.listed((str(tmp_path / "b.png"), str(tmp_path)))
    assert [path.name for path in listed] == ["b.png", "a.JPG", "b.png"]
    for wrong, says in (("none.png", "no such file"), ("empty", "without images")):
        with pytest.raises(InputError, match=says) as error:
            photographs.listed((str(tmp_path / wrong),))
        assert line_of(error)
