from typing import Any

import numpy as np
import pytest
from PIL import Image, ImageFont

from jaxgan.plots import fonts, raster

NAMES = {
    "Latin": "Ärmel, Größe, Łódź",
    "Greek": "Σακάκι",
    "Cyrillic": "Куртка",
    "ASCII": "Coat",
}


def boxes(font, text):
    box = bytes(font.getmask("\U0010fffe"))
    return [x for x in text if x != " " and bytes(font.getmask(x)) == box]


@pytest.mark.parametrize("script", NAMES)
def test_names_have_no_boxes(script):
    assert boxes(fonts.font(NAMES[script]), NAMES[script]) == []


def test_ascii_is_drawn_in_pillows_own_font():
    own: Any = ImageFont.load_default(13)
    assert bytes(own.getmask("Coat")) == bytes(fonts.font("Coat").getmask("Coat"))


def test_a_font_of_the_system_is_taken_where_it_is_better(tmp_path, monkeypatch):
    (bundled,) = fonts._bundled()
    (tmp_path / "NotoSansCJK-Regular.ttf").write_bytes(bundled.read_bytes())
    (tmp_path / "wqy.ttf").write_text("damaged")
    monkeypatch.setattr(fonts, "_FOLDERS", (str(tmp_path),))
    monkeypatch.setattr(fonts, "_bundled", lambda: iter(()))
    fonts._files.cache_clear()
    try:
        assert boxes(fonts.font("Куртка"), "Куртка") == []
        assert fonts.font("\U0010fffd") is not None  # nothing has it
    finally:
        fonts._files.cache_clear()


def test_rows_of_images_are_named_in_their_script(tmp_path):
    images = np.full((2, 8, 8, 1), 255, np.uint8)
    pictures = []
    for name in ("Ж", "Щ"):
        raster.image_rows(tmp_path / "a.png", {name: images})
        with Image.open(tmp_path / "a.png") as image:
            pictures.append(np.asarray(image))
    assert (pictures[0] != pictures[1]).any()
