"""Point clouds in the plane, built-in or from files."""

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.data import _point_files, _point_tables
from jaxgan.data._point_files import MAX_BYTES
from jaxgan.errors import InputError

MIN_POINTS = 10
_KINDS = (".mat", ".npy", ".csv")
_SEED = 2019  # all runs use the same built-in clouds


class PointCloud(NamedTuple):
    """A data set of points.

    Attributes:
      points: ``[N, 2]`` float64, finite. Files with numbers of one or two bytes keep their
        type.
      modes: Centres of the known modes ``[M, 2]``, or ``None``.
      radius: Largest distance of a mode's points from its centre: one number, or one per
        mode ``[M]``.
      notes: Assumptions made when the file was read, one sentence each.
    """

    points: np.ndarray
    modes: np.ndarray | None = None
    radius: float | np.ndarray = 0.0
    notes: tuple[str, ...] = ()


class Units(NamedTuple):
    """Conversions between units of points: those of the data, of training and of metrics.

    Networks train on points with mean 0 and standard deviation 1 (or on the data as they
    are). Metrics use points relative to the centre and the size of the training cloud,
    because float32 is too coarse for a small cloud far from the origin.

    Attributes:
      mean: Origin of the training units, ``[1, 2]``, in units of the data.
      scale: One training unit, ``[1, 2]``, in units of the data.
      centre: Origin of the metrics' units, ``[1, 2]``, in units of the data.
      size: One unit of the metrics, ``[1, 1]``, in units of the data.
    """

    mean: np.ndarray
    scale: np.ndarray
    centre: np.ndarray
    size: np.ndarray

    def to_training(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` from units of the data to training units."""
        return (data - self.mean) / self.scale

    def to_data(self, training: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` from training units to units of the data."""
        return training * self.scale + self.mean

    def to_measure(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` from units of the data to units of the metrics."""
        return (data - self.centre) / self.size


def units_of(train: np.ndarray, *, standardize: bool = True) -> Units:
    """Compute the units of a training cloud ``[N, 2]``.

    Args:
      train: Training points.
      standardize: Whether to standardize the points for training.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.data import points
      >>> cloud = np.array([[0.0, 10.0], [4.0, 14.0]])
      >>> points.units_of(cloud).to_training(cloud).tolist()
      [[-1.0, -1.0], [1.0, 1.0]]
    """
    mean, scale = np.zeros((1, 2)), np.ones((1, 2))
    if standardize:
        mean, deviation = train.mean(0, keepdims=True), train.std(0, keepdims=True)
        scale = np.where(deviation > 0, deviation, 1.0)
    centre = train.mean(0, keepdims=True)
    size = np.sqrt(((train - centre) ** 2).sum(1).mean())
    return Units(mean, scale, centre, np.reshape(size, (1, 1)))


# The four strokes of an M, left to right: means of x and y, standard deviations of x and y,
# correlation. They are those of the data of the reports in ``experiments.claims``.
_STROKES = (
    (0.181, 0.501, 0.080, 0.070, 0.87),
    (0.500, 0.500, 0.081, 0.064, -0.95),
    (0.858, 0.459, 0.082, 0.058, 0.72),
    (1.101, 0.419, 0.062, 0.089, -0.84),
)


def _m(rng: np.random.Generator, count: int) -> PointCloud:
    means = np.array([s[:2] for s in _STROKES])
    covariances = np.array(
        [[[a * a, r * a * b], [r * a * b, b * b]] for _, _, a, b, r in _STROKES]
    )
    stroke = np.arange(count) % len(_STROKES)
    noise = rng.standard_normal((count, 2, 1))
    spread = np.linalg.cholesky(covariances)[stroke]
    return PointCloud(means[stroke] + (spread @ noise)[:, :, 0])


def _gaussians(rng, count, modes, deviation) -> PointCloud:
    mode = modes[np.arange(count) % len(modes)]
    points = mode + deviation * rng.standard_normal((count, 2))
    return PointCloud(points, modes, 3 * deviation)


def _ring(rng: np.random.Generator, count: int) -> PointCloud:
    angles = 2 * np.pi * np.arange(8) / 8
    modes = 2 * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    return _gaussians(rng, count, modes, 0.02)


def _square(side: np.ndarray) -> np.ndarray:
    """Return the points of a square grid, ``[M, 2]``."""
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


def _grid(rng: np.random.Generator, count: int) -> PointCloud:
    return _gaussians(rng, count, _square(np.arange(-4.0, 5.0, 2.0)), 0.05)


def _grid100(rng: np.random.Generator, count: int) -> PointCloud:
    return _gaussians(rng, count, _square(np.arange(-4.5, 5.0)), 0.03)


def _curve(rng, t, curve, marks, deviation) -> PointCloud:
    """Sample noisy points of a curve; its modes are evenly spaced marks along it."""
    points = curve(t) + deviation * rng.standard_normal((len(t), 2))
    modes = curve(marks)
    spacing = np.linalg.norm(np.diff(modes, axis=0), axis=1)
    # Between two curves there is one long gap, which the median ignores.
    return PointCloud(points, modes, float(np.median(spacing) / 2 + 3 * deviation))


def _swiss_roll(rng: np.random.Generator, count: int) -> PointCloud:
    def curve(t):  # t is the share of the arc length, which grows with the squared angle
        angle = 1.5 * np.pi * np.sqrt(1 + 8 * t)
        return np.stack([angle * np.cos(angle), angle * np.sin(angle)], axis=1) / 7

    return _curve(rng, rng.uniform(size=count), curve, np.linspace(0, 1, 24), 0.05)


def _moons(rng: np.random.Generator, count: int) -> PointCloud:
    def curve(t):  # the upper moon for t < 1, the lower one above
        angle, lower = np.pi * (t % 1), t >= 1
        x = np.where(lower, 1 - np.cos(angle), np.cos(angle))
        y = np.where(lower, 0.5 - np.sin(angle), np.sin(angle))
        return np.stack([x, y], axis=1)

    half = np.linspace(0, 1, 8, endpoint=False) + 1 / 16
    marks = np.concatenate([half, half + 1])
    return _curve(rng, rng.uniform(0, 2, size=count), curve, marks, 0.05)


POINT_CLOUDS: dict[str, Callable[[np.random.Generator, int], PointCloud]] = {
    "m": _m,
    "ring": _ring,
    "grid": _grid,
    "grid100": _grid100,
    "swiss_roll": _swiss_roll,
    "moons": _moons,
}


def sample(name: str, count: int = 8192, seed: int = _SEED) -> PointCloud:
    """Draw a built-in point cloud.

    Args:
      name: ``m`` (a letter M of four Gaussian strokes), ``ring`` (8 Gaussians), ``grid`` (25
        Gaussians), ``grid100`` (100 Gaussians), ``swiss_roll`` or ``moons``.
      count: N, the number of points.
      seed: Seed of the draw.

    Raises:
      InputError: If there is no such cloud.

    Examples:
      >>> from jaxgan.data import points
      >>> cloud = points.sample("ring", count=1000)
      >>> cloud.points.shape, cloud.modes.shape
      ((1000, 2), (8, 2))
    """
    if name not in POINT_CLOUDS:
        raise InputError(f"no point cloud {name!r}; choose from {', '.join(POINT_CLOUDS)}")
    return POINT_CLOUDS[name](np.random.default_rng(seed), count)


def load(
    source: str, key: str = "xx", columns: Sequence[str] = (), least: int = MIN_POINTS
) -> PointCloud:
    """Return a built-in point cloud (see ``sample``), or read points from a file.

    Args:
      source: A name in ``POINT_CLOUDS``, or the path of a ``.mat`` file (MATLAB, up to
        version 7.2), a ``.npy`` file, or a ``.csv`` file with one point per line, as
        spreadsheets, pandas, numpy and R write it.
      key: The variable of a ``.mat`` file.
      columns: Two columns of a ``.csv`` file: names in its header, or numbers from 0.
      least: Least number of points in a file.

    Raises:
      InputError: If there is no such cloud or file, or its content is not ``[N, 2]``
        finite real numbers.
    """
    if source in POINT_CLOUDS:
        return sample(source)
    path = Path(source)
    kind = path.suffix.lower()
    if kind not in _KINDS:
        raise InputError(
            f"data {source!r} is neither a built-in point cloud "
            f"({', '.join(POINT_CLOUDS)}) nor a {', '.join(_KINDS)} file"
        )
    if columns and (kind != ".csv" or len(columns) != 2):
        rule = "must be two" if kind == ".csv" else "are for .csv files only"
        raise InputError(f"--columns={','.join(columns)}: columns {rule}")
    notes: list[str] = []
    try:
        if not path.is_file():
            problem = "not a file" if path.exists() else "no such file"
            raise InputError(f"{problem}: {source}")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{source} is larger than the limit of {MAX_BYTES >> 20} MiB")
        if kind == ".mat":
            points = _point_files.read_mat(path, key)
        elif kind == ".npy":
            points = _point_files.read_npy(path)
        else:
            points, notes = _point_tables.read(path, columns)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    return PointCloud(_point_files.check(points, source, least), notes=tuple(notes))


def digest(points: np.ndarray) -> str:
    """Compute the sha256 of points ``[N, 2]`` as float64, without a copy of all points."""
    sha = hashlib.sha256()
    for start in range(0, len(points), 2**14):
        sha.update(points[start : start + 2**14].astype(np.float64).tobytes())
    return sha.hexdigest()


def split(points: np.ndarray, train_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle points and split them into ``train_size`` training points and test points.

    Returns:
      Training points and test points, float64.

    Examples:
      >>> import numpy as np
      >>> from jaxgan.data import points
      >>> train, test = points.split(np.zeros((10, 2)), train_size=8, seed=0)
      >>> train.shape, test.shape
      ((8, 2), (2, 2))
    """
    order = np.random.default_rng(seed).permutation(len(points))
    train, test = points[order[:train_size]], points[order[train_size:]]
    return train.astype(np.float64, copy=False), test.astype(np.float64, copy=False)
