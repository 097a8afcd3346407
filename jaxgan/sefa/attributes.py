"""Measure how a direction changes the scores of generated people.

N people are moved to T distances along a direction and scored at each. All confidence
intervals are over people.

``jaxgan/sefa/scoring.py`` shows the functions at work.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from jaxgan.errors import InputError
from jaxgan.judges.attribute import Attribute
from jaxgan.metrics.intervals import Interval, expanded_percentile, student

CONFIDENCE = 0.95


class Shift(NamedTuple):
    """The effect of a direction on one attribute.

    Attributes:
      attribute: The attribute.
      people: Number of people with a score at every distance. Only these are counted.
      dropped: Number of people who lack a score at some distance.
      means: Mean score over people at each distance, with Student's t intervals.
      slope: Mean over people of the least-squares slope, in the attribute's unit per unit of
        distance, with a bootstrap interval.
      total: Mean change from the first distance to the last, in the attribute's unit, with
        a bootstrap interval.
      in_sd: ``total.mean`` in standard deviations among unmoved people.
      monotonicity: Mean over people of Spearman's rank correlation of score and distance;
        a person whose score never changes counts as 0. At 1 or -1, the scores of all people
        change monotonically.
      slopes: ``[people]``, the slope of each person.
    """

    attribute: Attribute
    people: int
    dropped: int
    means: tuple[Interval, ...]
    slope: Interval
    total: Interval
    in_sd: float
    monotonicity: float
    slopes: np.ndarray


class Likeness(NamedTuple):
    """How much people keep their identity as they are moved.

    Attributes:
      people: Number of people with an embedding at every distance. Only these are counted.
      dropped: Number of people who lack an embedding at some distance.
      means: Mean cosine over people between the moved and the unmoved person at each
        distance, with Student's t intervals; 1 at distance 0.
      strangers: Mean cosine of two different unmoved people: the level of no likeness.
    """

    people: int
    dropped: int
    means: tuple[Interval, ...]
    strangers: float


def shift(
    attribute: Attribute,
    scores: ArrayLike,
    distances: ArrayLike,
    spread: float,
    seed: int = 0,
) -> Shift:
    """Measure the effect of a direction on one attribute.

    Args:
      attribute: The attribute.
      scores: ``[N, T]``; a person with a NaN is dropped.
      distances: ``[T]``, increasing, with 0 among them.
      spread: Standard deviation of the attribute among unmoved people.
      seed: Seed of the bootstrap.

    Raises:
      InputError: If the distances are invalid or do not match the scores.
    """
    scores, distances = np.asarray(scores, float), np.asarray(distances, float)
    _check(scores, distances)
    whole = scores[np.isfinite(scores).all(axis=1)]
    offsets = distances - distances.mean()
    slopes = whole @ offsets / np.square(offsets).sum()
    total = expanded_percentile(whole[:, -1] - whole[:, 0], seed=seed)
    return Shift(
        attribute=attribute,
        people=len(whole),
        dropped=len(scores) - len(whole),
        means=tuple(student(column) for column in whole.T),
        slope=expanded_percentile(slopes, seed=seed),
        total=total,
        in_sd=float(total.mean / spread) if spread > 0 else math.nan,
        monotonicity=_monotonicity(whole),
        slopes=slopes,
    )


def shifts(
    attributes: Sequence[Attribute],
    scores: ArrayLike,
    distances: ArrayLike,
    spreads: ArrayLike,
) -> tuple[Shift, ...]:
    """Apply ``shift`` to A attributes: scores ``[N, T, A]`` and spreads ``[A]``.

    Raises:
      InputError: As ``shift`` does, or if the numbers of attributes differ.
    """
    scores, spreads = np.asarray(scores, float), np.asarray(spreads, float)
    count = len(attributes)
    if scores.ndim != 3 or scores.shape[2] != count or spreads.shape != (count,):
        raise InputError(
            f"scores {list(scores.shape)} and spreads {list(spreads.shape)} are not "
            f"[N, T, {count}] and [{count}]"
        )
    return tuple(
        shift(attribute, scores[:, :, a], distances, float(spreads[a]))
        for a, attribute in enumerate(attributes)
    )


def deviations(scores: ArrayLike) -> np.ndarray:
    """Return standard deviations ``[A]`` of scores ``[N, A]`` of unmoved people.

    People with a NaN are left out; if fewer than two remain, the result is NaN.
    """
    scores = np.asarray(scores, float)
    whole = scores[np.isfinite(scores).all(axis=1)]
    return whole.std(axis=0, ddof=1) if len(whole) > 1 else np.full(scores.shape[1], np.nan)


def correlations(scores: ArrayLike) -> np.ndarray:
    """Return correlations ``[A, A]`` of scores ``[N, A]`` among unmoved people.

    People with a NaN are left out; an undefined correlation is 0.
    """
    scores = np.asarray(scores, float)
    whole = scores[np.isfinite(scores).all(axis=1)]
    if len(whole) < 2:
        return np.zeros((scores.shape[1],) * 2)
    with np.errstate(invalid="ignore", divide="ignore"):  # when all have the same score
        table = np.corrcoef(whole.T)
    return np.nan_to_num(np.atleast_2d(table))


def likeness(embeddings: ArrayLike, distances: ArrayLike) -> Likeness:
    """Measure how much people keep their identity as they are moved.

    Args:
      embeddings: Unit vectors ``[N, T, E]``; a person with a NaN is dropped.
      distances: ``[T]``, increasing, with 0 among them.

    Raises:
      InputError: If the distances are invalid or do not match the embeddings.
    """
    embeddings, distances = np.asarray(embeddings, float), np.asarray(distances, float)
    _check(embeddings, distances)
    whole = embeddings[np.isfinite(embeddings).all(axis=(1, 2))]
    still = whole[:, np.flatnonzero(distances == 0)[0]]
    cosines = np.einsum("nte,ne->nt", whole, still)
    count = len(still)
    others = np.square(still.sum(axis=0)).sum() - np.square(still).sum()  # every pair, twice
    return Likeness(
        people=count,
        dropped=len(embeddings) - count,
        means=tuple(student(column) for column in cosines.T),
        strangers=float(others / (count * (count - 1))) if count > 1 else math.nan,
    )


def _check(scores: np.ndarray, distances: np.ndarray) -> None:
    rising = distances.ndim == 1 and len(distances) > 1 and (np.diff(distances) > 0).all()
    if not rising or not np.isfinite(distances).all() or 0 not in distances:
        raise InputError("distances must be finite, increase, and include 0")
    if scores.ndim < 2 or scores.shape[1] != len(distances):
        raise InputError(
            f"scores of shape {list(scores.shape)} do not fit {len(distances)} distances: "
            "they are [N, T]"
        )


def _monotonicity(scores: np.ndarray) -> float:
    """Return the mean rank correlation of scores ``[N, T]`` with their column index."""
    if not len(scores):
        return math.nan
    ranks = scipy.stats.rankdata(scores, axis=1)
    ranks -= ranks.mean(axis=1, keepdims=True)
    steps = np.arange(scores.shape[1]) - (scores.shape[1] - 1) / 2
    sizes = np.sqrt(np.square(ranks).sum(axis=1) * np.square(steps).sum())
    return float(
        np.mean(np.divide(ranks @ steps, sizes, out=np.zeros(len(sizes)), where=sizes > 0))
    )
