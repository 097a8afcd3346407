"""Kernel distance: the maximum mean discrepancy that KID is made of."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.frechet import feature_pair


class KernelDistance(NamedTuple):
    """Result of ``kernel_distance``.

    Attributes:
      mean: Of the estimates. Unbiased, so slightly negative for equal distributions.
      deviation: Standard deviation of the estimates over the subsets. It tells how one
        subset varies and is no error of the mean, as the subsets share rows.
    """

    mean: float
    deviation: float


def kernel_distance(
    real: ArrayLike,
    fake: ArrayLike,
    *,
    subsets: int = 100,
    subset_size: int = 1000,
    seed: int = 0,
) -> KernelDistance:
    """Squared maximum mean discrepancy under the cubic kernel ``(x.y / F + 1)^3``.

    The mean over random subsets of the unbiased estimate. It is a KID only if the
    features are those of the Inception network.

    Args:
      real: Features ``[N, F]``.
      fake: Features ``[M, F]``.
      subsets: Random subsets, drawn from each set without replacement.
      subset_size: Rows of a subset; at most the rows of the smaller set are used.
      seed: Of the subsets.

    Returns:
      Mean and deviation, without unit and not times 1,000. The deviation is 0 if every
      subset is all of both sets.

    Raises:
      ValueError: If the sets are not two finite ``[N, F]`` arrays of at least two rows,
        or there are no subsets of at least two rows.

    Source: Binkowski et al., arXiv 1801.01401, section 4.
    """
    x, y = feature_pair(real, fake)
    if subsets < 1 or subset_size < 2:
        raise ValueError(
            f"need one subset or more of two rows or more, not {subsets} of {subset_size}"
        )
    size = min(subset_size, len(x), len(y))
    rng = np.random.default_rng(seed)
    estimates = [
        _discrepancy(*(z[rng.choice(len(z), size, replace=False)] for z in (x, y)))
        for _ in range(subsets)
    ]
    return KernelDistance(float(np.mean(estimates)), float(np.std(estimates)))


def _discrepancy(x: np.ndarray, y: np.ndarray) -> float:
    """Unbiased estimate from two sets ``[N, F]``, that leaves out ``k(x, x)``."""
    n, features = x.shape
    within = sum(
        _kernel_sum(z @ z.T / features) - np.sum((np.sum(z * z, axis=1) / features + 1) ** 3)
        for z in (x, y)
    )
    across = _kernel_sum(x @ y.T / features)
    return within / (n * (n - 1)) - 2 * across / n**2


def _kernel_sum(products: np.ndarray) -> float:
    """Sum of ``(products + 1)^3``, without the slow power of arrays."""
    z = products + 1
    return float(np.vdot(z * z, z))
