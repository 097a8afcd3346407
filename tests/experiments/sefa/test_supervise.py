"""Supervised directions in a run of SeFa, with oracles whose answers are known."""

import functools
import json
from itertools import pairwise

import numpy as np
import pytest

from experiments.sefa import __main__ as main
from experiments.sefa import config as sefa_config
from experiments.sefa import run, supervise
from jaxgan.errors import InputError
from jaxgan.judges.attribute import Attribute
from jaxgan.judges.oracles import Oracle
from jaxgan.sefa import scoring
from tests import generators
from tests.generators import DIM, LAYERS, line_of

linear = functools.cache(generators.linear)  # compiled once
WORDS = (
    Attribute("light", "levels", "darker", "lighter"),
    Attribute("red cast", "levels", "less red", "more red"),
)


def score(images):
    light = images.mean(axis=(1, 2, 3))
    return np.stack([light, images[..., 0].mean(axis=(1, 2)) - light], axis=1)


def embed(images):
    vectors = images.reshape(len(images), -1) - 127.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


@pytest.fixture
def asked(monkeypatch):
    """Numbers of the images that the oracle of a run is asked about."""
    calls = []

    def counted(images):
        calls.append(len(images))
        return score(images)

    eye = Oracle("eye", "a test", WORDS, counted, embed)
    monkeypatch.setattr(scoring, "panel", lambda *arguments: [eye])
    return calls


def config_of(**changes):
    settings = {"directions": 2, "samples": 1, "steps": 3, "attributes": True}
    settings |= {"attribute_samples": 20, "distance": 1.0, "truncation": 1.0}
    settings |= {"supervised": ("all",), "supervised_samples": 300}
    return sefa_config.Config("linear", **settings | changes)


@pytest.mark.parametrize("layers", [0, LAYERS])
def test_supervised_directions_move_their_own_attribute_alone(tmp_path, asked, layers, capsys):
    summary = run.run(config_of(), tmp_path, linear(layers))
    assert summary["name"][2:] == ["light, supervised", "red cast, supervised"]
    fits = summary["supervised"]
    assert fits["attributes"] == ["light", "red cast"]
    assert fits["people"] == 300
    assert all(one["low"] > 0.8 for one in fits["accuracy"])
    entries = summary["attributes"]["directions"][2:]
    slopes = np.array([[row["slope"]["mean"] for row in one["shifts"]] for one in entries])
    # Images are linear in codes, but for whole levels and the noise of 300 people.
    assert (np.diag(slopes) > 10 * np.abs(slopes[[0, 1], [1, 0]])).all()
    with np.load(tmp_path / "directions.npz") as file:
        assert file["names"].tolist() == ["", "", *summary["name"][2:]]
        assert file["vectors"].shape == (4, DIM)
    html = (tmp_path / "sefa.html").read_text()
    assert "scores of red cast of 300 people" in html
    assert "light per change of identity" in html
    run.show(summary)
    printed = capsys.readouterr().out
    assert "supervised directions, fitted to 300 people" in printed
    assert "light, levels per change of identity: supervised" in printed


def test_supervised_directions_are_the_steepest_of_all(tmp_path, asked):
    summary = run.run(config_of(condition=False, unit="std"), tmp_path, linear(scale=0.05))
    steep = [
        abs(one["shifts"][0]["slope"]["mean"]) for one in summary["attributes"]["directions"]
    ]
    assert np.argmax(steep) == 2
    assert summary["supervised"]["kept"] == [1, 1]


def test_the_exchange_is_of_the_reports_people(tmp_path, asked):
    summary = run.run(config_of(), tmp_path, linear(scale=0.05))
    report = summary["attributes"]
    for entry, one in zip(
        report["directions"], supervise.exchanges(report, "light"), strict=True
    ):
        mean = np.mean(np.array(entry["moved"]["changes"])[:, 0])
        assert mean == pytest.approx(entry["shifts"][0]["total"]["mean"])
        assert one is not None
        assert one.mean == pytest.approx(abs(mean) / np.mean(entry["moved"]["identity"]))
    line = supervise.headline(report, summary["name"], "light")
    assert "times as far" in line
    assert supervise.headline(report, summary["name"], "sight") == ""
    for one in report["directions"][:2]:
        for person, changes in enumerate(one["moved"]["changes"]):
            changes[0] = (-1) ** person
    line = supervise.headline(report, summary["name"], "light")
    assert line.endswith("does not differ clearly from 0")
    blind = {"directions": [one | {"moved": None} for one in report["directions"]]}
    assert supervise.exchanges(blind, "light") == [None] * 4
    assert supervise.headline(blind, summary["name"], "light") == ""


