"""What many seeds say: a mean with its interval."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import stats


class Interval(NamedTuple):
    """A mean and the bounds of its confidence interval."""

    mean: float
    low: float
    high: float


def mean_interval(values: ArrayLike, confidence: float = 0.95) -> Interval:
    """Mean over seeds with Student's t interval.

    One value has no interval: its bounds are not a number. A value that is not finite
    (a run that diverged) makes the mean infinite and the bounds not a number: it is
    never dropped.

    Args:
      values: One per seed.
      confidence: Coverage of the interval.
    """
    x = np.asarray(values, float)
    if not np.isfinite(x).all():
        return Interval(float("inf"), float("nan"), float("nan"))
    if len(x) < 2:
        return Interval(float(x.mean()), float("nan"), float("nan"))
    error = x.std(ddof=1) / np.sqrt(len(x))
    half = stats.t.ppf((1 + confidence) / 2, len(x) - 1) * error
    return Interval(*(float(x.mean() + side * half) for side in (0, -1, 1)))
