import io
import json
import re
import time
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import InputError
from jaxgan.sefa.page import Row, page

DISTANCES = np.linspace(-3, 3, 11)
ZERO, LAST = 5, 10
HOSTILE = [
    "</script><img src=x onerror=alert(1)>",
    "\"quotes' & <b>bold</b> \u2028 $style",
    "\u202eright to left \u05e9\u05dc\u05d5\u05dd",
    "W" * 300,
]


def colour(k, n, t):
    """Of the image of direction k, sample n, step t; unedited, it is the same for all k."""
    return (200, 40 + 40 * n, 10) if t == ZERO else (40 * k, 40 + 40 * n, 20 * t)


def image(rgb, kind="PNG", size=(8, 8)):
    stream = io.BytesIO()
    Image.new("RGB", size, rgb).save(stream, kind)
    return stream.getvalue()


def frames(directions=3, samples=2):
    return [
        [[image(colour(k, n, t)) for t in range(LAST + 1)] for n in range(samples)]
        for k in range(directions)
    ]


def example(names=("smile", "turn", "age"), samples=("sample 1", "sample 2"), **changes):
    arguments = {
        "title": "Directions of a generator",
        "frames": frames(len(names), len(samples)),
        "rows": [Row(name, {"share of the spectrum": "1.9 %"}) for name in names],
        "samples": samples,
        "distances": DISTANCES,
        "facts": {"seed": "0", "command": "python -m experiments.sefa --seed=0"},
    }
    return page(**(arguments | changes))


def hostile():
    """A page whose every text is one to beware of."""
    odd = HOSTILE[0]
    return example(
        HOSTILE,
        HOSTILE[:2],
        title=odd,
        rows=[Row(name, {name: name}) for name in HOSTILE],
        facts={odd: odd, "command": odd, "W" * 300: "W" * 300},
    )


class Document(HTMLParser):
    """Elements with their attributes and text; fails on an end tag of another element."""

    def __init__(self, text):
        super().__init__()
        self.open, self.elements = [], []
        self.feed(text)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    def handle_starttag(self, tag, attributes):
        element = {"tag": tag, "text": "", **dict(attributes)}
        self.elements.append(element)
        if tag not in ("meta", "link"):
            self.open.append(element)

    def handle_startendtag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]


@pytest.mark.parametrize("text", [example(), hostile()], ids=["plain", "hostile"])
def test_page_is_well_formed_and_asks_for_nothing(text):
    document = Document(text)
    tags = {element["tag"] for element in document.elements}
    assert not tags & {"img", "iframe", "object", "embed", "b"}
    assert len(document.all("script")) == 2
    assert len(document.all("title")) == 1
    assert not re.search(r"https?:|//[a-z]+\.|@import", text)
    for element in document.elements:
        assert not [name for name in element if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            assert element.get(name, "#").startswith(("#", "data:")), element
    (policy,) = [m["content"] for m in document.all("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy
    assert "img-src data:;" in policy
    assert "unsafe" not in policy
    assert {"tag": "meta", "text": "", "name": "referrer", "content": "no-referrer"} in (
        document.elements
    )


def test_hostile_text_stays_text():
    document = Document(hostile())
    assert document.all("title")[0]["text"] == HOSTILE[0]
    assert [h["text"] for h in document.all("h2")] == HOSTILE
    (data,) = [s["text"] for s in document.all("script") if "type" in s]
    assert not re.search("[<>&\u2028\u2029]", data)
    assert [row["name"] for row in json.loads(data)["rows"]] == HOSTILE


def test_text_that_utf8_cannot_hold_is_replaced():
    text = example(["a\ud800b\x00c", "turn", "age"])
    assert "a\ufffdb\ufffdc" in text
    text.encode()


def test_equal_images_are_stored_once():
    text = example()
    assert text.count("base64,") == 3 * 2 * 10 + 2
    assert len({i["href"] for i in Document(text).all("image")}) == 3 * 2 * 10 + 2


def test_little_is_added_to_the_images():
    rng = np.random.default_rng(0)
    noise = [[[b"\xff\xd8\xff" + rng.bytes(15000) for _ in DISTANCES]] * 2] * 3
    images = sum(len(picture) for picture in noise[0][0])
    assert len(example(frames=noise)) < 1.37 * images + 40_000  # the page itself


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "WEBP"])
def test_type_is_told_by_the_bytes(kind):
    picture = image((1, 2, 3), kind)
    text = example(["smile"], ["one"], frames=[[[picture] * 2]], distances=[-1, 1])
    assert f'href="data:image/{kind.lower()};base64,' in text


def test_still_images_show_the_first_the_middle_and_the_last_step():
    document = Document(example())
    labels = [th["text"] for th in document.all("th") if th["scope"] == "col"]
    assert labels == ["-3", "-1.8", "0", "+1.8", "+3"] * 3
    assert len(document.all("use")) == 3 * 2 * 5
    assert "python -m experiments.sefa --seed=0" in document.all("code")[0]["text"]


def test_sliders_start_at_the_distance_nearest_to_zero():
    text = example(["smile"], ["one"], frames=[frames(1, 1)[0]], distances=np.arange(11) - 2.2)
    (data,) = [s["text"] for s in Document(text).all("script") if "type" in s]
    assert json.loads(data)["zero"] == 2
    assert json.loads(data)["labels"][:4] == ["-2.2", "-1.2", "-0.2", "+0.8"]


def test_rounding_leaves_no_trace_in_the_labels():
    distances = np.cumsum([-0.3, 0.1, 0.1, 0.1, 0.1])  # the fourth is 5.6e-17
    text = example(["smile"], ["one"], frames=[[frames(1, 1)[0][0][:5]]], distances=distances)
    labels = [th["text"] for th in Document(text).all("th") if th["scope"] == "col"]
    assert labels == ["-0.3", "-0.2", "-0.1", "0", "+0.1"]


def ragged(k, n, images):
    changed = frames()
    changed[k][n] = images
    return changed


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"frames": []}, "no direction"),
        ({"samples": []}, "no sample"),
        ({"frames": frames(2)}, "3 rows for 2 directions"),
        ({"frames": frames(3, 1)}, r"frames\[0\] holds 1 samples, not 2"),
        ({"frames": ragged(1, 1, [])}, r"frames\[1\]\[1\] holds 0 images for 11 distances"),
        ({"distances": [-1, 0, 1]}, r"holds 11 images for 3 distances"),
        ({"frames": ragged(2, 0, [b"GIF89a"] * 11)}, r"frames\[2\]\[0\]\[0\] is not a JPEG"),
        ({"distances": DISTANCES[::-1]}, "that rise"),
        ({"distances": [*DISTANCES[:-1], np.nan]}, "finite"),
        ({"frames": [[[image((0, 0, 0))]]] * 3, "samples": ["a"], "distances": [0]}, "two or"),
    ],
)
def test_refusals(changes, message):
    with pytest.raises(InputError, match=message) as caught:
        example(**changes)
    assert "\n" not in str(caught.value)


