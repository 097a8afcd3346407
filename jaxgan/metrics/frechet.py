"""Frechet distance between Gaussians fitted to features."""

import numpy as np
from numpy.typing import ArrayLike


def frechet_distance(real: ArrayLike, fake: ArrayLike) -> float:
    """Squared 2-Wasserstein distance between the Gaussians fitted to two sets.

    ``|m - n|^2 + tr(C + D - 2 (C D)^(1/2))`` for means m, n and unbiased covariances
    C, D. It is a FID only if the features are those of the Inception network that the
    paper names; numbers from other features compare only with each other. Like the FID
    it is biased upwards by few samples: compare sets of one size.

    Computed in float64, in some 20 seconds at F = 2,048 on two cores. No [F, F] array
    is built if a set has at most F rows.

    Args:
      real: Features ``[N, F]``; N may be smaller than F.
      fake: Features ``[M, F]``.

    Returns:
      The distance, in the squared units of the features.

    Raises:
      ValueError: If the sets are not two finite ``[N, F]`` arrays of at least two rows.

    Source: Heusel et al., arXiv 1706.08500, equation 6.
    """
    x, y = feature_pair(real, fake)
    gap = x.mean(axis=0) - y.mean(axis=0)
    small, large = sorted((_centred(x), _centred(y)), key=len)
    # For C = R'R and D = Y'Y the eigenvalues of C D are, zeros apart, those of the
    # symmetric (RY')(RY')': real and not negative, as those of sqrtm(C D) need not be.
    cross = _root(small) @ large.T
    eigenvalues = np.linalg.eigvalsh(cross @ cross.T)
    root_trace = np.sqrt(eigenvalues.clip(min=0)).sum()
    return max(0.0, float(gap @ gap + np.sum(small**2) + np.sum(large**2) - 2 * root_trace))


def feature_pair(real: ArrayLike, fake: ArrayLike) -> tuple[np.ndarray, np.ndarray]:
    """Both sets of features in float64.

    Raises:
      ValueError: If they are not two finite ``[N, F]`` arrays of at least two rows.
    """
    pair = np.asarray(real, np.float64), np.asarray(fake, np.float64)
    for name, x in zip(("real", "fake"), pair, strict=True):
        if x.ndim != 2 or len(x) < 2 or not x.shape[1]:
            raise ValueError(f"{name} must be [N, F] with two rows or more, not {x.shape}")
        if not np.isfinite(x).all():
            raise ValueError(f"{name} must be finite")
    if pair[0].shape[1] != pair[1].shape[1]:
        features = " and ".join(str(x.shape[1]) for x in pair)
        raise ValueError(f"real and fake must have as many features, not {features}")
    return pair


def _centred(x: np.ndarray) -> np.ndarray:
    """``Y [N, F]`` whose ``Y'Y`` is the unbiased covariance of x."""
    return (x - x.mean(axis=0)) / np.sqrt(len(x) - 1)


def _root(y: np.ndarray) -> np.ndarray:
    """``R`` of at most F rows with ``R'R = Y'Y``."""
    if len(y) <= y.shape[1]:
        return y
    values, vectors = np.linalg.eigh(y.T @ y)
    return np.sqrt(values.clip(min=0))[:, None] * vectors.T
