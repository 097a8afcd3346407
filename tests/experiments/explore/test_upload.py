"""The box for the visitor's own photograph: drawn pictures, and a generator of four pixels."""

import base64
import functools
import io
import re
import sys
import tempfile
import threading
import time
from types import SimpleNamespace
from unittest.mock import MagicMock

import numpy as np
import pytest
from PIL import Image

from experiments.common import web
from experiments.explore import page, server, upload
from experiments.explore.pictures import painter, state_of
from experiments.explore.upload import Photographs, decode
from experiments.sefa import photo, run
from experiments.sefa.config import Config
from jaxgan import sefa
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.sefa import invert
from tests import generators
from tests.generators import DIM, LAYERS, SIDE, line_of

CONFIG = Config(checkpoint="faces.pth", directions=2, size=SIDE, unit="code", like="genforce")


@functools.cache
def linear(layers=LAYERS):
    plain = {} if layers else {"encode": lambda params, z: z}  # codes are latents
    return generators.linear(layers, scale=0.05, **plain)


def url_of(image, kind="PNG", **options):
    stream = io.BytesIO()
    image.save(stream, format=kind, **options)
    return url_of_bytes(stream.getvalue())


def url_of_bytes(content):
    return f"data:image/any;base64,{base64.b64encode(content).decode()}"


def pictures(layers=LAYERS):
    """Six of the generator's own pictures ``[6, S, S, 3]``."""
    codes = run.codes_of(Config(seed=5, samples=6, truncation=0.5), linear(layers))
    return to_uint8(linear(layers).images(codes))


def own_picture(layers=LAYERS):
    """The first of them, as large as a photograph."""
    large = (32 * SIDE, 32 * SIDE)
    return Image.fromarray(pictures(layers)[0]).resize(large, Image.Resampling.NEAREST)


def assert_found(image, layers=LAYERS):
    """An image is far more like the first than any other is; the pull makes it not equal."""
    first, *others = pictures(layers).astype(int)
    closest = min(np.abs(other - first).mean() for other in others)
    assert np.abs(image - first).mean() < closest / 2


# What is sent.


def test_a_photograph_is_decoded_as_a_file_is():
    drawn = Image.effect_noise((6, 4), 50).convert("RGB")
    np.testing.assert_array_equal(decode(url_of(drawn)), np.asarray(drawn))
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees
    turned = decode(url_of(drawn, exif=exif))
    np.testing.assert_array_equal(turned, np.rot90(np.asarray(drawn), -1))


@pytest.mark.parametrize(
    ("url", "line"),
    [
        (None, "not a readable image"),
        ("data:,", "not a readable image"),
        ("data:image/png;base64,AAA", "not a readable image"),
        ("data:image/png;base64,\u0661\u0661\u0661\u0661", "not a readable image"),
        ("file:///etc/passwd", "not a readable image"),
        (url_of_bytes(b"<svg xmlns='http://www.w3.org/2000/svg'/>"), "not a readable image"),
        (url_of_bytes(b""), "an empty file"),
        (url_of(Image.new("1", (4097, 4096))), "too large: more than 4096 by 4096 pixels"),
    ],
)
def test_what_is_no_photograph_is_refused_in_one_line(url, line):
    with pytest.raises(InputError) as error:
        decode(url)
    assert line_of(error) == line


# The search.


@pytest.fixture
def pixels_alone(monkeypatch):
    monkeypatch.setattr(photo, "features", lambda: None)


@pytest.fixture
def stub(monkeypatch, pixels_alone):
    """A search that waits, after every tenth update, until it may go on."""
    steps = SimpleNamespace(may=threading.Semaphore(0), pace=threading.Semaphore(0))

    def inverter(generator, *, steps: int, features, every, pace=steps):
        def search(target, show):
            for step in range(every, steps + every, every):
                assert pace.may.acquire(timeout=20)
                show(step, target)
                pace.pace.release()
            codes = np.ones((1, LAYERS, DIM), np.float32)
            return invert.Inverted(codes, target, 0.25, np.zeros(steps))

        return search

    monkeypatch.setattr(invert, "inverter", inverter)
    monkeypatch.setattr(upload, "LOOK", 0.01)
    return steps


