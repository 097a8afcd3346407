"""Cells of pretrained generators, with a generator and a judge whose answers are known."""

import jax
import numpy as np
import pytest

from experiments.claims.images import pretrained
from experiments.claims.images.pretrained import PRETRAINED, Faces
from jaxgan import sefa
from jaxgan.judges.attribute import Attribute
from jaxgan.judges.oracles import FFHQ, Oracle
from jaxgan.runs.records import Cell, key
from jaxgan.runs.study import gather
from tests import generators

PEOPLE = 10


def light(images):
    return images.mean(axis=(1, 2, 3))[:, np.newaxis]


def judge(score):
    words = (Attribute("light", "levels", "darker", "lighter"),)
    return Oracle("eye", "a test", words, score)


@pytest.fixture(scope="module")
def generator():
    return generators.linear()


@pytest.fixture
def gathered(tmp_path, monkeypatch, generator):
    """Makes the records of a cell with two seeds, by a judge."""

    def make(score):
        monkeypatch.setattr(pretrained.convert, "load", lambda source, say: generator)
        monkeypatch.setattr(pretrained.scoring, "panel", lambda eyes: [judge(score)])
        cell = Cell(PRETRAINED, Faces("dcgan-faces", PEOPLE, FFHQ, 0.1))
        return gather(tmp_path, [cell], 2)[cell]

    return make


def test_shifts_are_changes_from_end_to_end_in_deviations_among_people(generator, gathered):
    records = gathered(light)
    leading = sefa.directions(generator, k=5, whiten=False)
    steps = 2 * sefa.spreads(generator, leading.vectors)

    def images(codes):
        return np.clip(np.asarray(generator.images(codes)) * 127.5 + 127.5, 0, 255)

    others = jax.random.fold_in(jax.random.key(0), 2**31 - 1)
    usual = sefa.draw_codes(generator, others, pretrained.SPREAD_PEOPLE, truncation=0.7)
    spread = light(images(usual)).std(ddof=1)
    codes = sefa.draw_codes(generator, jax.random.key(1), PEOPLE, truncation=0.7)
    for k, vector in enumerate(leading.vectors[:2]):
        low, high = (
            light(images(sefa.move(codes, vector, sign * steps[k], range(4))))
            for sign in (-1, 1)
        )
        # Pixels are rounded to a level; the spread is of some levels.
        expected = (high - low).mean() / spread
        assert records[1].arrays["shifts"][0, k, 0] == pytest.approx(expected, abs=0.05)
    for record in records:
        assert record.arrays["seen"].tolist() == [[1.0] * 5] * 2
        assert record.arrays["edits"].shape == (5, 4, 3, 4, 4, 3)
    assert not np.array_equal(*(record.arrays["shifts"] for record in records))


def test_people_whose_face_is_not_seen_at_both_ends_do_not_count(gathered):
    def half_blind(images):
        scores = light(images)
        return np.where(scores > 127, scores, np.nan)

    (record, _) = gathered(half_blind)
    seen = record.arrays["seen"]
    assert seen.min() < 1
    assert np.isfinite(record.arrays["shifts"]).all()
    nobody = seen == 0
    assert (record.arrays["shifts"][nobody] == 0).all()


def test_what_decides_a_result_is_in_its_key():
    def keys(**changes):
        return key(Cell(PRETRAINED, pretrained.FFHQ._replace(**changes)))

    assert keys() == keys(seconds=9.0)
    assert len({keys(), keys(people=3), keys(source="dcgan-faces"), keys(eyes=(0, 0, 1))}) == 4
