import csv
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from experiments.claims import cells as claims_cells
from experiments.claims import entries as claims_entries
from experiments.claims import grid
from experiments.claims import report as claims_report
from experiments.claims import study as claims_study
from experiments.claims.cells import Cell
from experiments.claims.page.page import Section, Table, page
from experiments.claims.page.pictures import Picture
from experiments.claims.points import cells as points_cells
from experiments.claims.points import entries as points_entries
from experiments.claims.points.entries import (
    CLEARLY,
    ROUGH,
    behaves_alike,
    fits_alike,
    fits_better,
    fits_well,
    rough_about,
    rough_by,
    rough_sooner,
)
from experiments.claims.points.pictures import draw_points
from experiments.claims.rules import Claim, judge
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from tests.records import LAB, Made, record, several

ROOT = Path(__file__).parents[3]
NAMES = ["A1", "A2", "A3", "A4", "A5", "A6", "B1", "B2", "B3", "C1", "C2", "C3"]


def judged(parts, **runs):
    """The outcome of a claim with one setting; roles to records."""
    cells = {role: Cell(LAB, Made()) for role in runs}
    claim = Claim("X1", "A sentence.", tuple(parts), {"only": cells}, "")
    return judge(claim, {cells[role]: records for role, records in runs.items()})


def verdict_of(parts, **runs):
    return judged(parts, **runs).overall.verdict


def test_fits_are_compared():
    good, bad, same = several(fit=1.2), several(fit=2.2), several(fit=1.3, spread=0.5)
    part = [fits_better("good", "bad")]
    assert verdict_of(part, good=good, bad=bad) == HOLDS
    assert verdict_of(part, good=bad, bad=good) == FAILS
    assert verdict_of(part, good=good, bad=same) == UNDECIDED
    assert verdict_of([fits_alike("a", "b")], a=good, b=good) == HOLDS
    assert verdict_of([fits_alike("a", "b")], a=good, b=bad) == FAILS
    assert verdict_of([fits_well("a")], a=good) == HOLDS
    assert verdict_of([fits_well("a")], a=bad) == FAILS


def test_first_rough_fits_are_compared():
    early, late, never = several(first=10), several(first=60), several(first=1000)
    assert verdict_of([rough_sooner("a", "b", 100)], a=early, b=late) == HOLDS
    assert verdict_of([rough_sooner("a", "b", 100)], a=late, b=early) == FAILS
    assert verdict_of([rough_sooner("a", "b", 100)], a=early, b=never) == HOLDS
    assert verdict_of([rough_sooner("a", "b", 100)], a=never, b=early) == FAILS
    assert verdict_of([rough_about("a", 70)], a=late) == HOLDS
    assert verdict_of([rough_about("a", 70)], a=early) == FAILS
    assert verdict_of([rough_by("a", 30)], a=early) == HOLDS
    assert verdict_of([rough_by("a", 30)], a=never) == FAILS


def test_what_never_came_is_no_evidence_that_it_came_late():
    never, late = several(first=1000), several(first=98)
    # Neither got there, or the later one might have come any time later.
    assert verdict_of([rough_sooner("a", "b", 100)], a=never, b=never) == UNDECIDED
    assert verdict_of([rough_sooner("a", "b", 100)], a=late, b=never) == UNDECIDED
    assert verdict_of([rough_about("a", 100)], a=never) == UNDECIDED
    # Late by all that was seen, but the sooner one has a seed whose epoch is not known.
    one_never = [record(first=1000, seed=9), *several(first=1)[1:]]
    later = several(first=95)
    (finding,) = judged([rough_sooner("a", "b", 100)], a=one_never, b=later).findings
    assert finding.effect.low > 5
    assert finding.verdict == UNDECIDED


def test_courses_that_cross_are_not_alike():
    def course(curve):
        arrays = {"curve": np.repeat(curve, 50)}
        return [r._replace(arrays=r.arrays | arrays) for r in several()]

    part = [behaves_alike("a", "b")]
    assert verdict_of(part, a=course([8.0, 2.0]), b=course([6.0, 2.5])) == HOLDS
    # The same mean of logarithms, and nothing else in common.
    assert verdict_of(part, a=course([8.0, 2.0]), b=course([2.0, 8.0])) == FAILS


