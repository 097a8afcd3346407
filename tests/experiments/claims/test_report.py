import math
import re
from html.parser import HTMLParser

import pytest

from experiments.claims import report as claims_report
from experiments.claims import words
from experiments.claims.images.parts import constant, ends_better
from experiments.claims.points.parts import CLEARLY, fits_better, rough_about
from experiments.claims.points.pictures import draw_points
from jaxgan.metrics.claims import Claim, Origins
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from jaxgan.plots.report_page import LINE, Notes, Picture, Section, Table, report_page
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
    better, rough = (line.split(": ", 1) for line in row[3].split("\n"))
    assert better[0] == UNDECIDED  # in one setting GAN ends closer, in the other WGAN does
    assert better[1].endswith(f"({HOLDS} in 1 of 2 settings, {FAILS} in 1)")
    assert rough == [FAILS, "GAN first has a rough fit between epochs 21.2 and 42.4"]
    assert row[4] == "32\n2 diverged"
    rows = report.sections[0].table.rows
    assert [row[0] for row in rows] == [f"rate 1\n{FAILS}", "", f"rate 2\n{FAILS}", ""]
    assert [len(row) for row in rows] == [5] * 4
    assert rows[1][2].endswith("\nneeded: from 21.2 to 42.4")
    assert report.sections[0].notes[1].endswith(f": {FAILS} at 1.75 and {FAILS} at 3.5.")
    assert report.lines == [f"X1  {SENTENCE}  {FAILS}"]
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
    counts = f"({HOLDS} in 1 of 3 settings, {FAILS} in 2)"
    assert report.table.rows[0][2].split("\n", 1)[0] == UNDECIDED
    assert report.table.rows[0][2].replace("\n", " ") == f"{UNDECIDED} {counts}"
    assert max(map(len, report.table.rows[0][2].split("\n"))) <= LINE
    assert report.sections[0].verdict == f"{UNDECIDED} {counts}"


def test_three_sentences_tell_what_came_out():
    """They count the verdicts of any study, and name the claims that are decided."""
    good, bad = several(fit=1.2), several(fit=2.2)
    cells = {name: Cell(LAB, Config(name)) for name in ("good", "bad")}
    records = {cells["good"]: good, cells["bad"]: bad}

    def claim(name, *settings):
        parts = (fits_better("a", "b", CLEARLY),)
        ways = {str(i): {r: cells[x] for r, x in s.items()} for i, s in enumerate(settings)}
        return Claim(name, "s", parts, ways, "")

    def last(claims):
        lead = claims_report.report({x.name: x for x in claims}, records, str).lead
        assert all(re.fullmatch(r"[^.]+(\.\d[^.]*)*\.", line) for line in lead)  # a sentence
        assert len(lead) == 3
        assert f"tests {len(claims)} of these claims" in lead[1]
        assert "made 8 times" in lead[1]
        assert "16 runs in all" in lead[1]
        return lead[2]

    yes, no = {"a": "good", "b": "bad"}, {"a": "bad", "b": "good"}
    some = [claim("X", yes), claim("Y", no), claim("Z", no), claim("W", yes, no)]
    assert last(some).startswith(
        "Of the claims tested, 1 holds (X), 2 do not hold (Y and Z) and 1 is undecided, because"
    )
    assert last(some[1:3]) == "Of the claims tested, 2 do not hold (Y and Z)."


def test_a_difference_of_logarithms_is_shown_as_a_factor():
    part = ends_better("a", "b")
    text = words.effect_text(part, Interval(math.log(2.0), math.log(1.2), math.log(3.0)))
    assert text.replace("\u00a0", " ") == "b over a: 2 [1.2, 3] times\nneeded: above 1.5"
    text = words.effect_text(constant("a", "critic_loss"), Interval(0.0, 0.0, 0.0))
    assert text.endswith("\nneeded: below 1.25")
    text = words.effect_text(fits_better("a", "b"), Interval(0.5, math.nan, math.nan))
    assert text.replace("\u00a0", " ") == "b minus a: 0.5 [?, ?]\nneeded: above 0.05"


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
    assert page.all("summary")[0]["text"] == "Settings of every run: the report's, and ours"
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


def test_the_method_is_below_the_table():
    notes = [Notes("How", ["So."], {"seed": "A number."})]
    text = report_page("t", ["Lead."], Table([], []), [], {"command": "do"}, notes)
    assert text.index("Lead.") < text.index("<table") < text.index("So.") < text.index("do</")
    document = Document(text)
    assert [x["text"] for x in document.all("h2")] == ["How", "What was run"]
    assert [x["text"] for x in document.all("dt")] == ["seed", "command"]
