"""How far an attribute moves for a change of identity.

A direction that makes people older makes them other people as well. The two changes are
compared: what an attribute gains from one end of a direction to the other, per change of
identity on the way. Both grow about evenly with the distance, so that their ratio depends
little on how far a direction was followed.
"""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.intervals import Interval, percentile

_RESAMPLES = 2000


class Moved(NamedTuple):
    """Changes of N people along one direction, NaN where a face was not seen.

    Attributes:
      identity: ``[N]``, distance from the unmoved person to both ends, added up: 1 is that
        of two strangers.
      changes: ``[N, A]``, scores at the last distance less those at the first.
    """

    identity: np.ndarray
    changes: np.ndarray


def moved(scores: ArrayLike, embeddings: ArrayLike, distances: ArrayLike) -> Moved:
    """Measure the changes of people along one direction.

    Args:
      scores: ``[N, T, A]``.
      embeddings: ``[N, T, E]`` of length 1.
      distances: ``[T]``, rising, 0 among them.
    """
    scores, embeddings = np.asarray(scores, float), np.asarray(embeddings, float)
    still = embeddings[:, np.flatnonzero(np.asarray(distances) == 0)[0]]
    seen = still[np.isfinite(still).all(axis=1)]
    pairs = len(seen) * (len(seen) - 1)
    cosines = np.square(seen.sum(axis=0)).sum() - np.square(seen).sum()
    strangers = math.sqrt(max(2 - 2 * cosines / pairs, 0)) if pairs else math.nan
    lengths = np.linalg.norm(embeddings[:, [0, -1]] - still[:, None], axis=2).sum(axis=1)
    identity = lengths / strangers if strangers else np.full(len(lengths), np.nan)
    return Moved(identity, scores[:, -1] - scores[:, 0])


def per_identity(changes: ArrayLike, identity: ArrayLike, seed: int = 0) -> Interval:
    """Mean change over mean change of identity, as a size, with a bootstrap interval.

    Args:
      changes: ``[N]``, of one attribute; people with a NaN are left out.
      identity: ``[N]``, as in ``Moved``.
      seed: Seed of the resamples.
    """
    return _interval([(changes, identity)], seed)


def compared(
    first: tuple[ArrayLike, ArrayLike], second: tuple[ArrayLike, ArrayLike], seed: int = 0
) -> Interval:
    """How many times as far the first direction moves an attribute, per change of identity.

    Args:
      first: Changes and identity of the same N people along one direction, as for
        ``per_identity``.
      second: The same along another.
      seed: Seed of the resamples.
    """
    return _interval([first, second], seed)


def _interval(pairs: list[tuple[ArrayLike, ArrayLike]], seed: int) -> Interval:
    """The first pair's ratio of means, or how many times another's it is."""
    table = np.array([np.asarray(x, float) for pair in pairs for x in pair])
    table = table[:, np.isfinite(table).all(axis=0)]
    count = table.shape[1]
    if count < 2:
        return Interval(math.nan, math.nan, math.nan)
    rows = np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))
    estimate = _ratio(table.mean(axis=1))
    resampled = _ratio(table[:, rows].mean(axis=2))
    if not np.isfinite(resampled).all():
        return Interval(math.nan, math.nan, math.nan)
    sign = -1.0 if estimate < 0 else 1.0
    return percentile(float(sign * estimate), sign * resampled)


def _ratio(means: np.ndarray) -> np.ndarray:
    with np.errstate(divide="ignore", invalid="ignore"):
        first = means[0] / means[1]
        return first if len(means) == 2 else first / (means[2] / means[3])