def test_a_diverged_curve_counts_as_the_worst_of_sliced_ratios():
    curves = points_cells.capped([record(diverged=20), record()])
    assert curves[0, [0, 9, 18, 19, 99]].tolist() == [9, 2, 2, 11, 11]
    assert curves[1].max() == 9


def test_a_diverged_seed_counts():
    good, bad = several(fit=1.2), several(fit=2.2)
    worse = [record(diverged=20), *good[1:]]
    outcome = judged([fits_better("a", "b")], a=worse, b=bad)
    (finding,) = outcome.findings
    assert finding.values["a"][0] == 13
    assert finding.diverged == {"a": 1, "b": 0}
    assert outcome.overall.verdict == UNDECIDED
    all_of_it = [record(diverged=20)] * 8
    assert verdict_of([fits_better("a", "b")], a=good, b=all_of_it) == HOLDS


def test_parts_and_settings_join():
    good, bad = several(fit=1.2), several(fit=2.2)
    both = [fits_well("a"), fits_better("a", "b")]
    assert verdict_of(both, a=good, b=bad) == HOLDS
    assert verdict_of(both, a=good, b=several(fit=1.3, spread=0.5)) == UNDECIDED
    assert verdict_of(both, a=bad, b=good) == FAILS
    cells = [Cell(LAB, Made()) for _ in range(4)]
    settings = {"1": {"a": cells[0], "b": cells[1]}, "2": {"a": cells[2], "b": cells[3]}}
    claim = Claim("X", "", (fits_better("a", "b"),), settings, "")
    runs = dict(zip(cells, (good, bad, bad, good), strict=True))
    outcome = judge(claim, runs)
    assert outcome.by_setting == {"1": HOLDS, "2": FAILS}
    assert outcome.overall == (UNDECIDED, True)


def test_another_meaning_of_a_rough_fit_is_tried():
    """The made-up curves fall from 9 to 2: rough at 2.5 and 3.5, never at 1.75."""
    late = several(first=60)
    outcome = judged([rough_about("a", 70)], a=late)
    assert outcome.overall.verdict == HOLDS
    assert {x: each.verdict for x, each in outcome.by_level.items()} == {
        1.75: FAILS,
        3.5: HOLDS,
    }
    assert judged([fits_well("a")], a=late).by_level == {}


# The table of claims.


@pytest.fixture(scope="module")
def entries():
    return claims_entries.claims("m", names=NAMES)


def test_the_table_has_the_claims_about_points(entries):
    assert list(points_entries.BUILDERS) == list(entries) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_an_entry(entries, name):
    claim = entries[name]
    assert len(claim.settings) >= 2
    assert claim.note
    for setting in claim.settings.values():
        used = {role for part in claim.parts for role in part.roles}
        assert used <= set(setting)
    cells = [tuple(setting.values()) for setting in claim.settings.values()]
    assert len(set(cells)) == len(cells)  # settings differ
    for part in claim.parts:
        assert part.allowed.low < part.allowed.high
        numbers = {f"{x:.3g}" for x in part.allowed if math.isfinite(x)}
        said = {f"{float(x):.3g}" for x in re.findall(r"\d+(?:\.\d+)?", part.rule)}
        if part.measure is points_entries.FIT:
            assert said & numbers, part.rule  # the words have the number of the code
        if part.measure is points_entries.FIRST and math.isfinite(part.allowed.high):
            for setting in claim.settings.values():
                # else a run that never gets there could count as one that does
                assert part.allowed.high < setting[part.roles[0]].config.epochs


def test_settings_are_those_of_the_reports(entries):
    b1 = entries["B1"].settings["batch 64"]
    for cell in b1.values():
        config = cell.config
        assert config.generator_widths == config.critic_widths == (256, 64)
        assert (config.epochs, config.critic_steps, config.train_size) == (200, 1, 7000)
        assert config.learning_rate == (1e-4,)
        assert config.optimizer == "rmsprop"
    assert b1["WGAN-GP"].config.penalty_weight == (0.001,)
    (b3, _) = entries["B3"].settings.values()
    assert [cell.config.epochs for cell in b3.values()] == [2000, 200]
    assert entries["C2"].settings["rate 1e-4"]["GAN, Adam"].config.generator_widths == (
        512,
        256,
    )
    steps = {
        cell.config.critic_steps
        for setting in entries["A4"].settings.values()
        for role, cell in setting.items()
        if role == "SGD"
    }
    assert steps == {20, 30}
    # What claims share is run once: 12 claims, 39 cells in 23 programs.
    study = claims_study.study_of_claims(entries)
    assert len(study.cells) == 39
    assert len(claims_cells.plan(Path("nowhere"), study.cells, 2).programs) == 23


