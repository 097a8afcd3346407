from collections import Counter

import numpy as np
import pytest
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib.text import Text
from PIL import Image

from jaxgan.plots import figures, fonts, raster

NAMES = {
    "Latin": "Ärmel, Größe, Łódź",
    "Greek": "Σακάκι",
    "Cyrillic": "Куртка",
    "Arabic": "معطف جميل",
    "Hebrew": "מעיל אדום",
    "ASCII": "Coat",
}


@pytest.fixture
def system(tmp_path, monkeypatch):
    """An empty folder, the only one of the system that has fonts."""
    folder = tmp_path / "fonts"
    folder.mkdir()
    monkeypatch.setattr(fonts, "_FOLDERS", (str(folder),))
    monkeypatch.setattr(fonts, "_files", {})
    fonts._candidates.cache_clear()
    yield folder
    fonts._candidates.cache_clear()


def write_font(path, characters):
    """Write a font that draws a triangle for each character, and a box for others."""
    pens = {}
    for name, corners in {
        "box": [(0, 0), (0, 800), (800, 800), (800, 0)],
        "triangle": [(0, 0), (400, 800), (800, 0)],
    }.items():
        pens[name] = TTGlyphPen(None)
        pens[name].moveTo(corners[0])
        for corner in corners[1:]:
            pens[name].lineTo(corner)
        pens[name].closePath()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder([".notdef", "triangle"])
    builder.setupCharacterMap({ord(x): "triangle" for x in characters})
    builder.setupGlyf({".notdef": pens["box"].glyph(), "triangle": pens["triangle"].glyph()})
    builder.setupHorizontalMetrics({".notdef": (900, 0), "triangle": (900, 0)})
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    builder.setupNameTable({"familyName": "Triangles", "styleName": "Bold"})
    builder.setupOS2(usWeightClass=700)
    builder.setupPost()
    builder.save(path)
    return str(path)


def boxes(run):
    font = fonts._font(run.path, 13)
    box = bytes(font.getmask("\U0010fffe"))
    return [x for x in run.text if x != " " and bytes(font.getmask(x)) == box]


@pytest.mark.parametrize("script", NAMES)
def test_names_have_no_boxes(script, system):
    (run,) = fonts.runs(NAMES[script])
    assert run.text == NAMES[script]
    assert boxes(run) == []
    assert (run.path == fonts.OWN) == (script == "ASCII")


def test_fonts_of_the_system_are_taken_for_what_the_bundled_one_lacks(system):
    cjk = write_font(system / "Unknown-Regular.ttf", "外套")
    (system / "wqy.ttf").write_text("damaged")
    (bundled,) = map(str, fonts._bundled_fonts())
    assert fonts.runs("Jacke 外套 ä") == [("Jacke ", bundled), ("外套 ", cjk), ("ä", bundled)]


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("外套 ä", r"\u5916\u5957 ä"),
        ("a\x07", r"a\x07"),
        ("\udcff.csv", r"\udcff.csv"),  # a file's name that is not UTF-8
        ("ok\U000e0100\U000e0001", "ok"),
    ],
)
def test_characters_of_no_font_are_escaped(system, text, shown):
    assert fonts.readable(text) == shown
    assert "".join(run.text for run in fonts.runs(text)) == shown


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("installed", [True, False])
def test_figures_have_names_in_any_script(tmp_path, monkeypatch, system, caplog, installed):
    if installed:
        write_font(system / "wqy.ttf", "外套")
    figs = []
    save = figures._save
    monkeypatch.setattr(figures, "_save", lambda *args: (save(*args), figs.append(args[0])))
    names = ["外套", "Łódź", r"$\frac$", "\udcff"]
    panels = {"套": {"外": np.ones(4), r"lowered \$": np.ones(4)}}
    figures.shares(tmp_path / "a.png", names, panels, "外: $5 and $6")
    texts = Counter(text.get_text() for text in figs[0].findobj(Text))
    one, two = "外套" if installed else (r"\u5916", r"\u5957")
    assert {one + two, "Łódź", r"\udcff"} <= texts.keys()
    title = figs[0]._suptitle
    assert title._preprocess_math(title.get_text()) == (f"{one}: $5 and $6", False)
    assert caplog.records == []


def test_rows_of_images_are_named_in_their_script(tmp_path, system):
    write_font(system / "wqy.ttf", "外")
    images = np.full((2, 8, 8, 1), 255, np.uint8)
    pictures = []
    for name in ("Ж", "Щ", "外", "a\n外"):
        raster.image_rows(tmp_path / "a.png", {name: images}, name)
        with Image.open(tmp_path / "a.png") as image:
            pictures.append(np.asarray(image).tobytes())
    assert len(set(pictures)) == 4
