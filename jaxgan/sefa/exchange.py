"""Measure how much a direction changes an attribute per change of identity.

A direction that makes people older also makes them look like other people. The measure is
the ratio of the two changes from one end of the direction to the other. Both grow roughly
linearly with the distance, so the ratio hardly depends on the length of the path.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import Interval, percentile

_RESAMPLES = 2000


class Movement(NamedTuple):
    """Changes of N people along one direction; NaN where an oracle saw no face.

    Attributes:
      identity: ``[N]``, sum of the distances from the unmoved person's embedding to those at
        both ends, in units of the root mean square distance of two unmoved people.
      changes: ``[N, A]``, scores at the last distance minus scores at the first.
    """

    identity: np.ndarray
    changes: np.ndarray


def movement(scores: ArrayLike, embeddings: ArrayLike, distances: ArrayLike) -> Movement:
    """Measure the changes of people along one direction.

    Args:
      scores: ``[N, T, A]``.
      embeddings: Unit vectors ``[N, T, E]``.
      distances: ``[T]``, increasing, with 0 among them.
    """
    scores, embeddings = np.asarray(scores, float), np.asarray(embeddings, float)
    still = embeddings[:, np.flatnonzero(np.asarray(distances) == 0)[0]]
    visible = still[np.isfinite(still).all(axis=1)]
    pairs = len(visible) * (len(visible) - 1)
    cosines = np.square(visible.sum(axis=0)).sum() - np.square(visible).sum()
    strangers = math.sqrt(max(2 - 2 * cosines / pairs, 0)) if pairs else math.nan
    lengths = np.linalg.norm(embeddings[:, [0, -1]] - still[:, None], axis=2).sum(axis=1)
    identity = lengths / strangers if strangers else np.full(len(lengths), np.nan)
    return Movement(identity, scores[:, -1] - scores[:, 0])


def per_identity(changes: ArrayLike, identity: ArrayLike, seed: int = 0) -> Interval:
    """Return mean change divided by mean change of identity, with a bootstrap interval.

    The sign is dropped. ``experiments/sefa/supervise.py`` shows it at work.

    Args:
      changes: ``[N]``, changes of one attribute; people with a NaN are left out.
      identity: ``[N]``, as in ``Movement``.
      seed: Seed of the resamples.
    """
    return _interval([(changes, identity)], seed)


def compare(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], seed: int = 0
) -> Interval:
    """Return the ratio of two directions' changes per identity, with a bootstrap interval.

    A ratio of 2 means that, per change of identity, the first direction changes the attribute
    twice as much as the second.

    Args:
      first: Changes and identity of N people along one direction, as for ``per_identity``.
      second: Those of the same people along another direction.
      seed: Seed of the resamples.
    """
    return _interval([first, second], seed)


def _interval(pairs: list[tuple[ArrayLike, ArrayLike]], seed: int) -> Interval:
    """Return the first pair's ratio of means, divided by the second's if there is one."""
    table = np.array([np.asarray(x, float) for pair in pairs for x in pair])
    table = table[:, np.isfinite(table).all(axis=0)]
    count = table.shape[1]
    if count < 2:
        return Interval(math.nan, math.nan, math.nan)
    rows = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    estimate = _ratio(table.mean(axis=1))
    resamples = _ratio(table[:, rows].mean(axis=2))
    if not np.isfinite(resamples).all():
        return Interval(math.nan, math.nan, math.nan)
    sign = -1.0 if estimate < 0 else 1.0
    return percentile(float(sign * estimate), sign * resamples)


def _ratio(means: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        first = means[0] / means[1]
        return first if len(means) == 2 else first / (means[2] / means[3])