def test_as_many_generator_updates(entries):
    setting = entries["A4"].settings["a rate each, SGD 20 steps, 800 epochs"]
    more, fewer = (setting[role].config for role in ("SGD", "SGD, 5 critic steps"))
    updates = [config.epochs * config.steps_per_epoch for config in (more, fewer)]
    assert updates == [800 * 5, 200 * 21]


def test_notes_tell_what_was_filled_in(entries):
    for name, claim in entries.items():
        for words in ("latent dimension 2", "mean 0", "minimax", "batch"):
            assert words in claim.note, name
    for name in ("A4", "A5", "A6"):
        assert "21 at 5 steps, 5 at 20 and 3 at 30" in entries[name].note
    for name in ("A1", "A2", "A3"):
        assert "The optimizer of the variants: RMSprop" in entries[name].note


# What every claim says: the first role's number, less the second's, lies in the range.
MEANT = {
    "A1": [("GAN", -math.inf, 30), ("GAN", -math.inf, 1.5)],
    "A2": [("WGAN - GAN", 5, math.inf), ("GAN - WGAN", 0.05, math.inf)],
    "A3": [("WGAN-GP - GAN", -math.inf, 0.405), ("GAN - WGAN-GP", 0.05, math.inf)],
    "A4": [
        ("SGD - Adam", 10, math.inf),
        ("SGD - RMSprop", 10, math.inf),
        ("SGD", 95.5, 190.9),
        ("SGD, 5 critic steps - SGD", 0.5, math.inf),
    ],
    "A5": [("SGD - Adam", 10, math.inf), ("Adam - SGD", 0.05, math.inf)],
    "A6": [
        ("SGD - RMSprop", 10, math.inf),
        ("Adam - RMSprop", 10, math.inf),
        ("SGD - RMSprop", 0.05, math.inf),
        ("Adam - RMSprop", 0.05, math.inf),
    ],
    "B1": [("WGAN - WGAN-GP", 0.05, math.inf), ("GAN - WGAN", 0.05, math.inf)],
    "B2": [("GAN", 49.5, 99), ("WGAN", 49.5, 99), ("WGAN-GP", 21.2, 42.4)],
    "B3": [("SGD, 2000 epochs", 2.5, math.inf), ("SGD, 2000 epochs - RMSprop", 0.05, math.inf)],
    "C1": [
        ("GAN, Adam", 2.5, math.inf),
        ("WGAN, Adam", 2.5, math.inf),
        ("GAN, Adam - WGAN-GP, Adam", 0.5, math.inf),
        ("WGAN, Adam - WGAN-GP, Adam", 0.5, math.inf),
    ],
    "C2": [
        ("GAN, Adam - GAN, RMSprop", 0.5, math.inf),
        ("WGAN, Adam - WGAN, RMSprop", 0.5, math.inf),
        ("WGAN-GP, Adam - WGAN-GP, RMSprop", 0.5, math.inf),
    ],
    "C3": [
        ("GAN, RMSprop - WGAN, RMSprop", -0.5, 0.5),
        ("GAN, RMSprop - WGAN-GP, RMSprop", 0.05, math.inf),
        ("WGAN, RMSprop - WGAN-GP, RMSprop", 0.05, math.inf),
    ],
}


@pytest.mark.parametrize("name", NAMES)
def test_what_a_claim_says(entries, name):
    parts = entries[name].parts
    said = [(" - ".join(part.roles), *part.allowed) for part in parts]
    assert [roles for roles, *_ in said] == [roles for roles, *_ in MEANT[name]]
    for (_, *ends), (_, *meant) in zip(said, MEANT[name], strict=True):
        assert ends == pytest.approx(meant, abs=0.06)  # one digit after the point


