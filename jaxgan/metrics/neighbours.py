"""Metrics by nearest neighbours.

``precision_recall`` measures fidelity and variety separately. ``nearest`` and ``nearness``
show whether a generator repeats its training examples.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.metrics.frechet import feature_pair
from jaxgan.metrics.intervals import Interval, percentile

CLOSE = 0.05  # a distance is close if at most this share of held-out rows is as near
_ROWS = 500
_NUMBERS = 2**24  # numbers to convert or compare at once
_SPARE = 8  # number of rows beyond the k-th whose distances are computed exactly


class PRDC(NamedTuple):
    """Result of ``precision_recall``.

    Attributes:
      precision: Share of fake rows inside the real manifold.
      recall: Share of real rows inside the fake manifold.
      density: Mean number of real balls around a fake row, divided by k. It is about 1 for
        equal distributions and may exceed 1.
      coverage: Share of real balls that contain a fake row.
    """

    precision: float
    recall: float
    density: float
    coverage: float


def precision_recall(real: ArrayLike, fake: ArrayLike, k: int = 5) -> PRDC:
    """Measure fidelity (precision, density) and variety (recall, coverage) of fake rows.

    The manifold of a set is the union of open balls, one around each row, whose radius is
    the distance to the k-th nearest other row. Distances below a millionth of the real
    set's radius count as zero. ``jaxgan.metrics.prdc`` has an example.

    Time grows with ``(N + M)^2 F``: 1.6 s at 5,000 x 5,000 x 128 on two cores. No [N, M]
    array is built; memory is about 14 kB per row of the larger set (150 MB at 10,000).

    Args:
      real: Features ``[N, F]``.
      fake: Features ``[M, F]``.
      k: Number of the neighbour whose distance is the radius.

    Raises:
      ValueError: If the sets are not two finite ``[N, F]`` arrays of at least two rows,
        or unless both have more than k rows.

    Source: Kynkaanniemi et al., arXiv 1904.06991, section 2 (precision, recall); Naeem
    et al., arXiv 2002.09797, section 3 (density, coverage).
    """
    x, y = feature_pair(real, fake)
    if not 1 <= k < min(len(x), len(y)):
        raise ValueError(f"k must be at least 1 and below {min(len(x), len(y))} rows, not {k}")
    # The metrics do not depend on origin and scale; these make rounding errors small.
    origin = x.mean(axis=0)
    scale = np.linalg.norm(x - origin, axis=1).max() or 1.0
    x, y = (np.asarray((z - origin) / scale) for z in (x, y))
    x_radii, y_radii = _radii(x, k), _radii(y, k)
    balls, full_balls, real_inside = np.zeros(len(y), int), 0, 0
    for rows, squared in _squared_distances(x, y):
        inside = squared < x_radii[rows, None]
        balls += inside.sum(axis=0)
        full_balls += inside.any(axis=1).sum()
        real_inside += (squared < y_radii).any(axis=1).sum()
    return PRDC(
        precision=float(np.mean(balls > 0)),
        recall=float(real_inside / len(x)),
        density=float(balls.mean() / k),
        coverage=float(full_balls / len(x)),
    )


class Nearest(NamedTuple):
    """Result of ``nearest``.

    Attributes:
      distances: ``[M, k]`` float64, ascending.
      rows: ``[M, k]``: indices of the rows at these distances.
    """

    distances: np.ndarray
    rows: np.ndarray


def nearest(
    x: Any,
    y: Any,
    k: int = 1,
    *,
    features: Callable[[np.ndarray], Any] = lambda rows: rows,
    itself: ArrayLike | None = None,
    tell: Callable[[int, int], None] = lambda done, total: None,
) -> Nearest:
    """Find the k rows of x nearest to each row of y, by Euclidean distance.

    x may be a memory-mapped array: it is read in parts, so memory grows with y only. Time
    grows with ``N M F``.

    Args:
      x: ``[N, ...]`` numbers, for example uint8 images.
      y: ``[M, ...]``.
      k: Number of neighbours, at most N, or N - 1 with ``itself``.
      features: Turns rows ``[n, ...]`` into the rows ``[n, ...]`` to compare.
      itself: ``[M]``: index of the row of x that equals a row of y and does not count as its
        neighbour; -1 for none.
      tell: Called with the number of rows of x that are done, and the number of all.

    Returns:
      Distances and rows. The distances are exact in float64. Among more than eight rows
      whose distances agree within a millionth of the largest norm, the choice is arbitrary.

    Raises:
      ValueError: If the shapes do not match, or k is out of range.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.neighbours import nearest
      >>> neighbours = nearest(np.array([[0.0], [5.0], [9.0]]), np.array([[6.0]]), k=2)
      >>> neighbours.rows.tolist(), neighbours.distances.tolist()
      ([[1, 2]], [[1.0, 3.0]])
    """
    own = np.full(len(y), -1) if itself is None else np.asarray(itself)
    most = len(x) - (itself is not None)
    if x.shape[1:] != y.shape[1:] or not 1 <= k <= most or not len(y):
        raise ValueError(
            f"k={k} nearest of {list(x.shape)} to {list(y.shape)}: sets must be of one shape, "
            f"and k from 1 to {most}"
        )
    flat = _flat(features(y))
    # Rounding errors grow with norms, which are smallest around the centre.
    centre = flat.mean(axis=0)
    flat -= centre
    distances, rows = np.full((len(y), 0), np.inf), np.zeros((len(y), 0), int)
    step = max(1, _NUMBERS // max(x[0].size, len(y)))
    for start in range(0, len(x), step):
        part = _flat(features(x[start : start + step])) - centre
        squared = np.sum(part * part, axis=1) - 2 * flat @ part.T
        inside = (own >= start) & (own < start + len(part))
        squared[inside, own[inside] - start] = np.inf
        width = min(len(part), k + _SPARE)
        candidates = np.argpartition(squared, width - 1, axis=1)[:, :width]
        exact = np.empty(candidates.shape)
        for i, some in enumerate(candidates):  # the squared distances have lost digits
            exact[i] = np.linalg.norm((part[some] - flat[i]).astype(np.float64), axis=1)
        exact[np.isinf(np.take_along_axis(squared, candidates, axis=1))] = np.inf
        distances = np.concatenate([distances, exact], axis=1)
        rows = np.concatenate([rows, start + candidates], axis=1)
        order = np.argsort(distances, axis=1, kind="stable")[:, :k]
        distances, rows = (np.take_along_axis(z, order, axis=1) for z in (distances, rows))
        tell(min(start + step, len(x)), len(x))
    return Nearest(distances, rows)


class Nearness(NamedTuple):
    """Result of ``nearness``: two shares, each with its 95 % interval.

    Attributes:
      nearer: Share of pairs of a sample and a held-out row in which the sample is nearer to
        the training set; ties count half. It is 0.5 if samples are distributed as the data.
      close: Share of samples that are as near as the nearest 5 % of held-out rows; ties
        count in part. It is 0.05 if samples are distributed as the data.
    """

    nearer: Interval
    close: Interval


def nearness(
    samples: ArrayLike, held_out: ArrayLike, *, resamples: int = 2000, seed: int = 0
) -> Nearness:
    """Test whether samples are nearer to the training set than held-out rows are.

    If they are, the generator repeats its training examples.

    Args:
      samples: ``[N]``, distance of each sample to its nearest training row.
      held_out: ``[M]``, distance of each held-out row to its nearest training row.
      resamples: Number of bootstrap resamples; in each, the share of close samples is drawn
        from Jeffreys' posterior.
      seed: Seed of the resamples.

    Source: Meehan, Chaudhuri and Dasgupta, arXiv 2004.05675 (the share of pairs, which is
    the statistic of the Mann-Whitney test).

    Examples:
      >>> import numpy as np
      >>> from jaxgan.metrics.neighbours import nearness
      >>> held_out = np.linspace(1, 2, 100)
      >>> nearness(held_out / 10, held_out).nearer.mean
      1.0
    """
    x, y = np.asarray(samples, float), np.asarray(held_out, float)
    rng = np.random.default_rng(seed)
    draws = np.empty((resamples, 2))
    for draw in draws:
        few, others = (z[rng.integers(0, len(z), len(z))] for z in (x, y))
        # If no sample is close, no resample has a close one either; the posterior may.
        close = _close(x, others)
        draw[:] = _nearer(few, others), rng.beta(close + 0.5, len(x) - close + 0.5)
    estimates = _nearer(x, y), _close(x, y) / len(x)
    return Nearness(*(percentile(e, d) for e, d in zip(estimates, draws.T, strict=True)))


def _nearer(x: np.ndarray, y: np.ndarray) -> float:
    y = np.sort(y)
    below, up_to = (np.searchsorted(y, x, side=side) for side in ("left", "right"))
    return float(1 - np.mean(below + up_to) / (2 * len(y)))


def _close(x: np.ndarray, y: np.ndarray) -> float:
    """Count the close samples; ties at the quantile count so that 5 % of y are close."""
    target = CLOSE * len(y)
    limit = np.sort(y)[math.ceil(target) - 1]
    share = (target - np.sum(y < limit)) / np.sum(y == limit)
    return float(np.sum(x < limit) + share * np.sum(x == limit))


def _flat(rows: Any) -> np.ndarray:
    return np.array(rows, np.float32).reshape(len(rows), -1)


def _radii(x: np.ndarray, k: int) -> np.ndarray:
    """Return the squared distance of each row to its k-th nearest other row: ``[N]``."""
    radii = np.empty(len(x), np.float32)
    for rows, squared in _squared_distances(x, x):
        squared[np.arange(len(squared)), np.arange(len(x))[rows]] = np.inf
        radii[rows] = np.partition(squared, k - 1, axis=1)[:, k - 1]
    return radii


def _squared_distances(x: np.ndarray, y: np.ndarray) -> Iterator[tuple[slice, np.ndarray]]:
    """Yield slices of the rows of x with their squared distances to y, ``[rows, M]``.

    The result is float32 so that rounding in float64 does not break ties.
    """
    norms = np.sum(y * y, axis=1)
    for start in range(0, len(x), _ROWS):
        rows = slice(start, start + _ROWS)
        squared = np.sum(x[rows] ** 2, axis=1)[:, None] + norms
        squared -= 2 * x[rows] @ y.T
        squared[squared < 1e-12] = 0
        yield rows, squared.astype(np.float32)
