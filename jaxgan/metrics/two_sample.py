"""A classifier two-sample test: can a classifier tell samples from real points?"""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

NEIGHBOURS = (5, 20, 80)  # values of k to choose from
_ROUNDING = 1e-9


class ClassifierTest(NamedTuple):
    """Result of ``classifier_test``.

    Attributes:
      accuracy: Balanced accuracy: the mean over both clouds of the share of test points
        classified correctly. It is about 0.5 for equal distributions of any sizes.
      p_value: Share of relabellings of the test points whose mean scores differ at least as
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
    """Test with a k-nearest-neighbour classifier if two clouds have the same distribution.

    The score of a test point is the share of x among its k nearest training points, with
    both clouds weighted by their size. The statistic is the difference of the clouds' mean
    scores, which has more power than the accuracy. k is the one of ``NEIGHBOURS`` that
    separates the training points best when each is classified by the others. Since k does
    not depend on the test points, the permutation test is exact for any sizes, ties and
    repeated points.

    Args:
      x: ``[N, F]``.
      y: ``[M, F]``.
      train: Further points of both clouds, ``[K, F]`` and ``[L, F]``, to train on; then all
        of x and y are test points. By default a random half of each cloud is for training
        and the other half for the test. If these points include a generator's training
        points, a copy of one counts as real.
      permutations: Number of random relabellings in the permutation test.
      seed: Seed of the halves and the relabellings.

    Returns:
      Accuracy and p-value; NaN and 0 if a coordinate is not finite.

    Raises:
      ValueError: If a cloud has no training point or no test point.

    Source: Lopez-Paz and Oquab, arXiv 1610.06545, section 3; mean scores in place of the
    accuracy: Kuebler et al., arXiv 2206.08843.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.two_sample import classifier_test
      >>> x, y = np.random.default_rng(0).normal(size=(2, 200, 2))
      >>> classifier_test(x, y).p_value > 0.05 > classifier_test(x, y + 1.0).p_value
      True
    """
    rng = np.random.default_rng(seed)
    testing = [np.asarray(z, np.float64) for z in (x, y)]
    if train is None:
        shuffled = [rng.permutation(z) for z in testing]
        training = [z[: len(z) // 2] for z in shuffled]
        testing = [z[len(z) // 2 :] for z in shuffled]
    else:
        training = [np.asarray(z, np.float64) for z in train]
    if not all(map(len, [*training, *testing])):
        raise ValueError("need points of both clouds to train on, and to test")
    if not all(np.isfinite(z).all() for z in [*training, *testing]):
        return ClassifierTest(float("nan"), 0.0)
    scores = _scores(training, np.concatenate(testing), rng)
    count = len(testing[0])
    right = np.mean(scores[:count] > 0.5), np.mean(scores[count:] <= 0.5)
    p_value = _p_value(scores, count, permutations, rng)
    return ClassifierTest(float(np.mean(right)), p_value)


def _scores(
    training: list[np.ndarray], testing: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    """Compute the scores of the test points: ``[N + M]``, from 0 to 1."""
    points = np.concatenate(training)
    is_x = np.arange(len(points)) < len(training[0])
    order = rng.permutation(len(points))  # breaks ties between neighbours at random
    points, is_x = points[order], is_x[order]
    tree = scipy.spatial.KDTree(points)

    def scores(near: np.ndarray, k: int) -> np.ndarray:
        """Compute scores ``[P]`` from the first k of neighbours ``[P, K]``, nearest first."""
        hits = is_x[near[:, :k]].sum(axis=1)
        x, y = hits / is_x.sum(), (k - hits) / (~is_x).sum()
        return x / (x + y)

    sizes = [k for k in NEIGHBOURS if k < len(points)] or [1]
    # The nearest neighbour of a point is the point or a copy of it.
    others = np.asarray(tree.query(points, max(sizes) + 1)[1])[:, 1:]

    def contrast(k: int) -> float:
        values = scores(others, k)
        return (values[is_x].mean() - values[~is_x].mean()) / (values.std() or 1.0)

    best = max(sizes, key=contrast)
    return scores(np.asarray(tree.query(testing, best + 1)[1]), best)


def _p_value(
    scores: np.ndarray, count: int, permutations: int, rng: np.random.Generator
) -> float:
    """Return the share of relabellings that give the first cloud as large a sum of scores.

    Scores take few values, so instead of labels it draws how many of the first ``count``
    points have each value; the distribution is the same.
    """
    levels, place, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    observed = np.bincount(place[:count], minlength=len(levels)) @ levels
    draws = rng.multivariate_hypergeometric(sizes, count, permutations, method="marginals")
    extreme = np.sum(draws @ levels >= observed * (1 - _ROUNDING))
    return float((1 + extreme) / (1 + permutations))
