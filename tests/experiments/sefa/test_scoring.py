"""What a run of SeFa makes of oracles, with oracles whose answers are known."""

import functools
import json

import numpy as np
import pytest
from PIL import Image
from scipy import special

from experiments.sefa import config as sefa_config
from experiments.sefa import report as sefa_report
from experiments.sefa import run
from jaxgan import sefa
from jaxgan.errors import InputError
from jaxgan.judges import oracles
from jaxgan.judges.attribute import Attribute
from jaxgan.judges.oracles import Oracle
from jaxgan.sefa import scoring
from tests import generators
from tests.generators import LAYERS, line_of

linear = functools.cache(generators.linear)  # compiled once
WORDS = (
    Attribute("light", "levels", "darker", "lighter"),
    Attribute("red", "log-odds of red", "less red", "more red"),
)


def brightness(images):
    return images.mean(axis=(1, 2, 3))


def redness(images):
    return (images[..., 0].mean(axis=(1, 2)) - images[..., 2].mean(axis=(1, 2))) / 8


def score(images):
    return np.stack([brightness(images), redness(images)], axis=1)


def embed(images):
    vectors = images.reshape(len(images), -1) - 127.5
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


SEEING = Oracle("eye", "a test", WORDS, score, embed)
BLIND = Oracle("blind", "a test", (Attribute("sight", "x", "-", "+"),), None)  # type: ignore
ALIKE = Oracle("alike", "a test", (), lambda images: np.empty((len(images), 0)), embed)


@pytest.fixture
def panel(monkeypatch):
    """The oracles of a run, and the arguments with which they are made."""
    calls = []

    def stand_in(*arguments):
        calls.append(arguments)
        return [SEEING]

    monkeypatch.setattr(scoring, "panel", stand_in)
    return calls


def config_of(**changes):
    settings = {"directions": 2, "samples": 1, "steps": 3, "attributes": True}
    settings |= {"attribute_samples": 20, "distance": 1.0, "truncation": 1.0}
    return sefa_config.Config("linear", **settings | changes)


def report_of(generator=None, judges=(SEEING,), batch_size=7, seed=3):
    generator = linear(scale=0.02) if generator is None else generator
    directions = sefa.directions(generator, k=2)
    distances = np.array([-1.0, 0, 1])
    audience = scoring.Audience(generator, judges, batch_size)
    usual = scoring.meet(audience, 20, seed=seed)
    assert len(usual.codes) == scoring.LEAST_PEOPLE
    return directions, scoring.score_directions(
        audience, directions, np.ones(2), distances, usual, 20
    )


def test_shifts_are_those_of_the_images():
    generator = linear(scale=0.02)
    directions, report = report_of(generator)
    assert report["people"] == 20
    assert report["distances"] == [-1, 0, 1]
    assert report["oracles"] == [{"name": "eye", "source": "a test"}]
    paint = generator.params["paint"].astype(float).sum(axis=0)
    for vector, entry in zip(directions.vectors, report["directions"], strict=True):
        light, red = entry["shifts"]
        # The images are linear in the codes, but for whole levels.
        change = (vector @ paint).reshape(-1, 3) * 127.5
        assert light["slope"]["mean"] == pytest.approx(change.mean(), abs=0.1)
        slope = (change[:, 0] - change[:, 2]).mean() / 8
        assert red["slope"]["mean"] == pytest.approx(slope, abs=0.1)
        assert light["people"] == 20
        assert "probability" not in light
        odds = [mean["mean"] for mean in red["probability"]]
        assert sorted(odds, reverse=bool(slope < 0)) == odds
        assert entry["likeness"]["means"][1]["mean"] == pytest.approx(1)
        assert entry["likeness"]["means"][0]["mean"] < 1
        assert len(entry["lines"]) == 3


def test_probabilities_are_means_of_probabilities():
    scores = np.array([[-1.0, 2.0], [3.0, np.nan], [0.0, 1.0]])
    means = scoring._probabilities(scores)
    expected = special.expit(scores[[0, 2]]).mean(axis=0)
    np.testing.assert_allclose([one["mean"] for one in means], expected)