def test_people_are_scored_once(tmp_path, asked):
    generator, directory = linear(scale=0.05), tmp_path / "parts"
    whole = run.run(config_of(), tmp_path / "whole", generator)
    asked.clear()

    def stop():
        if sum(asked) >= 200:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(config_of(), directory, generator, check=stop)
    assert asked == [100, 100]
    asked.clear()
    assert run.run(config_of(), directory, generator) == whole
    others = scoring.LEAST_PEOPLE + 4 * 20 * (run.SCORE_STEPS - 1)
    assert sum(asked) == 100 + others
    asked.clear()
    again = run.run(config_of(distance=2.0, condition=False), directory, generator, fresh=True)
    assert sum(asked) == others  # the people are those of the earlier run
    assert again != whole
    asked.clear()
    run.run(config_of(supervised=("light",)), directory, linear(scale=0.02), fresh=True)
    assert sum(asked) == 300 + others - 20 * (run.SCORE_STEPS - 1)  # another generator's


@pytest.mark.parametrize("damage", [b"", b"PK", None])
def test_damaged_people_are_scored_again(tmp_path, asked, damage):
    generator = linear(scale=0.05)
    whole = run.run(config_of(), tmp_path, generator)
    path = tmp_path / supervise.FILE
    path.write_bytes(path.read_bytes()[:500] if damage is None else damage)
    asked.clear()
    assert run.run(config_of(), tmp_path, generator, fresh=True) == whole
    assert sum(asked) == 300 + scoring.LEAST_PEOPLE + 4 * 20 * (run.SCORE_STEPS - 1)


def test_random_keys_differ():
    keys = [supervise._PEOPLE, scoring._PEOPLE, run._CALIBRATION]
    assert all(a != b for a, b in pairwise(sorted(keys)))


def test_an_attribute_that_nothing_scores(tmp_path, asked):
    with pytest.raises(InputError) as error:
        run.run(config_of(supervised=("light", "age")), tmp_path / "run", linear())
    assert "--supervised=light,age: 'age' is none of what the oracles score: light, red" in (
        line_of(error)
    )
    assert not (tmp_path / "run").exists()


def test_names_may_be_given_twice_and_with_blanks(asked):
    judges = scoring.panel(None)  # type: ignore
    chosen = supervise.attributes(config_of(supervised=(" red  cast", "red cast")), judges)
    assert chosen == ["red cast"]


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        (["--supervised=age"], "--supervised has no meaning without --attributes"),
        (
            ["--attributes", "--supervised_samples=100"],
            "--supervised_samples has no meaning without --supervised",
        ),
        (["--attributes", "--nocondition"], "--condition has no meaning without --supervised"),
        (
            ["--attributes", "--supervised=age", "--directions_file=x"],
            "--supervised has no meaning with --directions_file",
        ),
        (
            ["--attributes", "--supervised=age", "--supervised_samples=49"],
            "--supervised_samples=49 must be 50 to 100000",
        ),
        (["--attributes", "--likeness=x"], "--likeness=x must be one of faces, labels"),
        (["--likeness=labels"], "--likeness has no meaning without --attributes"),
    ],
)
def test_flags_that_are_refused(flags, says, capsys, tmp_path):
    assert main.main([*flags, f"--out={tmp_path}"]) == 2
    error = capsys.readouterr().err
    assert says in error
    assert error.count("\n") == 1


def test_too_few_faces_end_in_one_line(tmp_path, asked, monkeypatch):
    blind = Oracle("blind", "", WORDS, lambda images: np.full((len(images), 2), np.nan), embed)
    monkeypatch.setattr(scoring, "panel", lambda *arguments: [blind])
    with pytest.raises(InputError) as error:
        run.run(config_of(supervised_samples=60), tmp_path, linear())
    assert "0 of 60 people have a face" in line_of(error)


def test_the_report_is_json(tmp_path, asked):
    run.run(config_of(), tmp_path, linear(scale=0.05))
    report = json.loads((tmp_path / "attributes.json").read_text())
    assert len(report["directions"][3]["moved"]["identity"]) == 20
