"""Confidence intervals of a mean over seeds or samples.

Use ``student`` for values that are about normal, ``bootstrap_t`` for few, skewed values,
``expanded_percentile`` for many values, and ``percentile`` for statistics other than a mean.
"""

import functools
import math
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

MIN_SEEDS = 4  # with fewer values the bootstrap-t interval is useless
_T_RESAMPLES = 4999
_PERCENTILE_RESAMPLES = 4000
# A resample of few values may have almost no spread, which makes its t statistic huge. A
# floor of a quarter of the sample's standard error prevents this and keeps the coverage.
_LEAST_ERROR = 0.25


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval.

    Attributes:
      mean: The mean.
      low: Lower bound.
      high: Upper bound.
    """

    mean: float
    low: float
    high: float


def student(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Compute the mean with Student's t interval.

    With one value the bounds are NaN; without values the mean is, too. Values that are not
    finite (runs that diverged) are not dropped: they make the mean infinite and the bounds
    NaN.

    Args:
      values: ``[N]``, one per seed.
      confidence: Coverage of the interval.

    Examples:
      >>> from jaxgan.metrics.intervals import student
      >>> [round(float(x), 3) for x in student([1.0, 2.0, 3.0, 4.0])]
      [2.5, 0.446, 4.554]
    """
    x = np.asarray(values, float)
    if not len(x):
        return Interval(math.nan, math.nan, math.nan)
    if not np.isfinite(x).all():
        return Interval(math.inf, math.nan, math.nan)
    if len(x) < 2:
        return Interval(float(x.mean()), math.nan, math.nan)
    half = scipy.special.stdtrit(len(x) - 1, (1 + confidence) / 2) * _standard_error(x)
    return Interval(*(float(x.mean() + side * half) for side in (0, -1, 1)))


def bootstrap_t(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Compute the mean with the bootstrap-t interval.

    In simulations with 4, 8 and 32 seeds only this interval keeps its coverage on skewed
    values. With 8 exponential values the percentile interval, widened for small samples,
    covers 90 %, BCa 92 % and Student's 90 %. On values as skewed as exp(N(0, 1)) no interval
    reaches 95 %; this one covers 89 %. The table shows its coverage of normal values, of
    exponential values, and of fits of which 10 % are at 13 and the others about 1.2:

    | seeds | normal | exponential | 10 % bad |
    |-------|--------|-------------|----------|
    | 4     | 94 %   | 91 %        | 35 %     |
    | 8     | 96 %   | 93 %        | 57 %     |
    | 16    | 96 %   | 95 %        | 83 %     |
    | 32    | 94 %   | 94 %        | 95 %     |

    A failure rarer than about 1 in n rarely occurs among n seeds, and then no interval from
    these seeds reflects it. The resamples are the same in every call, so equal values have
    equal intervals.

    Args:
      values: ``[N]``, one per seed; for paired seeds, the differences of the pairs.
      confidence: Coverage of the interval.

    Returns:
      The mean and its bounds. The bounds are NaN for fewer than ``MIN_SEEDS`` values, or if
      a value is not finite.

    Source: Efron and Tibshirani, An Introduction to the Bootstrap, 1993, section 12.5.

    Examples:
      >>> from jaxgan.metrics.intervals import bootstrap_t
      >>> interval = bootstrap_t([1.1, 1.2, 1.2, 1.3, 1.4, 1.2, 1.3, 4.0])
      >>> interval.low < interval.mean < interval.high
      True
    """
    x = np.asarray(values, float)
    mean = float(x.mean()) if np.isfinite(x).all() else math.nan
    if len(x) < MIN_SEEDS or math.isnan(mean):
        return Interval(mean, math.nan, math.nan)
    error = _standard_error(x)
    if error == 0:
        return Interval(mean, mean, mean)
    resamples = x[_indices(len(x))]
    errors = np.maximum(_standard_error(resamples), _LEAST_ERROR * error)
    t = (resamples.mean(-1) - mean) / errors
    low, high = np.quantile(t, [(1 - confidence) / 2, (1 + confidence) / 2])
    return Interval(mean, float(mean - high * error), float(mean - low * error))


def expanded_percentile(values: ArrayLike, confidence: float = 0.95, seed: int = 0) -> Interval:
    """Compute the mean with the expanded percentile interval of the bootstrap.

    Plain percentiles are too narrow for few values. These lie further out, so far that the
    interval of normal values equals Student's.

    Args:
      values: ``[N]``; with fewer than two the bounds are NaN, as in ``student``.
      confidence: Coverage of the interval.
      seed: Seed of the resamples.

    Source: Hesterberg, arXiv 1411.5279, on the expanded percentile interval.

    Examples:
      >>> from jaxgan.metrics.intervals import expanded_percentile
      >>> interval = expanded_percentile(range(100))
      >>> interval.low < 49.5 < interval.high
      True
    """
    x = np.asarray(values, float)
    if len(x) < 2:
        return student(x, confidence)
    quantile = scipy.special.stdtrit(len(x) - 1, (1 + confidence) / 2)
    tail = float(scipy.special.ndtr(-quantile * math.sqrt(len(x) / (len(x) - 1))))
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, len(x), (_PERCENTILE_RESAMPLES, len(x)))
    low, high = np.quantile(x[rows].mean(axis=1), [tail, 1 - tail])
    return Interval(float(x.mean()), float(low), float(high))


def percentile(estimate: float, resampled: ArrayLike, confidence: float = 0.95) -> Interval:
    """Return a statistic with the plain percentile interval of its bootstrap resamples.

    Args:
      estimate: The statistic of the sample; it becomes ``mean`` of the result.
      resampled: ``[R]``, the statistic of each resample.
      confidence: Coverage of the interval.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.intervals import percentile
      >>> values = np.random.default_rng(0).normal(size=50)
      >>> resamples = np.random.default_rng(1).choice(values, (1000, 50))
      >>> interval = percentile(np.median(values), np.median(resamples, axis=1))
      >>> bool(interval.low < interval.mean < interval.high)
      True
    """
    tail = round((1 - confidence) / 2, 12)  # 0.025, not 0.025000000000000022
    low, high = np.quantile(np.asarray(resampled), (tail, 1 - tail))
    return Interval(float(estimate), float(low), float(high))


@functools.lru_cache(maxsize=16)
def _indices(count: int) -> np.ndarray:
    return np.random.default_rng([count, 0]).integers(0, count, (_T_RESAMPLES, count))


def _standard_error(x: np.ndarray):
    return x.std(axis=-1, ddof=1) / np.sqrt(x.shape[-1])
