"""Random numbers: no two draws share a latent."""

import jax
import numpy as np
import pytest

from experiments.sefa import run
from experiments.sefa.config import Config
from jaxgan.convert import generator as pretrained
from jaxgan.sefa import known, measure, scoring
from tests.generators import LAYERS, linear, normal


@pytest.fixture
def drawn(monkeypatch):
    """All latents that are drawn."""
    arrays, draw = [], jax.random.normal

    def recorded(key, shape):
        arrays.append(np.asarray(draw(key, shape)))
        return arrays[-1]

    monkeypatch.setattr(jax.random, "normal", recorded)
    return arrays


def test_no_two_draws_share_a_latent(drawn, monkeypatch):
    monkeypatch.setattr(pretrained, "MEAN_LATENTS", 64)
    monkeypatch.setattr(scoring, "see", lambda audience, codes: codes)
    generator = linear()
    assert generator.mean_code.shape == generator.code_covariance.shape[:1]
    audience = scoring.Audience(generator, [], 5)
    for seed in range(4):
        config = Config("linear", seed=seed, samples=20)
        codes = run.codes_of(config, generator)
        assert run.calibration_codes(config, generator, codes).shape == (5, *codes.shape[1:])
        scoring.meet(audience, 20, seed=seed)
    assert [len(z) for z in drawn] == [64] * 5 + [20, 5, scoring.LEAST_PEOPLE] * 4
    rows = np.concatenate(drawn)
    assert len(np.unique(rows.round(4), axis=0)) == len(rows)


def test_codes_of_a_file_calibrate_themselves(drawn):
    config, codes = Config("linear", codes="codes.npz"), normal(9, LAYERS, 6)
    np.testing.assert_array_equal(run.calibration_codes(config, linear(), codes), codes[:5])
    assert not drawn


def test_image_units_are_measured_on_other_people(tmp_path):
    generator, seen = linear(scale=0.05), []
    units = measure.image_units

    def recorded(generator, codes, directions, check):
        seen.append(codes)
        return units(generator, codes, directions, check)

    config = Config("linear", unit="image", directions=1, samples=2, steps=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(measure, "image_units", recorded)
        run.run(config, tmp_path, generator)
    with np.load(tmp_path / "codes.npz") as file:
        shown = file["w+"]
    (codes,) = seen
    assert np.abs(codes[:, None] - shown[None]).max(axis=(2, 3)).min() > 0.1


def test_known_names_give_way_to_others(tmp_path, monkeypatch):
    entry = {"name": "smile", "plus": "+1 sd", "minus": "-", "measured": "on nobody"}
    entry |= {"seen": 1.0, "shifts": [], "likeness": None}
    monkeypatch.setattr(known, "recognise", lambda directions: [entry, entry, None])
    config = Config("linear", directions=3, samples=1, steps=3, names=("mine",))
    summary = run.run(config, tmp_path, linear())
    assert summary["name"] == ["mine", "smile", "direction 3"]
    assert summary["known"] == [entry, entry, None]
    assert (tmp_path / "sefa.html").read_text().count("on nobody") == 4  # and without scripts
    with np.load(tmp_path / "directions.npz") as file:
        assert file["names"].tolist() == ["mine", "", ""]  # the others are recognised again
