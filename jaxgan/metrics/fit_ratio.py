"""The fit ratio: distance of samples to held-out points, relative to training points."""

import functools
import math
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics import transport
from jaxgan.runtime import cores

DRAWS = 10  # clouds in a mean distance: one of a thousand points is off by a fifth


def fit_ratio(
    clouds: ArrayLike, train: ArrayLike, reference: ArrayLike, seed: int = 0
) -> float:
    """Measure how well samples fit the data: 1 is perfect, larger is worse.

    The ratio is the exact 1-Wasserstein distance of N samples to N held-out points, divided
    by the distance of N training points to the same held-out points. Both distances are
    means over ``DRAWS`` draws.

    Args:
      clouds: Samples of a generator, ``[DRAWS, N, 2]``.
      train: Training points ``[M, 2]``, M at least N.
      reference: Held-out points ``[N, 2]``.
      seed: Seed of the draws of training points.

    Returns:
      The ratio; infinite if the training points equal the held-out ones.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.fit_ratio import DRAWS, fit_ratio
      >>> rng = np.random.default_rng(0)
      >>> train, held_out = rng.normal(size=(400, 2)), rng.normal(size=(100, 2))
      >>> samples = rng.normal(2.0, size=(DRAWS, 100, 2))  # off by 2 in both coordinates
      >>> round(fit_ratio(samples, train, held_out))
      7
    """
    least = floor(train, reference, seed)
    return mean_distance(clouds, reference) / least if least else math.inf


def mean_distance(clouds: ArrayLike, reference: ArrayLike) -> float:
    """Compute the mean exact distance of clouds ``[DRAWS, N, 2]`` to points ``[N, 2]``.

    The clouds run in parallel threads: scipy's solver releases Python's global lock.
    """
    with ThreadPoolExecutor(cores()) as pool:
        distances = pool.map(
            lambda x: transport.wasserstein(x, reference), np.asarray(clouds, float)
        )
    return float(np.mean([*distances]))


def floor(train: ArrayLike, reference: ArrayLike, seed: int) -> float:
    """Compute the mean exact distance of training points to the held-out points; cached."""
    clouds = (np.ascontiguousarray(x, np.float64) for x in (train, reference))
    return _floor(*(x.tobytes() for x in clouds), seed)


@functools.lru_cache(maxsize=256)
def _floor(train: bytes, reference: bytes, seed: int) -> float:
    """Compute ``floor`` from the bytes of two float64 arrays."""
    points, held_out = (np.frombuffer(x).reshape(-1, 2) for x in (train, reference))
    return mean_distance(np.stack([*floor_samples(points, len(held_out), seed)]), held_out)


def floor_samples(train: np.ndarray, count: int, seed: int) -> Iterator[np.ndarray]:
    """Draw ``DRAWS`` samples of the training points, as a perfect generator would."""
    rng = np.random.default_rng([seed, 1])
    for _ in range(DRAWS):
        yield train[rng.choice(len(train), count, replace=False)]