def test_only_what_is_asked_for_is_made(data):
    """600 points are too few for the reports' 7000 and for 30 critic steps of 64 points."""
    assert list(claims_entries.claims(data, names=["C1", "A1"])) == ["C1", "A1"]
    for name, reason in (("A4", "takes 30 batches"), ("B1", "--train_size=7000")):
        with pytest.raises(claims_study.InputError) as error:
            claims_entries.claims(data, names=["C1", name])
        assert str(error.value).startswith(f"claim {name} cannot be tested on {data}: ")
        assert reason in str(error.value)
        assert "\n" not in str(error.value)


def test_the_command_of_one_entry_leaves_the_page_of_all():
    made = claims_study.command_of({"seeds": 4}, ["B1", "B2"], "")
    assert made == "python -m experiments.claims --seeds=4 --only=B1,B2"
    made = claims_study.command_of({"seeds": 4}, ["B1", "B2"], "o/", "B1")
    assert made == "python -m experiments.claims --seeds=4 --only=B1 --out=o-B1"
    made = claims_study.command_of({}, [], "", "gan,sgd")
    assert made == "python -m experiments.claims --only=gan,sgd --out=runs/claims-gan-sgd"


# The page.


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


def made_report(sentence="A sentence."):
    good, bad = several(fit=1.2), [record(diverged=20), *several(fit=2.2)[1:]]
    cells = [Cell(LAB, Made()) for _ in range(4)]
    settings = {
        "rate 1": {"GAN": cells[0], "WGAN": cells[1]},
        "rate 2": {"GAN": cells[2], "WGAN": cells[3]},
    }
    parts = (fits_better("GAN", "WGAN", CLEARLY), rough_about("GAN", 30))
    entry = Claim("X1", sentence, parts, settings, "A note.", draw_points)
    runs = dict(zip(cells, (good, bad, bad, good), strict=True))
    return claims_report.report({"X1": entry}, runs, lambda name: f"python --only={name}")


@pytest.mark.parametrize("sentence", ["A sentence.", "</td><script>alert(1)</script>&\ud800"])
def test_the_page_is_well_formed_and_asks_for_nothing(sentence):
    report = made_report(sentence)
    facts = {"command": "python -m x", "odd": sentence}
    text = page(report.title, report.lead, report.table, report.sections, facts)
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
    assert sentence.replace("\ud800", "\ufffd") in document.all("h2")[0]["text"]
    kinds = [image["src"][:15] for image in document.all("img")]
    assert kinds == ["data:image/png;", "data:image/png;", "data:image/gif;"]
    assert all(image["alt"] for image in document.all("img"))
    assert [a["href"] for a in document.all("a")] == [f"#{document.all('section')[0]['id']}"]


def test_the_table_on_top_tells_what_was_found():
    report = made_report()
    (row,) = report.table.rows
    assert row[:2] == ["X1", "A sentence."]
    assert row[2] == FAILS  # the first rough fits are too early in both settings
    assert row[3] == f"{FAILS}: rate 1\n{FAILS}: rate 2"
    assert row[4:] == ["8", "2 of 32 runs"]
    assert [len(row) for row in report.sections[0].table.rows] == [5] * 4
    assert report.sections[0].notes[1].endswith(f"1.75: {FAILS}; 3.5: {FAILS}.")
    assert "python --only=X1" in report.sections[0].command
    assert [row["verdict"] for row in report.rows] == [HOLDS, FAILS, FAILS, FAILS]
    assert report.rows[0]["diverged"] == 1
    (numbers,) = report.numbers
    assert numbers["settings"]["rate 1"]["parts"][0]["by_seed"]["WGAN"][0] == 13


def test_a_verdict_has_its_colour():
    table = Table(["", "a"], [["X1", f"{HOLDS}: somewhere\n{FAILS}"], ["y", UNDECIDED]])
    section = Section("X1", "s", FAILS, [], table, [Picture("c", b"\x89PNG")], "do")
    document = Document(page("t", [], table, [section], {}))
    spans = [(s["class"], s["text"]) for s in document.all("span") if "class" in s]
    once = [("holds", HOLDS), ("fails", FAILS), ("undecided", UNDECIDED)]
    assert spans == [*once, ("fails", FAILS), *once]


# Whole studies.