# In a browser.


@pytest.fixture
def visit(new_tab, tmp_path):
    """Opens a page from a file."""

    def open_page(text=None, **settings):
        path = tmp_path / "sefa.html"
        path.write_text(text or example(), "utf-8")
        tab = new_tab(path.as_uri(), **settings)
        tab.goto(path.as_uri())
        return tab

    return open_page


def until(condition, seconds=5):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "did not happen"
        time.sleep(0.02)


def shown(tab, selector=".cells canvas"):
    """Colours of the canvases, in the page's order."""
    found = tab.evaluate(
        """selector => {
          const options = {willReadFrequently: true};
          const dot = document.createElement("canvas").getContext("2d", options);
          return [...document.querySelectorAll(selector)].map((canvas) => {
            dot.drawImage(canvas, 0, 0);
            return [...dot.getImageData(4, 4, 1, 1).data];
          });
        }""",
        selector,
    )
    return [tuple(rgba[:3]) for rgba in found]


def colours(steps, by_sample=False):
    """What the canvases should show with direction k at ``steps[k]``."""
    grid = [[colour(k, n, t) for n in range(2)] for k, t in enumerate(steps)]
    grid = list(zip(*grid, strict=True)) if by_sample else grid
    return [rgb for row in grid for rgb in row]


def slider(tab, name):
    return tab.get_by_role("slider", name=name, exact=True)


def test_each_slider_moves_its_images_and_no_other(visit):
    tab = visit()
    steps = [ZERO] * 3
    until(lambda: shown(tab) == colours(steps))
    for k, (name, step) in enumerate([("smile", 0), ("turn", 8), ("age", 10)]):
        slider(tab, name).fill(str(step))
        steps[k] = step
        assert shown(tab) == colours(steps)  # at once: the images are loaded before
    assert tab.locator(".control .value").all_text_contents() == ["-3", "+1.8", "+3"]
    assert slider(tab, "turn").get_attribute("aria-valuetext") == "+1.8"
    assert tab.locator(".every .value").text_content() == "mixed"


def test_both_orders_share_their_sliders(visit):
    tab = visit()
    slider(tab, "turn").fill("9")
    tab.get_by_label("By sample").check()
    assert tab.locator(".group h2").all_text_contents() == ["sample 1", "sample 2"]
    until(lambda: shown(tab) == colours([ZERO, 9, ZERO], by_sample=True))
    slider(tab, "age").fill("1")
    assert shown(tab) == colours([ZERO, 9, 1], by_sample=True)
    tab.get_by_label("By direction").check()
    assert tab.locator(".group h2").all_text_contents() == ["smile", "turn", "age"]
    assert shown(tab) == colours([ZERO, 9, 1])
    assert tab.get_by_role("slider").count() == 4


