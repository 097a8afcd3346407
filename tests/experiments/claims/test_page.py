import functools
import io
import re
import shlex

import pytest
from PIL import Image

from experiments.claims import entries as claims_entries
from experiments.claims import study as claims_study
from jaxgan.metrics.verdicts import FAILS
from jaxgan.plots.report_page import Picture, Section, Table, report_page
from jaxgan.runs.records import Cell
from tests.records import LAB, Config, record

DATA = "</title></style><script>document.title = 'run'</script> \u202eypn.stniop"
FOLDER = "\"><img src=x onerror=alert(1)> ${title} $style 'quotes' &amp;"
HOSTILE = [DATA, FOLDER, "\u2028\u05e9\u05dc\u05d5\u05dd", "W" * 300]
A4 = (688, 1016)  # less margins of 14 mm, in pixels of 1/96 inch


def train(lanes, work):
    """Runs of which those of longer cells are worse, and one diverged."""
    for lane in lanes:
        epochs = lane.cell.config.epochs
        diverged = 20 * (lane.seed == 3 and epochs == 102)
        fit = epochs - 99 + 0.1 * lane.seed
        yield record(fit, epochs=epochs, seed=lane.seed, diverged=diverged)


@pytest.fixture(scope="module")
def study(tmp_path_factory):
    """The page that a study of one claim leaves, with names to beware of."""
    folder = tmp_path_factory.mktemp("study") / FOLDER
    laboratory = LAB._replace(train=train)
    cells = [Cell(laboratory, Config("cell", 100 + i)) for i in range(4)]
    settings = {
        "rate 1": {"GAN": cells[0], "WGAN": cells[1]},
        "rate 2": {"GAN": cells[2], "WGAN": cells[3]},
    }
    entries = claims_entries.claims("m", names=["A2"])
    entries = {"A2": entries["A2"]._replace(settings=settings)}
    claims_study.run(
        claims_entries.study(entries),
        folder,
        seeds=4,
        command=command(folder),
        source=DATA,
    )
    return folder / "claims.html"


def command(folder):
    return functools.partial(
        claims_study.command_of, {"seeds": 4, "data": DATA}, [], str(folder)
    )


def picture(*size):
    stream = io.BytesIO()
    Image.new("RGB", size, "teal").save(stream, "PNG")
    return stream.getvalue()


@pytest.fixture
def texts(tmp_path):
    """A page whose every text is one to beware of, with wide and tall pictures."""
    rows = [[name, name, f"{FAILS}: {name}\n{FAILS}"] for name in HOSTILE]
    table = Table(["name", "text", "verdict"], rows)
    sizes = [(3000, 100), (100, 3000)]
    sections = [
        Section(x, x, FAILS, [x], table, [Picture(x, picture(*size)) for size in sizes], x)
        for x in HOSTILE
    ]
    facts = {x: x for x in HOSTILE} | {"command": " ".join(HOSTILE)}
    path = tmp_path / "texts.html"
    path.write_text(report_page(DATA, HOSTILE, table, sections, facts), "utf-8")
    return path


@pytest.fixture
def visit(new_tab):
    """Opens a page from a file."""

    def open_page(path, **settings):
        tab = new_tab(path.as_uri(), **settings)
        tab.goto(path.as_uri())
        return tab

    return open_page


@pytest.fixture(params=["study", "texts"])
def path(request):
    return request.getfixturevalue(request.param)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_picture_is_shown(visit, path, scheme):
    tab = visit(path, color_scheme=scheme)
    tab.evaluate("() => Promise.all([...document.images].map((image) => image.decode()))")
    images = tab.locator("img").all()
    assert len(images) == (3 if path.name == "claims.html" else 2 * len(HOSTILE))
    for image in images:
        assert image.evaluate("image => image.complete && image.naturalWidth > 0")
        box = image.bounding_box()
        assert box["width"] * box["height"] > 0


def test_names_of_files_and_folders_stay_text(visit, study):
    tab = visit(study)
    assert tab.title() == tab.locator("h1").text_content() != "run"
    assert tab.locator("script, b, img[src=x]").count() == 0
    assert DATA in tab.locator("dd").all_text_contents()
    command_of = command(study.parent)
    assert tab.locator("code").all_text_contents() == [command_of("A2"), command_of("")]
    assert shlex.split(command_of(""))[-1] == f"--out={study.parent}"


def test_every_text_stays_text(visit, texts):
    tab = visit(texts)
    assert tab.title() == DATA
    assert tab.locator("script, b, img[src=x]").count() == 0
    both = [f"{x}: {x}" for x in HOSTILE]
    assert tab.locator("section h2").all_text_contents() == both
    twice = [x for x in HOSTILE for _ in range(2)]
    assert tab.locator("figcaption").all_text_contents() == twice
    assert [x.get_attribute("alt") for x in tab.locator("img").all()] == [
        f"{x}: {x}" for x in twice
    ]
    assert tab.locator("header p").all_text_contents() == HOSTILE
    assert tab.locator("main > .wide td:nth-child(2)").all_text_contents() == HOSTILE
    assert tab.locator("dt").all_text_contents() == [*HOSTILE, "command"]


def test_the_table_leads_to_the_entries(visit, path):
    tab = visit(path)
    links = tab.locator("a").all()
    assert len(links) == tab.locator("section").count() > 0
    for link in links:
        name = link.text_content()
        link.click()
        entry = tab.locator(link.get_attribute("href"))
        assert entry.locator("h2").text_content().startswith(f"{name}: ")
        assert -1 < entry.bounding_box()["y"] < 800
        assert tab.locator(":target").count() == 1


def test_a_phone_moves_a_table_in_its_box_and_not_the_page(visit, path):
    tab = visit(path, width=390)
    tab.locator("details").evaluate_all("all => all.forEach((x) => (x.open = true))")
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= 390
    for box in tab.locator(".wide").all():
        beyond = box.evaluate(
            """box => {
              box.scrollLeft = 1e6;
              const [outer, inner] = [box, box.firstElementChild].map((x) =>
                x.getBoundingClientRect());
              return inner.right - outer.right;
            }"""
        )
        assert beyond < 1
        assert box.evaluate("box => getComputedStyle(box).overflowX") == "auto"
    for cell in tab.locator("td.long").all():
        assert cell.bounding_box()["width"] > 150  # not a word in a line


def test_print_is_cut_nowhere(visit, path):
    tab = visit(path, width=A4[0])
    tab.emulate_media(media="print")
    assert tab.evaluate("() => document.documentElement.scrollWidth") <= A4[0]
    assert not tab.locator(".moving").is_visible()
    for element in tab.locator("figure:not(.moving) img, table").all():
        box = element.bounding_box()
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= A4[0]
    for image in tab.locator("img").all():
        if image.is_visible():
            assert image.bounding_box()["height"] < 0.7 * A4[1]
    pages = re.findall(rb"/Type\s*/Page\b", tab.pdf(format="A4"))
    assert len(pages) > 1
