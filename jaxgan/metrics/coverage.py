"""Modes captured, and the share of samples that belong to one."""

from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy.spatial import KDTree


class Coverage(NamedTuple):
    """Result of ``coverage``.

    Attributes:
      modes: Modes that at least one good sample belongs to.
      quality: Share of samples within the radius of a mode.
    """

    modes: int
    quality: float


def coverage(samples: ArrayLike, modes: ArrayLike, radius: float) -> Coverage:
    """Count the known modes that samples reach.

    Args:
      samples: ``[N, F]``; a sample that is not finite belongs to no mode.
      modes: Centres ``[M, F]``.
      radius: Distance within which a sample belongs to its nearest mode, in the units
        of the samples; three standard deviations of a Gaussian mode by custom.

    Source: Srivastava et al., VEEGAN, arXiv 1705.07761, section 4.1.
    """
    samples = np.asarray(samples)
    finite = samples[np.isfinite(samples).all(axis=1)]
    distances, nearest = KDTree(modes).query(finite)
    good = np.asarray(distances) <= radius
    modes_hit = np.unique(np.asarray(nearest)[good])
    return Coverage(len(modes_hit), float(good.sum() / len(samples)))