def test_all_at_once_and_back(visit):
    tab = visit()
    until(lambda: shown(tab) == colours([ZERO] * 3))
    slider(tab, "All directions").fill("2")
    assert shown(tab) == colours([2] * 3)
    tab.get_by_role("button", name="Reset to 0").click()
    assert shown(tab) == colours([ZERO] * 3)
    assert tab.locator(".slide .value").all_text_contents()[:4] == ["0"] * 4


def test_play_sweeps_to_the_ends_by_its_button_alone(visit):
    tab = visit(reduced_motion="no-preference")
    tab.clock.install(time=0)
    tab.clock.pause_at(1000)  # else it goes on by itself, too, as real time does
    value = tab.locator(".every .value")
    tab.clock.run_for(3000)
    assert value.text_content() == "0"
    tab.get_by_role("button", name="Play").click()
    seen = []
    for _ in range(25):
        tab.clock.run_for(170)
        seen.append(value.text_content())
    assert seen[4] == "+3"  # from 0 to the end, to the other end, and again
    assert seen[5] == "+2.4"
    assert seen[14] == "-3"
    assert seen[24] == "+3"
    assert shown(tab) == colours([LAST] * 3)
    tab.get_by_role("button", name="Pause").click()
    tab.clock.run_for(3000)
    assert value.text_content() == "+3"


def test_keyboard(visit):
    tab = visit()
    slider(tab, "smile").focus()
    tab.keyboard.press("ArrowRight")
    assert slider(tab, "smile").input_value() == str(ZERO + 1)
    tab.keyboard.press("Home")
    until(lambda: shown(tab) == colours([0, ZERO, ZERO]))


def test_an_image_is_enlarged(visit):
    tab = visit()
    button = tab.get_by_role("button", name="Enlarge sample 2, turn")
    slider(tab, "turn").fill("7")
    for close in (
        lambda: tab.keyboard.press("Escape"),
        lambda: tab.get_by_role("button", name="Close").click(),
        lambda: tab.mouse.click(5, 5),  # beside it
    ):
        button.click()
        dialog = tab.get_by_role("dialog", name="turn")
        assert dialog.is_visible()
        until(lambda: shown(tab, "dialog canvas") == [colour(1, 1, 7)])
        assert dialog.locator("canvas").bounding_box()["width"] > 500
        tab.keyboard.press("ArrowRight")
        assert shown(tab, "dialog canvas") == [colour(1, 1, 8)]
        tab.keyboard.press("ArrowLeft")
        close()
        until(lambda: not tab.get_by_role("dialog").count())
        assert button.evaluate("button => button === document.activeElement")
    assert shown(tab) == colours([ZERO, 7, ZERO])


def test_images_keep_their_shape(visit):
    tall = image((9, 9, 9), size=(8, 16))
    tab = visit(example(["smile"], ["one"], frames=[[[tall] * 11]]))
    until(lambda: shown(tab) == [(9, 9, 9)])
    box = tab.locator(".cells canvas").bounding_box()
    assert box["height"] == pytest.approx(2 * box["width"], abs=1)


@pytest.mark.parametrize("width", [320, 390, 900, 1800])
def test_hostile_names_are_text_and_fit(visit, width):
    tab = visit(hostile(), width=width)
    for order in ("By direction", "By sample"):
        tab.get_by_label(order).check()
        assert tab.locator(".control .name").all_text_contents() == HOSTILE
        assert tab.evaluate("() => document.documentElement.scrollWidth") <= width
    tab.locator(".cells button").first.click()
    box = tab.get_by_role("dialog").bounding_box()
    assert box["x"] >= 0
    assert box["x"] + box["width"] <= width
    assert tab.title() == HOSTILE[0]


def test_dark_and_light(visit):
    style = "() => getComputedStyle(document.body).backgroundColor"
    light, dark = (
        sum(map(int, re.findall(r"\d+", visit(color_scheme=scheme).evaluate(style))))
        for scheme in ("light", "dark")
    )
    assert light > 600 > 150 > dark


def middles(tab):
    """Colours in the middle of the still images, as they are painted."""
    for still in tab.locator(".still svg").all():
        picture = Image.open(io.BytesIO(still.screenshot())).convert("RGB")
        yield picture.getpixel((picture.width // 2, picture.height // 2))


@pytest.mark.parametrize("way", ["print", "no script"])
def test_still_images_in_print_and_without_a_script(visit, way):
    tab = visit(example(["smile", "turn"]), java_script_enabled=way == "print")
    if way == "print":
        assert not tab.locator(".still").is_visible()
        tab.emulate_media(media="print")
    assert not tab.get_by_role("slider").count()
    expected = [colour(k, n, t) for k in range(2) for n in range(2) for t in (0, 2, 5, 8, 10)]
    assert list(middles(tab)) == expected
