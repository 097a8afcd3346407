import re
from html.parser import HTMLParser

import pytest

from experiments.claims import report as claims_report
from experiments.claims.points.parts import CLEARLY, fits_better, rough_about
from experiments.claims.points.pictures import draw_points
from jaxgan.metrics.claims import Claim, Origins
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from jaxgan.plots.report_page import Picture, Section, Table, report_page
from jaxgan.runs.records import Cell
from tests.records import LAB, Config, record, several


class Document(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.elements, self.open = [], []
        self.feed(text)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attributes):
        self.elements.append({"tag": tag, "text": "", **dict(attributes)})
        if tag not in ("meta", "link", "img", "br"):
            self.open.append(self.elements[-1])

    def handle_endtag(self, tag):
        assert self.open.pop()["tag"] == tag

    def handle_data(self, data):
        for element in self.open:
            element["text"] += data

    def all(self, tag):
        return [element for element in self.elements if element["tag"] == tag]


SENTENCE = "</td><script>alert(1)</script>&\ud800"


@pytest.fixture(scope="module")
def report():
    """The report on a claim with two settings, two of whose runs diverged."""
    good, bad = several(fit=1.2), [record(diverged=20), *several(fit=2.2)[1:]]
    cells = [Cell(LAB, Config(name)) for name in "abcd"]
    settings = {
        "rate 1": {"GAN": cells[0], "WGAN": cells[1]},
        "rate 2": {"GAN": cells[2], "WGAN": cells[3]},
    }
    parts = (fits_better("GAN", "WGAN", CLEARLY), rough_about("GAN", 30))
    entry = Claim("X1", SENTENCE, parts, settings, "A note.", draw_points)
    runs = dict(zip(cells, (good, bad, bad, good), strict=True))
    return claims_report.report({"X1": entry}, runs, lambda name: f"python --only={name}")


def test_the_page_is_well_formed_and_asks_for_nothing(report):
    facts = {"command": "python -m x", "odd": SENTENCE}
    text = report_page(report.title, report.lead, report.table, report.sections, facts)
    text.encode()
    document = Document(text)
    tags = {element["tag"] for element in document.elements}
    assert not tags & {"script", "iframe", "object", "embed"}
    assert not re.search(r"https?:|//[a-z]+\.|@import", text)
    for element in document.elements:
        assert not [name for name in element if name.startswith("on") or name == "style"]
        for name in ("src", "href"):
            assert element.get(name, "#").startswith(("#", "data:"))
    (policy,) = [m["content"] for m in document.all("meta") if "http-equiv" in m]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert SENTENCE.replace("\ud800", "\ufffd") in document.all("h2")[0]["text"]
    kinds = [image["src"][:15] for image in document.all("img")]
    assert kinds == ["data:image/png;", "data:image/png;", "data:image/gif;"]
    assert all(image["alt"] for image in document.all("img"))
    assert [a["href"] for a in document.all("a")] == [f"#{document.all('section')[0]['id']}"]


def test_the_table_on_top_tells_the_verdicts(report):
    (row,) = report.table.rows
    assert row[:2] == ["X1", SENTENCE]
    assert row[2] == FAILS  # the first rough fits are too early in both settings
    assert row[3] == f"{FAILS}: rate 1\n{FAILS}: rate 2"
    assert row[4:] == ["8", "2 of 32 runs"]
    assert [len(row) for row in report.sections[0].table.rows] == [5] * 4
    assert report.sections[0].notes[1].endswith(f"1.75: {FAILS}; 3.5: {FAILS}.")
    assert "python --only=X1" in report.sections[0].command
    assert [row["verdict"] for row in report.rows] == [HOLDS, FAILS, FAILS, FAILS]
    assert report.rows[0]["diverged"] == 1
    assert report.sections[0].verdict == FAILS
    (numbers,) = report.numbers
    assert numbers["settings_by_verdict"] == {FAILS: 2}
    assert numbers["settings"]["rate 1"]["parts"][0]["by_seed"]["WGAN"][0] == 13


def test_settings_that_disagree_are_counted():
    good, bad = several(fit=1.2), several(fit=2.2)
    cells = [Cell(LAB, Config(name)) for name in "ab"]
    settings = {
        "own": {"GAN": cells[0], "WGAN": cells[1]},
        **{f"other {i}": {"GAN": cells[1], "WGAN": cells[0]} for i in range(2)},
    }
    claim = Claim("X1", "s", (fits_better("GAN", "WGAN", CLEARLY),), settings, "")
    runs = dict(zip(cells, (good, bad), strict=True))
    report = claims_report.report({"X1": claim}, runs, str)
    counts = f"of 3 settings: {HOLDS} in 1, {FAILS} in 2"
    assert report.table.rows[0][2] == f"{UNDECIDED}\n{counts}"
    assert report.sections[0].verdict == f"{UNDECIDED}, {counts}"


def test_who_filled_in_what_is_a_table_of_what_is_shared_and_what_differs():
    cells = [Cell(LAB, Config(name)) for name in "ab"]
    settings = {"one": {"GAN": cells[0]}, "two": {"GAN": cells[1]}}

    def origins(cell):
        return Origins({"epochs": "9"}, {"rate": cell.config.name, "batch": "64"})

    claim = Claim("X1", "s", (fits_better("GAN", "GAN"),), settings, "", origins=origins)
    report = claims_report.report({"X1": claim}, dict.fromkeys(cells, several()), str)
    (section,) = report.sections
    assert section.details.table.rows == [
        ["all", "all", "epochs 9", "batch 64"],
        ["one", "GAN", "", "rate a"],
        ["two", "GAN", "", "rate b"],
    ]
    page = Document(report_page(report.title, [], report.table, report.sections, {}))
    assert page.all("summary")[0]["text"] == "Who filled in what"
    assert "rate b" in page.all("details")[0]["text"]
    cell = report.numbers[0]["settings"]["two"]["cells"]["GAN"]
    assert cell["origins"] == {"report": {"epochs": "9"}, "ours": {"rate": "b", "batch": "64"}}


def test_a_verdict_has_its_colour():
    table = Table(["", "a"], [["X1", f"{HOLDS}: somewhere\n{FAILS}"], ["y", UNDECIDED]])
    section = Section("X1", "s", FAILS, [], table, [Picture("c", b"\x89PNG")], "do")
    document = Document(report_page("t", [], table, [section], {}))
    spans = [(s["class"], s["text"]) for s in document.all("span") if "class" in s]
    once = [("holds", HOLDS), ("fails", FAILS), ("undecided", UNDECIDED)]
    assert spans == [*once, ("fails", FAILS), *once]


def test_pictures_count_what_diverged(report):
    captions = [picture.caption for picture in report.sections[0].pictures]
    assert "one that diverged stays there (2 of 32 runs)" in captions[0]
