import numpy as np
import pytest

from jaxgan.metrics.coverage import class_coverage, coverage

MODES = np.array([[0.0, 0.0], [10.0, 0.0], [0.0, 10.0]])


def test_modes_and_quality_are_counted():
    samples = np.array([[0.1, 0], [0, 0.9], [10, 0.5], [5, 5]])
    assert coverage(samples, MODES, 1.0)[:2] == (2, 0.75)


def test_a_collapsed_generator_captures_one_mode_with_high_quality():
    expected = (1, 1.0, pytest.approx(np.log(3)))
    assert coverage(np.zeros((100, 2)), MODES, 1.0) == expected


def test_reverse_divergence_is_of_all_samples_by_their_nearest_mode():
    samples = MODES[[0, 0, 1, 1, 1, 2, 2, 2]] + [2.0, 1.0]  # none within the radius
    expected = 2 / 8 * np.log(3 * 2 / 8) + 2 * 3 / 8 * np.log(3 * 3 / 8)
    assert coverage(samples, MODES, 1.0) == (0, 0.0, pytest.approx(expected))
    assert coverage(MODES, MODES, 1.0).reverse_kl == pytest.approx(0, abs=1e-12)


def test_samples_that_are_not_finite_belong_to_no_mode():
    samples = np.array([[0.0, 0.0], [np.nan, 0.0]])
    assert coverage(samples, MODES, 1.0)[:2] == (1, 0.5)
    assert coverage(samples[1:], MODES, 1.0)[:2] == (0, 0.0)
    assert np.isnan(coverage(samples[1:], MODES, 1.0).reverse_kl)


def test_the_radius_counts_as_inside():
    assert coverage(np.array([[1.0, 0.0]]), MODES, 1.0).quality == pytest.approx(1)


def test_every_mode_can_have_a_radius_of_its_own():
    samples = MODES + [1.5, 0.0]
    assert coverage(samples, MODES, [1.0, 2.0, 1.0])[:2] == (1, pytest.approx(1 / 3))


def test_modes_that_a_classifier_names_are_counted_as_by_hand():
    """Half of the samples in mode 2, a quarter each in modes 0 and 4, of 5."""
    expected = np.log(5) - (np.log(2) / 2 + np.log(4) / 2)
    assert class_coverage([2, 0, 2, 4], 5) == (3, pytest.approx(expected))
    assert class_coverage([1] * 7, 5) == (1, pytest.approx(np.log(5)))
    assert class_coverage(np.arange(5), 5) == (5, pytest.approx(0, abs=1e-12))


def test_few_samples_of_equal_modes_have_the_divergence_that_is_told():
    numbers = np.random.default_rng(0).integers(0, 1000, 26_000)
    modes, divergence = class_coverage(numbers, 1000)
    assert modes == 1000
    assert divergence == pytest.approx(999 / 52_000, rel=0.1)
