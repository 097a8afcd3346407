import csv
import math

import numpy as np
import pytest

from experiments.claims import study
from experiments.claims.points import grid
from jaxgan.runs.records import Cell
from jaxgan.runs.study import plan
from tests.records import LAB, Config, record

SMALL = {"generator_widths": (8,), "critic_widths": (8,), "batch_size": 64, "train_size": 512}


def test_the_best_rate_is_chosen_on_half_of_the_seeds():
    fits = {1e-3: np.array([1.0, 9.0] * 4), 1e-2: np.array([2.0, 1.0] * 4)}
    assert grid.best_rate(fits) == 1e-3


def report_of(fits, seeds=2):
    """The report on records with a fit for each entry and rate."""
    entries = {
        entry: {rate: Cell(LAB, Config(f"{entry} {rate}", epochs=3)) for rate in rates}
        for entry, rates in fits.items()
    }
    records = {
        entries[entry][rate]: [
            record(fit + 0.01 * seed, seed=seed, epochs=3, diverged=2 * (fit > 5))
            for seed in range(seeds)
        ]
        for entry, rates in fits.items()
        for rate, fit in rates.items()
    }
    return grid.report(entries, records, lambda name: f"do {name}")


def test_entries_are_ranked_at_their_best_rates():
    fits = {
        ("gan", "sgd"): {1e-3: 1.5, 1e-2: 1.2, 1e-1: 9.0},
        ("wgan", "sgd"): {1e-3: 1.5, 1e-2: 1.6, 1e-1: 1.4},
        ("gan", "adam"): {1e-3: 3.0, 1e-2: 1.3, 1e-1: 2.0},
    }
    report = report_of(fits, seeds=8)
    shown = [(row[1], row[2], row[3]) for row in report.table.rows]
    assert shown == [
        ("gan", "sgd", "0.01"),
        ("gan", "adam", "0.01"),
        ("wgan", "sgd", "0.1 (at the edge)"),
    ]
    assert [row["rank"] for row in report.rows] == [1, 2, 3]
    assert [row["worse"] for row in report.rows] == ["leader", "holds", "holds"]
    assert [row["diverged"] for row in report.rows] == [8, 0, 0]
    # Of the seeds with odd numbers.
    assert report.rows[0]["seeds"] == 4
    assert report.rows[0]["fit_ratio_mean"] == pytest.approx(1.2 + 0.01 * (1 + 3 + 5 + 7) / 4)
    assert [section.name for section in report.sections] == ["sgd", "adam"]
    assert [len(section.table.rows) for section in report.sections] == [2, 1]
    assert "1.24 (best)" in report.sections[0].table.rows[0]
    assert [len(section.pictures) for section in report.sections] == [4, 4]
    assert report.sections[0].command == "do gan,wgan,sgd"


@pytest.mark.slow
def test_a_grid_is_ranked_and_never_trained_twice(tmp_path, monkeypatch):
    data = str(tmp_path / "cloud.npy")
    np.save(data, np.random.default_rng(0).normal(size=(600, 2)) * [2.0, 0.5] + 7)
    monkeypatch.setitem(grid.RATES, "sgd", (1e-2, 1e3))
    monkeypatch.setitem(grid.RATES, "adam", (1e-3, 1e-2))
    chosen = grid.study(grid.grid(data, "xx", ["lsgan"], ["sgd", "adam"], 4, **SMALL))
    assert len(plan(tmp_path, chosen.cells, 8).programs) == 2
    report = study.run(chosen, tmp_path / "study", seeds=8)
    assert [row["rank"] for row in report.rows] == [1, 2]
    by_optimizer = {row["optimizer"]: row for row in report.rows}
    assert by_optimizer["sgd"]["best_rate"] == 1e-2
    assert by_optimizer["sgd"]["diverged"] == 8
    assert sorted(row["worse"] == "leader" for row in report.rows) == [False, True]
    names = {x.name for x in (tmp_path / "study").glob("grid.*")}
    assert names == {"grid.html", "grid.json", "grid.csv"}
    with open(tmp_path / "study" / "grid.csv", newline="") as file:
        assert len(list(csv.DictReader(file))) == 2
    monkeypatch.setattr("experiments.claims.points.cells.program.make_program", None)
    again = study.run(chosen, tmp_path / "study", seeds=8)
    assert again.rows == report.rows
    fewer = study.run(chosen, tmp_path / "study", seeds=4)
    assert math.isnan(fewer.rows[0]["fit_ratio_low"])  # of the two seeds with odd numbers
