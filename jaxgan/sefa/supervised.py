"""Find directions of given attributes by a linear fit of their scores to codes.

InterFaceGAN separates the codes of people with and without an attribute by a hyperplane and
takes its normal. Here the normal comes from ridge regression of the score on the codes, so
no threshold is needed. Conditioning makes a direction keep the linear scores of the other
attributes unchanged.

Source: Shen et al., arXiv 2005.09635, section 3; of the estimate, Hoerl and Kennard,
Technometrics 12(1), 1970.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from jaxgan.errors import InputError
from jaxgan.metrics.intervals import Interval

FEWEST = 50  # people
HELD_OUT = 0.2  # share of the people to test a fit on
_PENALTIES = np.logspace(-6, 3, 37)  # relative to the mean variance of codes
_NOTHING = 1e-6  # of a direction's length: less counts as nothing


class Supervised(NamedTuple):
    """Directions of A attributes.

    Attributes:
      vectors: ``[A, D]`` float32 rows of length 1, along which the scores increase.
      accuracy: For each attribute the share of held-out people whose score the fit predicts
        to be on the right side of the median, with Wilson's interval; 0.5 is chance.
      correlation: ``[A]``, correlation of predicted and true scores of held-out people.
      kept: ``[A]``, share of a direction's length that remains after conditioning.
      people: Number of people. The directions are fitted to all of them; ``accuracy`` and
        ``correlation`` come from a fit to four fifths.
    """

    vectors: np.ndarray
    accuracy: tuple[Interval, ...]
    correlation: np.ndarray
    kept: np.ndarray
    people: int


def fit(
    codes: ArrayLike,
    scores: ArrayLike,
    names: Sequence[str],
    covariance: ArrayLike | None = None,
    *,
    condition: bool = True,
    seed: int = 0,
) -> Supervised:
    """Fit a direction to each attribute's scores; a pure function of its arguments.

    Without a covariance, the directions are the normals, as in InterFaceGAN: the score
    increases most per unit of code. With a covariance ``C``, they are ``C n`` for a normal
    ``n``: the score increases most per standard deviation of codes, as for the whitened
    directions of ``factorize``.

    Args:
      codes: ``[N, D]``.
      scores: ``[N, A]``; a person with a NaN is left out.
      names: Names of the A attributes.
      covariance: Covariance ``[D, D]`` of codes for whitening.
      condition: Whether each direction keeps the linear scores of the other attributes.
      seed: Seed of the choice of held-out people.

    Raises:
      InputError: If the sizes differ, too few people have scores, a score is the same for
        all, or conditioning leaves nothing of a direction.

    Examples:
      >>> rng = np.random.default_rng(0)
      >>> codes = rng.normal(size=(500, 4))
      >>> directions = fit(codes, codes[:, :2] + codes[:, 1:3], ["a", "b"])
      >>> np.abs(directions.vectors @ [[1, 0], [1, 1], [0, 1], [0, 0]]).round(2) + 0
      array([[1.22, 0.  ],
             [0.  , 1.22]])
    """
    codes, scores = np.asarray(codes, float), np.asarray(scores, float)
    count = len(names)
    if codes.ndim != 2 or scores.shape != (len(codes), count):
        raise InputError(
            f"codes {list(codes.shape)} and scores {list(scores.shape)} are not [N, D] and "
            f"[N, {count}]"
        )
    whole = np.isfinite(scores).all(axis=1)
    if whole.sum() < FEWEST:
        raise InputError(
            f"{whole.sum()} of {len(codes)} people have a face that all oracles see; a "
            f"direction needs at least {FEWEST}"
        )
    codes, scores = codes[whole], scores[whole]
    flat = np.flatnonzero(np.ptp(scores, axis=0) == 0)
    if len(flat):
        raise InputError(f"{names[flat[0]]} has the same score for all {len(codes)} people")
    order = np.random.default_rng(seed).permutation(len(codes))
    test, train = np.split(order, [round(HELD_OUT * len(codes))])
    guesses = (codes[test] - codes[train].mean(axis=0)) @ normals(codes[train], scores[train]).T
    metric = np.eye(codes.shape[1]) if covariance is None else np.asarray(covariance, float)
    vectors, kept = conditioned(normals(codes, scores), metric, condition)
    if kept.min() < _NOTHING:
        raise InputError(
            f"conditioning leaves nothing of the direction of {names[int(kept.argmin())]}; "
            "name fewer attributes, or do not condition"
        )
    return Supervised(
        vectors.astype(np.float32),
        tuple(_accuracy(*pair) for pair in zip(guesses.T, scores[test].T, strict=True)),
        np.array([_correlation(*pair) for pair in zip(guesses.T, scores[test].T, strict=True)]),
        kept,
        len(codes),
    )


def normals(codes: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """Return coefficients ``[A, D]`` of ridge regression of scores ``[N, A]`` on ``[N, D]``.

    Each attribute gets the penalty with the least leave-one-out error, in closed form.
    """
    left, sizes, axes = np.linalg.svd(codes - codes.mean(axis=0), full_matrices=False)
    targets = scores - scores.mean(axis=0)
    parts = left.T @ targets
    variances = np.square(sizes)
    best = np.full(scores.shape[1], np.inf)
    coefficients = np.zeros((scores.shape[1], codes.shape[1]))
    for penalty in _PENALTIES * variances.sum() / codes.shape[1]:
        shrunk = variances / (variances + penalty)
        influence = np.square(left) @ shrunk + 1 / len(codes)  # leverage of each person
        errors = (targets - left @ (shrunk[:, None] * parts)) / np.maximum(
            1 - influence, np.finfo(float).eps
        )[:, None]
        loss = np.square(errors).mean(axis=0)
        better = loss < best
        weights = (sizes / (variances + penalty))[:, None] * parts
        coefficients[better] = (axes.T @ weights).T[better]
        best[better] = loss[better]
    return coefficients


def conditioned(
    normals: np.ndarray, metric: np.ndarray, condition: bool = True
) -> tuple[np.ndarray, np.ndarray]:
    """Return unit directions ``[A, D]`` from normals, and the share of each that is kept.

    Args:
      normals: ``[A, D]``, gradients of the linear scores.
      metric: ``[D, D]``; it multiplies each normal after conditioning.
      condition: Whether a step along a direction keeps the other linear scores, as in
        InterFaceGAN's conditional manipulation.
    """
    vectors, kept = np.empty_like(normals), np.ones(len(normals))
    products = normals @ metric @ normals.T
    for a, normal in enumerate(normals):
        remainder = normal
        if condition and len(normals) > 1:
            others = np.arange(len(normals)) != a
            shares = np.linalg.lstsq(products[np.ix_(others, others)], products[others, a])[0]
            remainder = normal - shares @ normals[others]
            squares = remainder @ metric @ remainder, products[a, a]
            kept[a] = np.sqrt(max(squares[0], 0) / squares[1]) if squares[1] > 0 else 0
        vector = metric @ remainder
        vectors[a] = vector / max(np.linalg.norm(vector), np.finfo(float).tiny)
    return vectors, kept


def _accuracy(guesses: np.ndarray, scores: np.ndarray) -> Interval:
    """Return the share of guesses on the right side of the median, with Wilson's interval."""
    right = (guesses > np.median(guesses)) == (scores > np.median(scores))
    bounds = scipy.stats.binomtest(int(right.sum()), len(right)).proportion_ci(method="wilson")
    return Interval(float(right.mean()), float(bounds.low), float(bounds.high))


def _correlation(guesses: np.ndarray, scores: np.ndarray) -> float:
    if not np.ptp(guesses) or not np.ptp(scores):
        return 0.0
    return float(np.corrcoef(guesses, scores)[0, 1])