def test_a_picture_without_a_face_counts_for_no_oracle():
    seen = []

    def blind(images):
        seen.append(images)
        return np.full((len(images), 1), np.nan)

    other = BLIND._replace(score=blind)
    _, report = report_of(judges=(SEEING, other))
    for entry in report["directions"]:
        assert entry["name"] == ""
        assert [row["people"] for row in entry["shifts"]] == [0, 0, 0]
        assert [row["dropped"] for row in entry["shifts"]] == [20, 20, 20]
        assert entry["likeness"]["people"] == 0
        assert json.loads(json.dumps(entry)) == entry  # no NaN
        sefa_report.facts(entry)
    sefa_report.show(report, ["a", "b"])


def test_an_oracle_that_scores_nothing_tells_how_alike_people_stay():
    _, report = report_of(judges=(SEEING._replace(embed=None), ALIKE))
    _, other = report_of(judges=(SEEING,))
    for entry, one in zip(report["directions"], other["directions"], strict=True):
        assert entry == one
        assert len(entry["moved"]["identity"]) == 20


def test_the_people_do_not_depend_on_the_batch():
    assert report_of(batch_size=7)[1] == report_of(batch_size=40)[1]
    assert report_of(seed=4)[1] != report_of(seed=3)[1]


def test_a_run_is_named_by_its_scores(tmp_path, panel, capsys):
    generator = linear(scale=0.05)
    summary = run.run(config_of(names=("mine",)), tmp_path, generator)
    report = summary["attributes"]
    assert json.loads((tmp_path / "attributes.json").read_text()) == report
    assert panel == [(oracles.FFHQ, None, None, oracles.CELEBA, True)]
    suggested = report["directions"][1]["name"]
    assert suggested in ("light", "red", "light and red", "red and light")
    assert summary["name"] == ["mine", suggested]
    with np.load(tmp_path / "directions.npz") as file:
        assert file["names"].tolist() == ["mine", ""]  # a suggestion is nothing without numbers
    html = (tmp_path / "sefa.html").read_text()
    assert report["directions"][1]["plus"] in html
    assert "likeness at both ends" in html
    run.show(summary)
    printed = capsys.readouterr().out
    assert f"2. {suggested}" in printed
    assert "likeness at both ends" in printed
    assert "light (levels)" in printed


def test_scoring_goes_on_where_it_stopped(tmp_path, panel, monkeypatch):
    generator, whole = linear(scale=0.05), tmp_path / "whole"
    run.run(config_of(), whole, generator)
    calls = []

    def counted(images):
        calls.append(len(images))
        return score(images)

    monkeypatch.setattr(scoring, "panel", lambda *arguments: [SEEING._replace(score=counted)])
    directory = tmp_path / "parts"

    def stop():
        if (directory / "attributes.json").exists():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run.run(config_of(), directory, generator, check=stop)
    first = (directory / "attributes.json").read_text()
    assert len(json.loads(first)["directions"]) == 1
    calls.clear()
    summary = run.run(config_of(), directory, generator)
    assert sum(calls) == scoring.LEAST_PEOPLE + 20 * (
        run.SCORE_STEPS - 1
    )  # one direction was left
    assert (directory / "attributes.json").read_text() == (
        whole / "attributes.json"
    ).read_text()
    calls.clear()
    assert run.run(config_of(), directory, generator) == summary
    assert not calls


@pytest.mark.parametrize("damage", ["", "{", "[]", "{}", "null"])
def test_damaged_scores_count_for_none(tmp_path, damage):
    (tmp_path / "attributes.json").write_text(damage)
    assert sefa_report.read(tmp_path) is None


def test_what_fails_before_it_begins_loses_nothing(tmp_path, monkeypatch):
    generator = linear(scale=0.05)
    run.run(config_of(attributes=False), tmp_path / "run", generator)
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    photographs = {"attribute_data": "nothing", "attribute_labels": str(tmp_path / "none.csv")}
    for directory, fresh in ((tmp_path / "run", True), (tmp_path / "other", False)):
        with pytest.raises(InputError) as error:
            run.run(config_of(**photographs), directory, generator, fresh=fresh)
        assert "cannot read labels from" in line_of(error)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
    assert not (tmp_path / "other").exists()


def test_other_oracles_are_another_run(tmp_path, panel, monkeypatch):
    generator = linear(scale=0.05)
    run.run(config_of(), tmp_path, generator)
    other = SEEING._replace(source="trained on other labels")
    monkeypatch.setattr(scoring, "panel", lambda *arguments: [other])
    with pytest.raises(InputError) as error:
        run.run(config_of(), tmp_path, generator)
    assert "was made with content=" in line_of(error)
    assert run.run(config_of(), tmp_path, generator, fresh=True)["attributes"]["oracles"] == [
        {"name": "eye", "source": "trained on other labels"}
    ]