def advance(views, stub, count=1):
    """The view after some tens of updates."""
    for _ in range(count):
        stub.may.release()
        assert stub.pace.acquire(timeout=20)
    return next(views)


def last(views):
    return list(views)[-1]


TEAL = url_of(Image.new("RGB", (16, 16), "teal"))


@pytest.mark.parametrize("layers", [LAYERS, 0])
def test_a_person_is_found_shown_and_downloaded(pixels_alone, layers, tmp_path):
    photographs = Photographs(linear(layers), noalign=True, steps=100)
    *views, end = photographs.find(url_of(own_picture(layers)), "")
    assert all(view.person is None for view in views)
    assert re.fullmatch("photo-[0-9a-f]{8}", end.person)
    assert end.mine == end.person
    assert f'data-person="{end.person}"' in end.text
    (tmp_path / "codes.npz").write_bytes(photographs.file(end.person))
    codes = sefa.read_codes(linear(layers), tmp_path / "codes.npz")
    np.testing.assert_array_equal(codes, photographs.codes(end.person))
    # The page shows the same person, whatever the truncation; directions move them.
    directions, _ = run.find(CONFIG, linear(layers))
    paint = painter(CONFIG, linear(layers), directions, code_of=photographs.codes)
    still, bold, moved = (
        paint(state_of(linear(layers), 2, end.person, share, "all", away, 0))
        for share, away in ((0.7, 0), (1.5, 0), (0.7, 2))
    )
    assert_found(still, layers)
    np.testing.assert_array_equal(still, bold)
    assert (still != moved).any()


def test_the_search_tells_how_far_it_is(stub):
    photographs = Photographs(linear(), noalign=True, steps=30)
    views = photographs.find(TEAL, "")
    assert 'class="running"' in next(views).text
    assert "Searching: 10 of 30 updates<" in advance(views, stub).text
    view = advance(views, stub)
    assert re.search("Searching: 20 of 30 updates, about [0-9]+ s left<", view.text)
    assert '<progress max="30" value="20">' in view.text
    assert "data:image/png;base64," in view.text
    stub.may.release()
    end = last(views)
    assert "Found, with an error of 0.250" in end.text
    # The next one is shown beside the first. Names that are not known are left out.
    stub.may.release(3)
    both = last(photographs.find(TEAL, f"{end.person} {end.person} photo-00000000 <b>"))
    assert both.mine == f"{end.person} {both.person}"
    assert both.text.count("data-person") == 2
    assert "<b>" not in both.text


def test_one_search_at_a_time(stub):
    photographs = Photographs(linear(), noalign=True, steps=10)
    first = photographs.find(TEAL, "")
    mine = next(first).mine
    (refused,) = photographs.find(TEAL, "")
    assert "another search is running; try again when it has ended" in refused.text
    photographs.stop(refused.mine)  # another's, which goes on
    photographs.stop("")
    stub.may.release()
    assert last(first).person == mine
    stub.may.release()
    assert last(photographs.find(TEAL, "")).person


def test_stop_ends_the_search(stub):
    photographs = Photographs(linear(), noalign=True)
    views = photographs.find(TEAL, "")
    mine = next(views).mine
    photographs.stop(mine)
    stub.may.release()
    end = last(views)
    assert (end.person, end.mine) == (None, "")
    assert "Stopped" in end.text
    with pytest.raises(InputError, match=f"person {mine} is not known") as error:
        photographs.codes(mine)
    assert line_of(error)


def test_a_page_that_was_left_ends_the_search(stub, monkeypatch):
    monkeypatch.setattr(upload, "PATIENCE", 0.05)
    photographs = Photographs(linear(), noalign=True, steps=10)
    views = photographs.find(TEAL, "")
    next(views)
    time.sleep(0.1)
    stub.may.release()
    search = photographs._search
    assert search is None or search.ended.wait(20)
    assert photographs._free.acquire(timeout=20)  # for the next one
    assert photographs._people == {}


def test_the_end_of_the_explorer_ends_the_search(stub):
    photographs = Photographs(linear(), noalign=True)
    views = photographs.find(TEAL, "")
    next(views)
    photographs.close()
    assert "Stopped" in last(views).text
    stub.may.release()


