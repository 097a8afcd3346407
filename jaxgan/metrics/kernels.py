"""Kernel distances: the energy test, and the maximum mean discrepancy behind KID."""

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
    """Test whether two point clouds come from the same distribution.

    Args:
      x: ``[N, F]``.
      y: ``[M, F]``.
      permutations: Number of random relabellings in the permutation test.
      seed: Seed of the relabellings.

    Returns:
      The energy distance, in the units of the points, and its p-value; infinity and 0 if a
      coordinate is not finite.

    Source: Szekely and Rizzo, Energy statistics, 2013, equation 6.1 and section 7.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.kernels import energy_test
      >>> x, y = np.random.default_rng(0).normal(size=(2, 100, 2))
      >>> energy_test(x, y).p_value > 0.05 > energy_test(x, y + 1.0).p_value
      True
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
    relabellings = rng.permuted(np.tile(labels, (permutations, 1)), axis=1)
    rows = np.concatenate([labels[None], relabellings])
    # With labels +1/N and -1/M the energy distance is the quadratic form -s' D s.
    energies = -np.einsum("pn,pn->p", rows @ distances, rows)
    # Relabellings with an equal distance must count in spite of rounding.
    extreme = np.sum(energies[1:] >= energies[0] * (1 - 1e-6))
    return EnergyTest(float(energies[0]), float((1 + extreme) / (1 + permutations)))


class KernelDistance(NamedTuple):
    """Result of ``kernel_distance``.

    Attributes:
      mean: Mean of the estimates. It is unbiased, so it may be slightly negative for equal
        distributions.
      deviation: Standard deviation of the estimates over the subsets. It is not the error of
        the mean, because subsets share rows.
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
    """Estimate the squared maximum mean discrepancy with the kernel ``(x.y / F + 1)^3``.

    The result is the mean of unbiased estimates from random subsets. It is the KID only with
    features of the Inception network, as in ``jaxgan.metrics.kid``, which has an example.

    Args:
      real: Features ``[N, F]``.
      fake: Features ``[M, F]``.
      subsets: Number of random subsets, each drawn without replacement.
      subset_size: Rows in a subset; at most the size of the smaller set.
      seed: Seed of the subsets.

    Returns:
      Mean and standard deviation, without unit, not multiplied by 1,000. The deviation is 0
      if every subset is the whole of both sets.

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
    """Compute the unbiased estimate, without the terms ``k(x, x)``, of sets ``[N, F]``."""
    n, features = x.shape
    within = sum(
        _kernel_sum(z @ z.T / features) - np.sum((np.sum(z * z, axis=1) / features + 1) ** 3)
        for z in (x, y)
    )
    across = _kernel_sum(x @ y.T / features)
    return within / (n * (n - 1)) - 2 * across / n**2


def _kernel_sum(products: np.ndarray) -> float:
    """Sum ``(products + 1)^3`` without numpy's slow power."""
    z = products + 1
    return float(np.vdot(z * z, z))
