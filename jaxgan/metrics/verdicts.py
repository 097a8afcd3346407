"""Verdicts on claims, from the interval of an effect over seeds.

A claim says that an effect lies in a range that is fixed in advance: a difference above a
margin ("better") or between two margins ("alike"), or a number within a factor of another
("about"). The claim holds if the whole interval lies in the range, does not hold if the
whole interval lies outside, and is undecided otherwise. So "does not hold" means evidence
against the claim, not a lack of evidence for it.
"""

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import Interval

VERDICTS = HOLDS, FAILS, UNDECIDED = "holds", "does not hold", "undecided"


class Range(NamedTuple):
    """The range in which a claim says that its effect lies, ends included."""

    low: float = -math.inf
    high: float = math.inf


def alike(margin: float) -> Range:
    """Return the range of differences that do not matter, ``[-margin, margin]``."""
    return Range(-margin, margin)


def about(value: float, factor: float = math.sqrt(2)) -> Range:
    """Return the range from ``value / factor`` to ``value * factor``."""
    return Range(value / factor, value * factor)


def verdict(interval: Interval, allowed: Range) -> str:
    """Decide whether a claim holds, does not hold, or is undecided.

    Examples:
      >>> from jaxgan.metrics.intervals import Interval
      >>> from jaxgan.metrics.verdicts import alike, verdict
      >>> verdict(Interval(0.1, -0.2, 0.4), alike(0.5))
      'holds'
    """
    if math.isnan(interval.low) or math.isnan(interval.high):
        return UNDECIDED
    if allowed.low <= interval.low and interval.high <= allowed.high:
        return HOLDS
    if interval.high < allowed.low or allowed.high < interval.low:
        return FAILS
    return UNDECIDED


def joint(verdicts: Iterable[str]) -> str:
    """Combine the verdicts on all parts of a claim, which fails if any part does.

    Examples:
      >>> from jaxgan.metrics.verdicts import joint
      >>> joint(["holds", "undecided"]), joint(["holds", "does not hold"])
      ('undecided', 'does not hold')
    """
    distinct = set(verdicts)
    if FAILS in distinct:
        return FAILS
    return HOLDS if distinct == {HOLDS} else UNDECIDED


class Overall(NamedTuple):
    """A verdict over several settings.

    Attributes:
      verdict: The verdict of all settings if they agree; otherwise undecided.
      depends: Whether the claim holds in one setting and does not hold in another.
    """

    verdict: str
    depends: bool


def overall(verdicts: Iterable[str]) -> Overall:
    """Combine the verdicts under several settings.

    Examples:
      >>> from jaxgan.metrics.verdicts import overall
      >>> overall(["holds", "does not hold"])
      Overall(verdict='undecided', depends=True)
    """
    distinct = set(verdicts)
    common = next(iter(distinct)) if len(distinct) == 1 else UNDECIDED
    return Overall(common, distinct >= {HOLDS, FAILS})


def first_within(curves: ArrayLike, level: float) -> np.ndarray:
    """Return the first epoch, from 1, at which each curve ``[S, E]`` is at most a level.

    A curve that never reaches the level counts as E, the last epoch. The mean is then a
    lower bound (the restricted mean of survival analysis), which needs no assumption about
    later epochs.

    Returns:
      ``[S]``.
    """
    below = np.asarray(curves, float) <= level
    return np.where(below.any(axis=1), below.argmax(axis=1) + 1, below.shape[1]) * 1.0


def never_within(curves: ArrayLike, level: float) -> np.ndarray:
    """Tell which curves ``[S, E]`` always stay above a level: ``[S]``."""
    return np.all(~(np.asarray(curves, float) <= level), axis=1)


def at_worst(values: ArrayLike, worst: ArrayLike) -> np.ndarray:
    """Cap values ``[S]``, where larger is worse, at ``worst``.

    Runs that diverged get ``worst``, and no run scores worse than these.
    """
    values, worst = np.asarray(values, float), np.asarray(worst, float)
    return np.where(np.isfinite(values), np.minimum(values, worst), worst)
