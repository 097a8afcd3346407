import csv
import json

import pytest

from experiments.claims import study as claims_study
from experiments.claims.report import Report
from experiments.claims.study import Study, command_of, show_plan
from jaxgan.errors import InputError
from jaxgan.plots.report_page import Table
from jaxgan.runs import records
from jaxgan.runs.records import Cell
from jaxgan.runs.study import gather
from tests.records import LAB, Config

REPORT = Report("t", ["Lead."], Table([], []), [], [], [{"a": 1, "b": float("nan")}])
STUDY = Study("claims", [Cell(LAB, Config("one"))], 4, lambda records, command: REPORT)


@pytest.fixture
def at_commit(monkeypatch):
    def check_out(name):
        monkeypatch.setattr(records, "_commit", lambda folder: name)

    return check_out


def test_a_page_tells_of_too_few_seeds_and_of_two_commits(tmp_path, capsys, at_commit):
    folder = tmp_path / "o"
    at_commit("before")
    claims_study.run(STUDY, folder, seeds=3)
    line = "--seeds=3 decides nothing here; 4 are needed."
    assert line in (folder / "claims.html").read_text()
    assert line in capsys.readouterr().err
    at_commit("after")
    claims_study.run(STUDY, folder, seeds=3)
    facts = json.loads((folder / "claims.json").read_text())["facts"]
    assert (facts["commit of the runs"], facts["judged at commit"]) == ("before", "after")
    claims_study.run(STUDY, folder, seeds=4)
    assert "decides nothing" not in (folder / "claims.html").read_text()


def test_a_number_that_is_none_is_empty_in_the_table(tmp_path):
    claims_study.run(STUDY, tmp_path, seeds=1)
    with open(tmp_path / "claims.csv", newline="") as file:
        assert list(csv.DictReader(file)) == [{"a": "1", "b": ""}]


def test_a_dry_run_with_fresh_counts_nothing_as_there(tmp_path, capsys):
    gather(tmp_path, STUDY.cells, 2)
    capsys.readouterr()
    for fresh, there in ((False, 2), (True, 0)):
        show_plan(STUDY, tmp_path, 3, fresh=fresh)
        plan = json.loads(capsys.readouterr().out)
        assert (plan["runs there already"], plan["runs to make"]) == (there, 3 - there)


def test_another_folder_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(InputError, match="is not a run"):
        claims_study.run(STUDY, tmp_path, seeds=1)


def test_the_command_of_one_entry_leaves_the_page_of_all():
    words = command_of({"seeds": 4}, ["B1", "B2"], "")
    assert words == "python -m experiments.claims --seeds=4 --only=B1,B2"
    words = command_of({"seeds": 4}, ["B1", "B2"], "o/", "B1")
    assert words == "python -m experiments.claims --seeds=4 --only=B1 --out=o-B1"
    words = command_of({}, [], "", "gan,sgd")
    assert words == "python -m experiments.claims --only=gan,sgd --out=runs/claims-gan-sgd"
