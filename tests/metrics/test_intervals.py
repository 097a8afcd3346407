import math

import numpy as np
import pytest
from scipy import stats

from jaxgan.metrics.intervals import mean_interval


def test_interval_equals_scipy():
    values = [1.0, 2.0, 4.0, 1.5]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert mean_interval(values) == pytest.approx((np.mean(values), low, high))


def test_one_value_has_no_interval():
    mean, low, high = mean_interval([2.0])
    assert mean == 2
    assert math.isnan(low)
    assert math.isnan(high)


def test_a_diverged_seed_is_never_dropped():
    assert mean_interval([1.0, math.inf, 1.0]).mean == math.inf
    assert mean_interval([1.0, math.nan, 1.0]).mean == math.inf


def test_coverage_is_nominal():
    """Of 500 intervals from 8 normal values, 95 % hold the mean: within four deviations."""
    rng = np.random.default_rng(0)
    hits = 0
    for values in rng.normal(3, 1, size=(500, 8)):
        _, low, high = mean_interval(values)
        hits += low <= 3 <= high
    assert 455 <= hits <= 495