@pytest.fixture
def data(tmp_path):
    path = tmp_path / "cloud.npy"
    np.save(path, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    return str(path)


SMALL = {"generator_widths": (8,), "critic_widths": (8,), "batch_size": 64, "train_size": 512}


@pytest.mark.slow
def test_a_grid_is_ranked_and_never_made_twice(tmp_path, data, monkeypatch):
    monkeypatch.setitem(grid.RATES, "sgd", (1e-2, 1e3))
    monkeypatch.setitem(grid.RATES, "adam", (1e-3, 1e-2))
    entries = grid.grid(data, "xx", ["lsgan"], ["sgd", "adam"], 4, **SMALL)
    study = claims_study.study_of_grid(entries)
    assert len(claims_cells.plan(tmp_path, study.cells, 8).programs) == 2
    report = claims_study.run(study, tmp_path / "study", seeds=8)
    assert [row["rank"] for row in report.rows] == [1, 2]
    by_optimizer = {row["optimizer"]: row for row in report.rows}
    assert by_optimizer["sgd"]["best_rate"] == 1e-2
    assert by_optimizer["sgd"]["diverged"] == 8
    assert sorted(row["worse"] in ("leader",) for row in report.rows) == [False, True]
    assert {x.name for x in (tmp_path / "study").glob("grid.*")} == {
        "grid.html",
        "grid.json",
        "grid.csv",
    }
    with open(tmp_path / "study" / "grid.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    monkeypatch.setattr("experiments.claims.points.cells.program.make_program", None)
    again = claims_study.run(study, tmp_path / "study", seeds=8)
    assert again.rows == report.rows
    fewer = claims_study.run(study, tmp_path / "study", seeds=4)
    assert math.isnan(fewer.rows[0]["fit_ratio_low"])  # two seeds to tell it of


def test_a_best_rate_at_the_edge_is_marked():
    fits = {"gan": (1.5, 1.2, 1.6), "wgan": (1.5, 1.6, 1.2)}
    rates = (1e-3, 1e-2, 1e-1)
    entries = {(name, "sgd"): {r: Cell(LAB, Made()) for r in rates} for name in fits}
    runs = {
        entries[name, "sgd"][rate]: [record(fit, seed=seed) for seed in range(2)]
        for name, each in fits.items()
        for rate, fit in zip(rates, each, strict=True)
    }
    report = grid.report(entries, runs, str)
    shown = {row[1]: row[3] for row in report.table.rows}
    assert shown == {"gan": "0.01", "wgan": "0.1 (at the edge)"}


def test_a_page_tells_of_too_few_seeds_and_of_two_commits(tmp_path, capsys, monkeypatch):
    lab = LAB._replace(train=lambda lanes, *rest: [record() for _ in lanes])
    made = claims_report.Report("t", ["Lead."], Table([], []), [], [], [{"a": 1}])
    study = claims_study.Study("claims", [Cell(lab, Made())], 4, lambda records, command: made)
    monkeypatch.setattr(claims_cells, "commit", lambda: "before")
    claims_study.run(study, tmp_path / "o", seeds=3)
    line = "--seeds=3 decides nothing here; 4 are needed."
    assert line in (tmp_path / "o" / "claims.html").read_text()
    assert line in capsys.readouterr().err
    monkeypatch.setattr(claims_cells, "commit", lambda: "after")
    claims_study.run(study, tmp_path / "o", seeds=3)
    facts = json.loads((tmp_path / "o" / "claims.json").read_text())["facts"]
    assert (facts["commit of the runs"], facts["judged at commit"]) == ("before", "after")
    claims_study.run(study, tmp_path / "o", seeds=4)
    assert "decides nothing" not in (tmp_path / "o" / "claims.html").read_text()


def test_a_dry_run_with_fresh_counts_nothing_as_there(tmp_path, capsys):
    lab = LAB._replace(train=lambda lanes, *rest: [record() for _ in lanes])
    study = claims_study.Study("claims", [Cell(lab, Made())], 4, lambda records, command: None)
    claims_cells.gather(tmp_path, study.cells, 2)
    capsys.readouterr()
    for fresh, there in ((False, 2), (True, 0)):
        claims_study.show_plan(study, tmp_path, 3, fresh=fresh)
        told = json.loads(capsys.readouterr().out)
        assert (told["runs there already"], told["runs to make"]) == (there, 3 - there)


def test_pictures_count_what_diverged():
    captions = [picture.caption for picture in made_report().sections[0].pictures]
    assert "one that diverged stays there (2 of 32 runs)" in captions[0]


def test_the_best_rate_is_chosen_on_half_of_the_seeds():
    fits = {1e-3: np.array([1.0, 9.0] * 4), 1e-2: np.array([2.0, 1.0] * 4)}
    assert grid.best_rate(fits) == 1e-3


def command(data, out, *more):
    return [
        *(sys.executable, "-m", "experiments.claims", "--study=grid", "--only=gan,wgan,sgd"),
        *("--epochs=40", "--seeds=2", f"--data={data}", f"--out={out}", *more),
    ]


def entries_of(out):
    return json.loads((out / "grid.json").read_text())["entries"]


@pytest.mark.slow
def test_killed_half_way_and_started_again(tmp_path, data):
    environment = os.environ | {"JAX_PLATFORMS": "cpu"}

    def start(out):
        pipe = subprocess.PIPE
        return subprocess.Popen(
            command(data, out), cwd=ROOT, env=environment, stdout=pipe, stderr=pipe, text=True
        )

    whole = start(tmp_path / "whole")
    assert "grid.html" in whole.communicate()[0]
    cut = start(tmp_path / "cut")
    while not list((tmp_path / "cut").glob("cells/*/seed_*.npz")) and cut.poll() is None:
        time.sleep(0.05)
    os.kill(cut.pid, signal.SIGKILL)
    cut.communicate()
    assert not (tmp_path / "cut" / "grid.json").exists()
    done = {path: path.stat().st_mtime_ns for path in (tmp_path / "cut").glob("cells/*/seed*")}
    assert 0 < len(done) < 32
    again = start(tmp_path / "cut")
    _, errors = again.communicate()
    assert again.returncode == 0
    assert f"{len(done)} runs are there already" in errors
    assert entries_of(tmp_path / "cut") == entries_of(tmp_path / "whole")
    assert {path: path.stat().st_mtime_ns for path in done} == done


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--only=Z9"], "unknown claim 'Z9'"),
        (["--only="], "--only needs a value"),
        (["--seeds=0"], "--seeds=0: must be from 1"),
        (["--study=house"], "choose from claims, grid"),
        (["--study=grid", "--only=house"], "no variant or optimizer 'house'"),
        (["--epochs=3"], "--epochs goes with --study=grid"),
        (["--data=nowhere.mat"], "no such file: nowhere.mat"),
        (["--name=x"], "--name has no meaning here"),
        (["--tensorboard"], "--tensorboard has no meaning here"),
    ],
)
def test_refusals(tmp_path, flags, message):
    words = [sys.executable, "-m", "experiments.claims", f"--out={tmp_path / 'o'}", *flags]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    (line,) = done.stderr.splitlines()
    assert line.startswith("claims: error: ")
    assert message in line
    assert not (tmp_path / "o").exists()


def test_help_has_the_flags_that_mean_something_here():
    words = [sys.executable, "-m", "experiments.claims", "--help"]
    told = subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout
    assert re.search(r"--out: Folder of the study.*\n +\(default: 'runs/claims'\)", told)
    assert "--fresh" in told.replace("[no]", "")
    assert not re.search("--name|tensorboard", told)


def test_dry_run_tells_what_would_be_made(tmp_path):
    words = ["-m", "experiments.claims", "--only=B2", "--seeds=4", "--dry_run"]
    done = subprocess.run(
        [sys.executable, *words, f"--out={tmp_path / 'o'}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    told = json.loads(done.stdout)
    assert (told["cells"], told["runs to make"], told["programs to run"]) == (7, 28, 6)
    assert not (tmp_path / "o").exists()


def test_another_folder_is_refused(tmp_path, data):
    (tmp_path / "mine.txt").write_text("x")
    study = claims_study.study_of_grid(grid.grid(data, "xx", ["gan"], ["sgd"], 2, **SMALL))
    with pytest.raises(claims_study.InputError, match="is not a run"):
        claims_study.run(study, tmp_path, seeds=1)


def test_rough_means_the_same_everywhere():
    assert f"{ROUGH:g}" in points_entries.FIRST.name
