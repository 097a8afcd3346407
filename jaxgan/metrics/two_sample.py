"""A classifier two-sample test: can a classifier tell samples from real points?"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

NEIGHBOURS = (5, 20, 80)  # numbers to choose from
_ROUNDING = 1e-9


class ClassifierTest(NamedTuple):
    """Result of ``classifier_test``.

    Attributes:
      accuracy: Mean of the shares of both clouds' tested points that are classified right.
        About 0.5 for equal distributions, whatever the sizes of the clouds.
      p_value: Share of relabellings of the tested points whose scores differ at least as
        much. Below 0.05 the two clouds can be told apart at the 5 % level.
    """

    accuracy: float
    p_value: float


def classifier_test(
    x: ArrayLike,
    y: ArrayLike,
    *,
    train: tuple[ArrayLike, ArrayLike] | None = None,
    permutations: int = 999,
    seed: int = 0,
) -> ClassifierTest:
    """Test whether two point clouds have one distribution, by k nearest neighbours.

    The score of a tested point is the share of x among its k nearest training points, each
    cloud weighted by its size. The statistic is the difference of the clouds' mean scores,
    which detects more than the accuracy does. k is the one of ``NEIGHBOURS`` that tells the
    training points apart best, each by the others: it does not depend on what is tested. So
    the relabellings of the tested points are exact for any sizes, ties and repeated points.

        samples, held_out = np.random.default_rng(0).normal(size=(2, 500, 2))
        accuracy, p_value = classifier_test(samples, held_out)

    Args:
      x: ``[N, F]``.
      y: ``[M, F]``.
      train: Further points of both, ``[K, F]`` and ``[L, F]``, to train on. Then all of x and
        y are tested; without them half of each is, and the other half is trained on. If a
        generator's own training points are here, a copy of one counts as real.
      permutations: Random relabellings to compare with.
      seed: Seed of the halves and the relabellings.

    Returns:
      Accuracy and p-value; NaN and 0 if a coordinate is not finite.

    Raises:
      ValueError: If a cloud has no point to train on or none to test.

    Source: Lopez-Paz and Oquab, arXiv 1610.06545, section 3; for mean scores in place of the
    accuracy Kuebler et al., arXiv 2206.08843.
    """
    rng = np.random.default_rng(seed)
    tested = [np.asarray(z, np.float64) for z in (x, y)]
    if train is None:
        shuffled = [rng.permutation(z) for z in tested]
        learned = [z[: len(z) // 2] for z in shuffled]
        tested = [z[len(z) // 2 :] for z in shuffled]
    else:
        learned = [np.asarray(z, np.float64) for z in train]
    if not all(map(len, [*learned, *tested])):
        raise ValueError("need points of both clouds to train on, and to test")
    if not all(np.isfinite(z).all() for z in [*learned, *tested]):
        return ClassifierTest(float("nan"), 0.0)
    scores = _scores(learned, np.concatenate(tested), rng)
    count = len(tested[0])
    right = np.mean(scores[:count] > 0.5), np.mean(scores[count:] <= 0.5)
    p_value = _p_value(scores, count, permutations, rng)
    return ClassifierTest(float(np.mean(right)), p_value)


def _scores(
    learned: list[np.ndarray], tested: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Compute the scores of the tested points: ``[N + M]``, from 0 to 1."""
    points = np.concatenate(learned)
    is_x = np.arange(len(points)) < len(learned[0])
    order = rng.permutation(len(points))  # of neighbours at one distance, any may be taken
    points, is_x = points[order], is_x[order]
    tree = scipy.spatial.KDTree(points)

    def scores(near: np.ndarray, k: int) -> np.ndarray:
        """Turn neighbours ``[P, K]``, nearest first, to scores ``[P]`` by k of them."""
        hits = is_x[near[:, :k]].sum(axis=1)
        x, y = hits / is_x.sum(), (k - hits) / (~is_x).sum()
        return x / (x + y)

    sizes = [k for k in NEIGHBOURS if k < len(points)] or [1]
    # A point is its own nearest neighbour, or one of its copies is.
    others = np.asarray(tree.query(points, max(sizes) + 1)[1])[:, 1:]

    def contrast(k: int) -> float:
        values = scores(others, k)
        return (values[is_x].mean() - values[~is_x].mean()) / (values.std() or 1.0)

    best = max(sizes, key=contrast)
    return scores(np.asarray(tree.query(tested, best + 1)[1]), best)


def _p_value(
    scores: np.ndarray, count: int, permutations: int, rng: np.random.Generator
) -> float:
    """Share of relabellings whose first ``count`` points have as high a sum of scores.

    The sum depends on how many of those points have each score, and scores take few values:
    that number is drawn instead of the labels, from the same distribution.
    """
    levels, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    observed = np.bincount(place[:count], minlength=len(levels)) @ levels
    drawn = rng.multivariate_hypergeometric(sizes, count, permutations, method="marginals")
    extreme = np.sum(drawn @ levels >= observed * (1 - _ROUNDING))
    return float((1 + extreme) / (1 + permutations))
