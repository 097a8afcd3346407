import math

import numpy as np
import pytest
from scipy import stats

from jaxgan.metrics.intervals import bootstrap_t, expanded_percentile, percentile, student


def test_student_equals_scipy():
    values = [1.0, 2.0, 4.0, 1.5]
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    assert student(values) == pytest.approx((np.mean(values), low, high))


def test_one_value_has_no_interval():
    mean, low, high = student([2.0])
    assert mean == 2
    assert math.isnan(low)
    assert math.isnan(high)


def test_no_values_have_no_mean():
    assert all(map(math.isnan, student([])))
    assert all(map(math.isnan, expanded_percentile([])))


def test_a_diverged_seed_is_never_dropped():
    assert student([1.0, math.inf, 1.0]).mean == math.inf
    assert student([1.0, math.nan, 1.0]).mean == math.inf


def test_the_coverage_of_student_is_nominal():
    """Of 500 intervals from 8 normal values, 95 % hold the mean: within four deviations."""
    rng = np.random.default_rng(0)
    hits = 0
    for values in rng.normal(3, 1, size=(500, 8)):
        _, low, high = student(values)
        hits += low <= 3 <= high
    assert 455 <= hits <= 495


DRAWS = {  # name to draws of a shape and their mean
    "normal": (lambda rng, shape: rng.normal(3, 1, shape), 3.0),
    "exponential": (lambda rng, shape: rng.exponential(1, shape), 1.0),
    "uniform": (lambda rng, shape: rng.uniform(0, 1, shape), 0.5),
    "epochs": (lambda rng, shape: rng.poisson(6, shape) + 20.0, 26.0),
    "difference of skewed": (
        lambda rng, shape: rng.gamma(4, 0.1, shape) - rng.gamma(2, 0.1, shape),
        0.2,
    ),
}


@pytest.mark.parametrize("seeds", [8, pytest.param(32, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "name",
    [
        name if "skewed" in name else pytest.param(name, marks=pytest.mark.slow)
        for name in DRAWS
    ],
)
def test_the_coverage_of_bootstrap_t(name, seeds):
    """Nominal 95 %: between 92 % and 98 % of 500 draws."""
    draw, mean = DRAWS[name]
    values = draw(np.random.default_rng(11), (500, seeds))
    intervals = [bootstrap_t(x) for x in values]
    hits = sum(low <= mean <= high for _, low, high in intervals)
    assert 460 <= hits <= 490


def test_a_bootstrap_t_interval_turns_with_its_values():
    x = np.random.default_rng(1).exponential(1, 8)
    mean, low, high = bootstrap_t(x)
    assert bootstrap_t(-x) == pytest.approx((-mean, -high, -low))
    assert bootstrap_t(10 * x + 3) == pytest.approx(
        (10 * mean + 3, 10 * low + 3, 10 * high + 3)
    )
    assert bootstrap_t(x) == (mean, low, high)


def test_equal_values_have_no_width():
    assert bootstrap_t([200.0] * 8) == (200, 200, 200)


def test_one_outlier_leaves_bootstrap_t_bounded():
    _, low, high = bootstrap_t([0.0] * 7 + [1.0])
    assert math.isfinite(low)
    assert math.isfinite(high)


@pytest.mark.parametrize(
    ("count", "draw"),
    [
        (6, lambda rng, size: rng.standard_normal(size)),
        (40, lambda rng, size: rng.standard_normal(size)),
        (60, lambda rng, size: rng.exponential(size=size) - 1),
    ],
    ids=["few", "normal", "skewed"],
)
def test_the_coverage_of_expanded_percentile(count, draw):
    """Of 400 intervals 95 % hold the true mean: within four standard deviations, 1.1 % each.

    Skewed values may lack two per cent more.
    """
    rng = np.random.default_rng(1)
    hits = 0
    for values in draw(rng, (400, count)):
        interval = expanded_percentile(values)
        hits += interval.low <= 0 <= interval.high
    assert 0.905 - 0.02 * (count == 60) <= hits / 400 <= 0.995


def test_expanded_percentile_is_near_students_interval_and_always_the_same():
    values = np.random.default_rng(0).standard_normal(50)
    low, high = stats.ttest_1samp(values, 0).confidence_interval(0.95)
    found = expanded_percentile(values)
    assert found == expanded_percentile(values)
    # The ends are quantiles of 4000 draws, each uncertain by 2 % of the interval.
    assert found.low == pytest.approx(low, abs=0.08 * (high - low))
    assert found.high == pytest.approx(high, abs=0.08 * (high - low))


def test_percentile_is_the_quantiles_of_the_resamples():
    """Bit for bit those at 0.025 and 0.975, in the resamples' own precision."""
    resampled = np.random.default_rng(0).normal(size=400).astype(np.float32)
    low, high = np.quantile(resampled, (0.025, 0.975))
    assert percentile(np.float32(0.1), resampled) == (float(np.float32(0.1)), low, high)
    low, high = np.quantile(resampled, (0.05, 0.95))
    assert percentile(0.0, resampled, confidence=0.9) == (0, low, high)
