import numpy as np
import pytest
from scipy.spatial.distance import cdist

from jaxgan.metrics.kernels import energy_test


def test_energy_distance_equals_its_definition():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(0.5, 1, size=(45, 2))
    expected = 2 * cdist(x, y).mean() - cdist(x, x).mean() - cdist(y, y).mean()
    assert energy_test(x, y).distance == pytest.approx(expected, rel=1e-4)  # float32


def test_a_distant_origin_changes_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(60, 2)), rng.normal(0.5, 1, size=(45, 2))
    near, far = energy_test(x, y), energy_test(x + 1e8, y + 1e8)
    assert far.distance == pytest.approx(near.distance, rel=1e-4)
    assert far.p_value == pytest.approx(near.p_value, abs=0.002)


def test_equal_clouds_cannot_be_told_apart():
    x = np.random.default_rng(0).normal(size=(50, 2))
    result = energy_test(x, x)
    assert result.distance == pytest.approx(0, abs=1e-6)
    assert result.p_value > 0.5


def test_different_clouds_can():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(100, 2)), rng.normal(1, 1, size=(100, 2))
    assert energy_test(x, y).p_value == pytest.approx(1 / 1000)


def test_the_level_of_the_test_is_its_nominal_one():
    """Of 300 pairs from one distribution, about 5 % have a p-value below 0.05."""
    rng = np.random.default_rng(0)
    rejected = sum(
        energy_test(*rng.normal(size=(2, 40, 2)), permutations=99, seed=i).p_value <= 0.05
        for i in range(300)
    )
    # binomial(300, 0.05): mean 15, standard deviation 3.8; within four of them
    assert 0 < rejected <= 30


def test_points_that_are_not_finite_are_told_apart():
    assert energy_test(np.full((5, 2), np.nan), np.zeros((5, 2))) == (np.inf, 0.0)