@pytest.mark.parametrize(
    "line",
    ["no face is seen in it", "2 faces are seen in it; cut it to one of them", "<b> & more"],
)
def test_refusals_are_the_lines_of_the_command(stub, monkeypatch, line):
    def refuse(pixels, say):
        raise InputError(line)

    monkeypatch.setattr(photo, "framer", lambda generator, noalign: refuse)
    end = last(Photographs(linear()).find(TEAL, ""))
    shown = line.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    assert end.text.startswith(f'<p role="status">{shown}</p>')
    assert (end.person, end.mine) == (None, "")
    end = last(Photographs(linear()).find("data:,", ""))
    assert "not a readable image" in end.text


def test_remarks_are_shown(stub, monkeypatch):
    def turn(pixels, say):
        say("turned by 90 degrees to be upright")
        return pixels

    monkeypatch.setattr(photo, "framer", lambda generator, noalign: turn)
    stub.may.release()
    end = last(Photographs(linear(), steps=10).find(TEAL, ""))
    assert "turned by 90 degrees to be upright" in end.text


def test_what_goes_wrong_otherwise_is_said_and_the_next_search_begins(stub, monkeypatch):
    def fail(pixels, say):
        raise ZeroDivisionError

    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(photo, "framer", lambda generator, noalign: fail)
    photographs = Photographs(linear())
    for _ in range(2):
        end = last(photographs.find(TEAL, ""))
        assert "the search failed; the terminal says why" in end.text


def test_the_oldest_people_are_forgotten(stub, monkeypatch):
    monkeypatch.setattr(upload, "MAX_PEOPLE", 2)
    photographs = Photographs(linear(), noalign=True, steps=10)
    stub.may.release(3)
    names, mine = [], ""
    for _ in range(3):
        end = last(photographs.find(TEAL, mine))
        mine = end.mine
        names.append(end.person)
    assert list(photographs._people) == names[1:]
    assert mine == " ".join(names[1:])


# The page.


def answers_of(folder, **options):
    directions, names = run.find(CONFIG, linear())
    return page.Answers(CONFIG, folder, linear(), directions, ["one", "two"], **options)


def test_without_the_face_finder_the_box_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "gradio", MagicMock)
    monkeypatch.setitem(sys.modules, "ai_edge_litert.interpreter", None)
    answers = answers_of(tmp_path)
    assert page._photo_box(answers) == []
    (call,) = answers.gradio.HTML.call_args_list
    assert "ai_edge_litert is not installed: pip install &#x27;jaxgan[attributes]" in call[0][0]
    page._layout(answers, linear())
    assert answers_of(tmp_path, noalign=True).photographs.lacks() == ""


def test_the_code_of_a_link(tmp_path, monkeypatch):
    monkeypatch.setattr(server, "gradio", MagicMock)
    content, status, kind = answers_of(tmp_path).code("photo-01234567<b>")
    assert (status, kind) == (400, "text/plain")
    assert content.startswith(b"person photo-01234567<b> is not known: ")


# In a browser.

WARNED = pytest.mark.filterwarnings("ignore")  # by what Gradio imports


@pytest.fixture
def home(tmp_path, monkeypatch, pixels_alone, capsys):
    """The page in this process, whose files would lie in ``tmp_path``."""
    pytest.importorskip("gradio", reason="needs Gradio: the extra 'ui'")
    (tmp_path / "temp").mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "temp"))
    answers = answers_of(tmp_path, noalign=True)
    app = page.application(answers, linear())
    with web.serving(app, server.SITE, 0):
        yield capsys.readouterr().out.strip(), answers
        answers.photographs.close()


def opened(new_tab, home, **settings):
    tab = new_tab(home[0], **settings)
    tab.goto(home[0])
    tab.wait_for_selector("#picture img")
    tab.wait_for_load_state("networkidle")
    tab.get_by_role("button", name="Your own photograph").click()
    return tab


def choose(tab, content, name="me.png"):
    file = {"name": name, "mimeType": "image/png", "buffer": content}
    tab.locator("#photo input[type=file]").set_input_files([file])


