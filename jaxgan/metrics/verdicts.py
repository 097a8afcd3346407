"""Verdicts on claims: an effect with its interval over seeds, against a range fixed before.

A claim says that an effect lies in a range: a difference above a margin ("better"), between
two margins ("alike"), a number between two others ("about"). It holds where the whole
interval lies in the range, does not hold where all of it lies outside, and is undecided in
between. So "does not hold" is evidence against the claim and never the lack of evidence
for it.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import Interval

VERDICTS = HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


class Range(NamedTuple):
    """Where a claim says that its effect lies, both ends included."""

    low: float = -math.inf
    high: float = math.inf


def alike(margin: float) -> Range:
    """A difference that does not matter."""
    return Range(-margin, margin)


def about(value: float, factor: float = math.sqrt(2)) -> Range:
    """A number known up to a factor."""
    return Range(value / factor, value * factor)


def verdict(interval: Interval, allowed: Range) -> str:
    """Decide a claim by its interval: it holds, does not hold, or is undecided."""
    if math.isnan(interval.low) or math.isnan(interval.high):
        return UNDECIDED
    if allowed.low <= interval.low and interval.high <= allowed.high:
        return HOLDS
    if interval.high < allowed.low or allowed.high < interval.low:
        return FAILS
    return UNDECIDED


def joint(verdicts: Iterable[str]) -> str:
    """Join the verdicts on a claim that says several things at once: it fails with any."""
    distinct = set(verdicts)
    if FAILS in distinct:
        return FAILS
    return HOLDS if distinct == {HOLDS} else UNDECIDED


class Overall(NamedTuple):
    """A verdict over the settings that a report leaves open.

    Attributes:
      verdict: That of every setting, where they agree; else undecided.
      depends: Whether the claim holds in one setting and does not in another.
    """

    verdict: str
    depends: bool


def overall(verdicts: Iterable[str]) -> Overall:
    """Join the verdicts under several settings."""
    distinct = set(verdicts)
    common = next(iter(distinct)) if len(distinct) == 1 else UNDECIDED
    return Overall(common, distinct >= {HOLDS, FAILS})


def first_within(curves: ArrayLike, level: float) -> np.ndarray:
    """The first epoch, from 1, at which each curve ``[S, E]`` is at most a level.

    A curve that never gets there counts E, the last epoch: the mean is then the time
    without, out of the first E epochs (the restricted mean of survival analysis), a lower
    bound that needs no assumption about what would have come later.

    Returns:
      ``[S]``.
    """
    below = np.asarray(curves, float) <= level
    return np.where(below.any(axis=1), below.argmax(axis=1) + 1, below.shape[1]) * 1.0


def never_within(curves: ArrayLike, level: float) -> np.ndarray:
    """Mark the curves ``[S, E]`` that are never at a level or below: ``[S]``."""
    return np.all(~(np.asarray(curves, float) <= level), axis=1)


def at_worst(values: ArrayLike, worst: ArrayLike) -> np.ndarray:
    """Cap values ``[S]``, of which larger ones are worse, at ``worst``.

    A run that diverged is not dropped: it gets ``worst``. The cap ensures that no run
    scores worse than a diverged one.
    """
    values, worst = np.asarray(values, float), np.asarray(worst, float)
    return np.where(np.isfinite(values), np.minimum(values, worst), worst)
