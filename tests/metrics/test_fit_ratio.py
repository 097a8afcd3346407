import math

import numpy as np
import pytest

from jaxgan.metrics import fit_ratio
from jaxgan.metrics.transport import wasserstein


@pytest.fixture(scope="module")
def clouds():
    rng = np.random.default_rng(0)
    return rng.normal(size=(400, 2)), rng.normal(size=(60, 2)), rng.normal(size=(10, 60, 2))


def test_samples_of_the_same_law_score_about_one(clouds):
    train, reference, samples = clouds
    # two means over ten draws of 60 points, each within about a tenth
    assert fit_ratio.fit_ratio(samples, train, reference) == pytest.approx(1, abs=0.2)
    assert fit_ratio.fit_ratio(samples + 5, train, reference) > 5


def test_the_ratio_is_what_its_definition_says(clouds):
    train, reference, samples = clouds
    own = [*fit_ratio.floor_samples(train, 60, seed=3)]
    assert len(own) == fit_ratio.DRAWS
    assert all(len(np.unique(x, axis=0)) == 60 for x in own)  # drawn without replacement
    floor = np.mean([wasserstein(x, reference) for x in own])
    distance = np.mean([wasserstein(x, reference) for x in samples])
    ratio = fit_ratio.fit_ratio(samples, train, reference, seed=3)
    assert ratio == pytest.approx(distance / floor, rel=1e-12)


@pytest.mark.parametrize("kind", [np.float32, list])
def test_other_types_of_points_are_the_same_points(clouds, kind):
    train, reference, samples = (np.round(x, 3) for x in clouds)
    whole = fit_ratio.fit_ratio(samples, train, reference)
    other = [
        x.tolist() if kind is list else x.astype(kind) for x in (samples, train, reference)
    ]
    # float32 rounds points to 1e-7
    assert fit_ratio.fit_ratio(*other) == pytest.approx(whole, rel=1e-5)


def test_points_that_are_all_equal_have_no_scale():
    same = np.ones((9, 2))
    assert fit_ratio.fit_ratio(same[None, :4], same, same[:4]) == math.inf
