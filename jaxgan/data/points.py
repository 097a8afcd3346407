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
_SEED = 2019  # so that all runs see the same built-in cloud


class PointCloud(NamedTuple):
    """A data set of points.

    Attributes:
      points: ``[N, 2]`` float64, finite; of a file that holds numbers of one or two bytes,
        those as they are.
      modes: Centres of the known modes ``[M, 2]``, or ``None``.
      radius: Distance from a mode within which a point belongs to it, or one for each mode
        ``[M]``.
      notes: What the reader of a file took for granted, a sentence each.
    """

    points: np.ndarray
    modes: np.ndarray | None = None
    radius: float | np.ndarray = 0.0
    notes: tuple[str, ...] = ()


class Units(NamedTuple):
    """Units of points: the data's own, those of training, those of measures.

    Training sees points of mean 0 and deviation 1 (or the data's own). Measures are in
    shares of the size of the training cloud, around its centre: float32 has no room for
    a small cloud far from the origin.

    Attributes:
      mean: Origin of the units of training, ``[1, 2]``, in the data's own units.
      scale: One unit of training, ``[1, 2]``.
      centre: Origin of the units of measures, ``[1, 2]``.
      size: One unit of measures, ``[1, 1]``.
    """

    mean: np.ndarray
    scale: np.ndarray
    centre: np.ndarray
    size: np.ndarray

    def to_training(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of the data to units of training."""
        return (data - self.mean) / self.scale

    def to_data(self, training: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of training to the data's own units."""
        return training * self.scale + self.mean

    def to_measure(self, data: Any) -> np.ndarray:
        """Convert points ``[..., N, 2]`` of the data to units of measures."""
        return (data - self.centre) / self.size


def units_of(train: np.ndarray, *, standardize: bool = True) -> Units:
    """Find the units of a training cloud ``[N, 2]``, which may also be trained on as it is."""
    mean, scale = np.zeros((1, 2)), np.ones((1, 2))
    if standardize:
        mean, deviation = train.mean(0, keepdims=True), train.std(0, keepdims=True)
        scale = np.where(deviation > 0, deviation, 1.0)
    centre = train.mean(0, keepdims=True)
    size = np.sqrt(((train - centre) ** 2).sum(1).mean())
    return Units(mean, scale, centre, np.reshape(size, (1, 1)))


# The four strokes of the reports' file, left to right: means of x and y, standard deviations
# of x and y, correlation. Each stroke is a Gaussian of 2048 points.
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
    """The crossings of a grid, ``[M, 2]``."""
    return np.stack(np.meshgrid(side, side), -1).reshape(-1, 2)


def _grid(rng: np.random.Generator, count: int) -> PointCloud:
    return _gaussians(rng, count, _square(np.arange(-4.0, 5.0, 2.0)), 0.05)


def _grid100(rng: np.random.Generator, count: int) -> PointCloud:
    return _gaussians(rng, count, _square(np.arange(-4.5, 5.0)), 0.03)


def _curve(rng, t, curve, marks, deviation) -> PointCloud:
    """Sample noisy points of a curve, whose modes are evenly spread marks along it."""
    points = curve(t) + deviation * rng.standard_normal((len(t), 2))
    modes = curve(marks)
    spacing = np.linalg.norm(np.diff(modes, axis=0), axis=1)
    # Two curves have one long gap between their marks, which the median ignores.
    return PointCloud(points, modes, float(np.median(spacing) / 2 + 3 * deviation))


def _swiss_roll(rng: np.random.Generator, count: int) -> PointCloud:
    def curve(t):  # t is the share of the length, which grows with the angle squared
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
      name: ``m`` (four Gaussian strokes with the spread and size of the reports' file),
        ``ring`` (8 Gaussians), ``grid`` (25 Gaussians), ``grid100`` (100 Gaussians),
        ``swiss_roll`` or ``moons``.
      count: Number of points N.
      seed: Seed of the draw.

    Raises:
      InputError: If there is no such cloud.
    """
    if name not in POINT_CLOUDS:
        raise InputError(f"no point cloud {name!r}; choose from {', '.join(POINT_CLOUDS)}")
    return POINT_CLOUDS[name](np.random.default_rng(seed), count)


def load(
    source: str, key: str = "xx", columns: Sequence[str] = (), least: int = MIN_POINTS
) -> PointCloud:
    """Return a built-in point cloud, or the points of a file.

    Args:
      source: A name in ``POINT_CLOUDS``, or the path of a ``.mat`` (MATLAB, up to
        version 7.2), ``.npy`` or ``.csv`` file (one point a line, as spreadsheets,
        pandas, numpy and R write them).
      key: The variable of a ``.mat`` file.
      columns: Two columns of a ``.csv`` file: names in its header, or numbers from 0.
      least: Points that a file must hold.

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
        allowed = "must be two" if kind == ".csv" else "are those of a .csv file"
        raise InputError(f"--columns={','.join(columns)}: columns {allowed}")
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
    """Compute the sha256 of points ``[N, 2]`` as float64, little by little."""
    sha = hashlib.sha256()
    for start in range(0, len(points), 2**14):
        sha.update(points[start : start + 2**14].astype(np.float64).tobytes())
    return sha.hexdigest()


def split(points: np.ndarray, train_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle by seed; the first ``train_size`` points train, the rest test: float64."""
    order = np.random.default_rng(seed).permutation(len(points))
    train, test = points[order[:train_size]], points[order[train_size:]]
    return train.astype(np.float64, copy=False), test.astype(np.float64, copy=False)
