"""Distances by kernels: the energy test, and the discrepancy behind KID."""

from typing import NamedTuple

import numpy as np
import scipy
from numpy.typing import ArrayLike

from jaxgan.metrics.frechet import feature_pair


class EnergyTest(NamedTuple):
    """Result of ``energy_test``.

    Attributes:
      distance: ``2 E|X-Y| - E|X-X'| - E|Y-Y'|``, zero only for equal distributions.
      p_value: Share of relabellings with at least this distance. Below 0.05 the two
        clouds can be told apart at the 5 % level.
    """

    distance: float
    p_value: float


def energy_test(
    x: ArrayLike, y: ArrayLike, *, permutations: int = 999, seed: int = 0
) -> EnergyTest:
    """Test whether two point clouds have one distribution.

    Args:
      x: ``[N, F]``.
      y: ``[M, F]``.
      permutations: Random relabellings to compare with.
      seed: Seed of the relabellings.

    Returns:
      The energy distance, in the units of the points, and its p-value; infinity and 0
      if a coordinate is not finite.

    Source: Szekely and Rizzo, Energy statistics, 2013, equation 6.1 and section 7.
    """
    x, y = np.asarray(x, np.float64), np.asarray(y, np.float64)
    points = np.concatenate([x, y])
    if not np.isfinite(points).all():
        return EnergyTest(float("inf"), 0.0)
    distances = scipy.spatial.distance.cdist(points, points).astype(np.float32)
    labels = np.concatenate([np.full(len(x), 1 / len(x)), np.full(len(y), -1 / len(y))]).astype(
        np.float32
    )
    rng = np.random.default_rng(seed)
    relabelled = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    rows = np.concatenate([labels[None], relabelled])
    # With labels +1/N and -1/M the energy distance is the quadratic form -s' D s.
    energies = -np.einsum("pn,pn->p", rows @ distances, rows)
    # Rounding must not let an equal relabelling count as a smaller one.
    extreme = np.sum(energies[1:] >= energies[0] * (1 - 1e-6))
    return EnergyTest(float(energies[0]), float((1 + extreme) / (1 + permutations)))


class KernelDistance(NamedTuple):
    """Result of ``kernel_distance``.

    Attributes:
      mean: Mean of the estimates. Unbiased, so slightly negative for equal distributions.
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
    features are those of the Inception network, as in ``jaxgan.metrics.kid``.

    Args:
      real: Features ``[N, F]``.
      fake: Features ``[M, F]``.
      subsets: Random subsets, drawn from each set without replacement.
      subset_size: Rows of a subset; at most the rows of the smaller set are used.
      seed: Seed of the subsets.

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
