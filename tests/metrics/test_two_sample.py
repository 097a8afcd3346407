import numpy as np
import pytest

from jaxgan.metrics.kernels import energy_test
from jaxgan.metrics.two_sample import _p_value, classifier_test


def modes(rng, count, deviation):
    """Points of a 5 x 5 grid of narrow Gaussians."""
    return rng.integers(0, 5, (count, 2)) + deviation * rng.normal(size=(count, 2))


def test_fine_structure_is_seen_where_the_energy_test_is_blind():
    rng = np.random.default_rng(1)
    real, blurred = modes(rng, 600, 0.03), modes(rng, 600, 0.09)
    result = classifier_test(blurred, real)
    assert result.p_value == pytest.approx(1 / 1000)
    assert result.accuracy > 0.6
    assert energy_test(blurred, real, permutations=99).p_value > 0.2


def test_p_values_are_uniform_for_equal_distributions():
    """With halves, and with separate training points, of different sizes and with repeats."""
    rng = np.random.default_rng(0)
    p_values = []
    for i in range(200):
        x, y, *two = (rng.normal(size=(n, 2)).round(1) for n in (30, 45, 40, 20))
        train = (two[0], two[1]) if i % 2 else None
        p_values.append(classifier_test(x, y, train=train, permutations=99, seed=i).p_value)
    # Binomial shares of 200, within four deviations; never above, as the test is exact.
    for level in (0.05, 0.25, 0.5, 0.75):
        share = np.mean(np.array(p_values) <= level)
        assert abs(share - level) < 4 * np.sqrt(level * (1 - level) / 200)


def test_a_p_value_is_the_share_of_relabellings():
    """Compare with labels that are drawn one by one."""
    rng = np.random.default_rng(0)
    scores = rng.integers(0, 6, 50) / 5
    scores[:20] += 0.2 * (rng.uniform(size=20) < 0.5)
    sums = rng.permuted(np.tile(scores, (20000, 1)), axis=1)[:, :20].sum(axis=1)
    expected = np.mean(sums >= scores[:20].sum() - 1e-9)
    assert 0.02 < expected < 0.5
    assert _p_value(scores, 20, 20000, rng) == pytest.approx(expected, abs=0.015)


def test_a_cloud_and_itself_cannot_be_told_apart():
    x = np.random.default_rng(0).normal(size=(200, 2))
    assert classifier_test(x, x).p_value > 0.5


def test_points_that_do_not_vary():
    same = np.zeros((30, 2))
    assert classifier_test(same, same[:20]) == (0.5, 1.0)
    assert classifier_test(same, same[:20] + 1) == (1.0, 0.001)


def test_few_points_of_which_the_generator_repeats_some():
    rng = np.random.default_rng(0)
    repeated = rng.normal(size=(10, 2))[rng.integers(0, 10, 300)]
    assert classifier_test(repeated, rng.normal(size=(200, 2))).p_value == 0.001


@pytest.mark.parametrize("count", [2, 3, 4])
def test_two_points_are_enough(count):
    x, y = np.random.default_rng(0).normal(size=(2, count, 2))
    assert 0 < classifier_test(x, y).p_value <= 1
    with pytest.raises(ValueError, match="need points of both clouds"):
        classifier_test(x, y[:1])


def test_a_distant_origin_changes_nothing():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(2, 100, 2)).round(3) + [[[0.0]], [[0.4]]]
    assert classifier_test(x + 2.0**20, y + 2.0**20) == classifier_test(x, y)


def test_points_that_are_not_finite_are_told_apart():
    accuracy, p_value = classifier_test(np.full((5, 2), np.nan), np.zeros((5, 2)))
    assert np.isnan(accuracy)
    assert p_value == 0