def file_of(image, **options):
    return base64.b64decode(url_of(image, **options).split(",")[1])


def says(tab, words):
    return tab.locator("#found p").filter(has_text=words).text_content()


def picture_of(tab):
    source = tab.locator("#picture img").get_attribute("src")
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(source.split(",")[1]))))


def after(tab, act):
    before = tab.locator("#picture img").get_attribute("src")
    act()
    tab.wait_for_function(
        "old => document.querySelector('#picture img').getAttribute('src') !== old", arg=before
    )
    return picture_of(tab)


@pytest.mark.slow
@WARNED
def test_a_photograph_is_uploaded_edited_and_kept_nowhere(new_tab, home, tmp_path):
    before = sorted(tmp_path.rglob("*"))
    tab = opened(new_tab, home)
    slider = tab.locator(".direction input[type=range]").first
    after(tab, lambda: slider.fill("2"))
    # A camera that is held upside down writes so, and the browser turns the picture.
    exif = Image.Exif()
    exif[0x0112] = 3
    large = own_picture().resize((2000, 2000)).rotate(180)
    found = after(tab, lambda: choose(tab, file_of(large, kind="JPEG", exif=exif)))
    assert slider.input_value() == "0"
    assert says(tab, "Found, with an error of")
    assert_found(found)
    person = tab.get_by_role("textbox", name="Person")
    name = person.input_value()
    assert name.startswith("photo-")
    # Directions work on the person, who can be left and come back to.
    assert (after(tab, lambda: slider.fill("2")) != found).any()
    after(tab, tab.get_by_role("button", name="Another person").click)
    assert person.input_value() != name
    after(tab, tab.get_by_title(f"Show {name}").click)
    assert person.input_value() == name
    np.testing.assert_array_equal(
        after(tab, tab.get_by_role("button", name="Reset").click), found
    )
    with tab.expect_download() as download:
        tab.get_by_role("link", name="Download code").click()
    assert download.value.suggested_filename == f"{name}.npz"
    with np.load(download.value.path()) as arrays:
        np.testing.assert_array_equal(to_uint8(linear().images(arrays["w+"]))[0], found)
    # What is none, and the same file again.
    for content, line in ((b"text", "not a readable image"), (b"", "an empty file")):
        choose(tab, content)
        assert says(tab, line) == line
    assert tab.get_by_title(f"Show {name}").is_visible()
    # Noise of 2048 pixels has too many bytes at 1024 pixels, too, until the quality is less.
    noise = np.random.default_rng(0).integers(0, 256, (2048, 2048, 3), np.uint8)
    choose(tab, file_of(Image.fromarray(noise), kind="JPEG", quality=90))
    tab.locator("#found li").nth(1).wait_for()
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 1280
    tab.set_viewport_size({"width": 360, "height": 800})
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 360
    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.slow
@WARNED
def test_a_search_is_stopped_by_a_button_and_by_leaving(new_tab, home, stub, monkeypatch):
    monkeypatch.setattr(upload, "PATIENCE", 1.0)
    photographs = home[1].photographs
    drawn = file_of(Image.new("RGB", (32, 32), "teal"))
    first, second = (opened(new_tab, home) for _ in range(2))
    assert not first.get_by_role("button", name="Stop").is_visible()
    choose(first, drawn)
    says(first, "Getting ready")
    assert not first.locator("#photo .choose").is_visible()
    choose(second, drawn)
    says(second, "another search is running")
    # Sliders work meanwhile.
    after(first, lambda: first.locator(".direction input[type=range]").first.fill("1"))
    first.get_by_role("button", name="Stop").click()
    says(first, "Stopping")
    stub.may.release()
    assert says(first, "Stopped") == "Stopped"
    assert first.locator("#photo .choose").is_visible()
    assert first.locator(".direction input[type=range]").first.input_value() == "1"
    choose(second, drawn)
    says(second, "Getting ready")
    search = photographs._search
    second.close()
    asked = None
    while asked != search.last_request:  # until nobody asks any more
        asked = search.last_request
        time.sleep(0.5)
    time.sleep(1.0)
    stub.may.release()
    assert search.ended.wait(20)
    assert photographs._people == {}