def test_labelled_photographs_are_known_by_their_content(tmp_path, panel, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for folder in ("one", "two"):
        (tmp_path / folder).mkdir()
        for name, colour in {"a": "red", "b": "green"}.items():
            Image.new("RGB", (4, 4), colour).save(tmp_path / folder / f"{name}.png")
        (tmp_path / folder / "labels.csv").write_text("image,Red\na.png,1\nb.png,0\n")

    def start(folder):
        names = {"attribute_data": str(folder), "attribute_labels": str(folder / "labels.csv")}
        return run.run(config_of(**names), tmp_path / "run", linear())

    first = start(tmp_path / "one")
    assert start(tmp_path / "two") == first  # another place
    (tmp_path / "one" / "labels.csv").write_text("image_id,Red\r\na.png,1\r\nb.png,-1")
    assert start(tmp_path / "one") == first  # another way to write the same
    (tmp_path / "one" / "labels.csv").write_text("image,Red\na.png,0\nb.png,1\n")
    with pytest.raises(InputError, match=r"the content of \S*labels.csv has changed"):
        start(tmp_path / "one")
    Image.new("RGB", (4, 4), "blue").save(tmp_path / "two" / "a.png")
    with pytest.raises(InputError, match=r"the content of \S*two is not that of \S*one"):
        start(tmp_path / "two")


def test_nothing_is_scored_unasked(tmp_path, panel):
    summary = run.run(config_of(attributes=False), tmp_path, linear())
    assert summary["attributes"] is None
    assert summary["name"] == ["direction 1", "direction 2"]
    assert not panel
    assert not (tmp_path / "attributes.json").exists()


def test_groups_are_in_the_names(tmp_path):
    config = config_of(attributes=False, layers="0/2-3", directions=1)
    summary = run.run(config, tmp_path, linear())
    assert summary["name"] == ["direction 1, layers 0", "direction 2, layers 2-3"]
    assert summary["layers"] == ["0", "2-3"]
    assert np.shape(summary["layer_shares"]) == (2, LAYERS)


def test_distances_are_in_standard_deviations(tmp_path):
    generator = linear()
    config = config_of(attributes=False, layers="all")
    std = run.run(config, tmp_path / "std", generator)
    directions = sefa.directions(generator, k=2, like="jaxgan")
    np.testing.assert_allclose(std["unit"], sefa.spreads(generator, directions.vectors))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"attributes": False}, "--attribute_samples has no meaning without --attributes"),
        ({"eyes": (0.5, 0.4)}, "--eyes=0.5,0.4 must be x,y,distance"),
        ({"eyes": (0.5, 0.4, 0.0)}, "three shares, 0 to 1"),
        ({"attribute_eyes": (0.5, float("nan"), 0.2)}, "--attribute_eyes=0.5,nan,0.2"),
        ({"attribute_samples": 0}, "--attribute_samples=0 must be 1 to 1000"),
        ({"space": "w"}, "--space has no meaning without --codes"),
        ({"directions_file": "x"}, "--directions has no meaning with --directions_file"),
    ],
)
def test_settings_that_are_refused(changes, words):
    config = config_of(**changes)
    check = sefa_config.check_flags if "meaning" in words else sefa_config.check_ranges
    with pytest.raises(InputError) as error:
        check(config)
    assert words in line_of(error)


@pytest.mark.parametrize("flag", ["attribute_data", "attribute_labels"])
def test_photographs_and_labels_go_together(flag):
    with pytest.raises(InputError) as error:
        sefa_config.check_flags(config_of(**{flag: "x"}))
    assert "--attribute_data and --attribute_labels go together" in line_of(error)


def test_the_broadest_oracles_come_first(monkeypatch):
    monkeypatch.setattr(oracles, "age_and_gender", lambda eyes: SEEING)
    monkeypatch.setattr(oracles, "face_mesh", lambda eyes: BLIND)
    monkeypatch.setattr(scoring, "face_recognition", lambda eyes: ALIKE)
    monkeypatch.setattr(scoring, "classifier", lambda *arguments, **more: SEEING)
    monkeypatch.setattr(scoring, "read_labels", lambda path: None)
    assert scoring.panel(oracles.FFHQ) == [SEEING, BLIND]
    every = scoring.panel(oracles.FFHQ, "images", "labels", recognition=True)
    assert every == [SEEING, BLIND, ALIKE, SEEING]  # the first that has embeddings is asked
