"""Point clouds in the plane, built-in or from files."""

import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import scipy.io

from jaxgan.errors import InputError

MAX_BYTES = 64 * 2**20  # of a file, and of the content of a compressed .mat file
MIN_POINTS = 10
_SEED = 2019  # so that all runs see the same built-in cloud


class PointCloud(NamedTuple):
    """A data set of points.

    Attributes:
      points: ``[N, 2]`` float64, finite.
      modes: Centres of the known modes ``[M, 2]``, or ``None``.
      radius: Distance from a mode within which a point belongs to it.
    """

    points: np.ndarray
    modes: np.ndarray | None = None
    radius: float = 0.0


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


def _grid(rng: np.random.Generator, count: int) -> PointCloud:
    side = np.arange(-4.0, 5.0, 2.0)
    return _gaussians(rng, count, np.stack(np.meshgrid(side, side), -1).reshape(-1, 2), 0.05)


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
    "swiss_roll": _swiss_roll,
    "moons": _moons,
}


def sample(name: str, count: int = 8192, seed: int = _SEED) -> PointCloud:
    """Draw a built-in point cloud.

    Args:
      name: ``m`` (four Gaussian strokes with the spread and size of the reports' file),
        ``ring`` (8 Gaussians), ``grid`` (25 Gaussians), ``swiss_roll`` or ``moons``.
      count: Number of points N.
      seed: Seed of the draw.

    Raises:
      InputError: If there is no such cloud.
    """
    if name not in POINT_CLOUDS:
        raise InputError(f"no point cloud {name!r}; choose from {', '.join(POINT_CLOUDS)}")
    return POINT_CLOUDS[name](np.random.default_rng(seed), count)


def load(source: str, key: str = "xx") -> PointCloud:
    """Return a built-in point cloud, or the points of a file.

    Args:
      source: A name in ``POINT_CLOUDS``, or the path of a ``.mat`` (MATLAB, up to
        version 7.2), ``.npy`` or ``.csv`` file (comma-separated, one point a line, a
        header line allowed).
      key: The variable of a ``.mat`` file.

    Raises:
      InputError: If there is no such cloud or file, or its content is not ``[N, 2]``
        finite real numbers.
    """
    if source in POINT_CLOUDS:
        return sample(source)
    path = Path(source)
    reader = _READERS.get(path.suffix.lower())
    if reader is None:
        raise InputError(
            f"data {source!r} is neither a built-in point cloud "
            f"({', '.join(POINT_CLOUDS)}) nor a {', '.join(_READERS)} file"
        )
    try:
        if not path.is_file():
            problem = "not a file" if path.exists() else "no such file"
            raise InputError(f"{problem}: {source}")
        if path.stat().st_size > MAX_BYTES:
            raise InputError(f"{source} is larger than the limit of {MAX_BYTES >> 20} MiB")
        points = reader(path, key)
    except OSError as error:
        raise InputError(f"cannot read {source}: {error.strerror or error}") from error
    return PointCloud(_check(points, source))


def split(points: np.ndarray, train_size: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Shuffle by seed; the first ``train_size`` points train, the rest test."""
    order = np.random.default_rng(seed).permutation(len(points))
    return points[order[:train_size]], points[order[train_size:]]


def _check(points: np.ndarray, source: str) -> np.ndarray:
    if points.dtype.kind not in "fiu":
        raise InputError(f"{source} holds {points.dtype}, not real numbers")
    if points.ndim != 2 or points.shape[1] != 2:
        raise InputError(f"{source} has shape {list(points.shape)}; points are [N, 2]")
    if len(points) < MIN_POINTS:
        raise InputError(f"{source} has {len(points)} points; at least {MIN_POINTS} needed")
    with np.errstate(over="ignore"):
        points = points.astype(np.float64)
    bad = np.flatnonzero(~np.isfinite(points).all(axis=1))
    if len(bad):
        raise InputError(
            f"{source} has {len(bad)} points that are not finite, the first in row "
            f"{bad[0]} (counted from 0)"
        )
    if np.abs(points).max() > 1e30:
        raise InputError(f"{source} has coordinates beyond 1e30, the limit of float32")
    if (points == points[0]).all():
        raise InputError(f"{source} has only copies of one point")
    return points


def _read_mat(path: Path, key: str) -> np.ndarray:
    _check_parts(path)
    try:
        names = {name: kind for name, _, kind in scipy.io.whosmat(path)}
        if key not in names:
            have = ", ".join(sorted(names)) or "none"
            raise InputError(f"{path} has no variable {key!r}; it has: {have}")
        if names[key] in ("cell", "struct", "object", "opaque", "function", "sparse"):
            raise InputError(f"variable {key!r} of {path} is a {names[key]}, not an array")
        return np.asarray(scipy.io.loadmat(path, variable_names=[key])[key])
    except InputError:
        raise
    except NotImplementedError as error:
        raise InputError(
            f"{path} is a MATLAB 7.3 (HDF5) file; save it with -v7 or as .npy"
        ) from error
    except Exception as error:  # a damaged file raises nearly anything
        raise InputError(f"{path} is not a readable .mat file") from error


def _check_parts(path: Path) -> None:
    """Refuse a MATLAB 5 file that ends early, or inflates to more than ``MAX_BYTES``."""
    content = path.read_bytes()
    if 0 in content[:4]:  # MATLAB 4, which compresses nothing
        return
    matlab_5 = content[124:128] in (b"\0\1IM", b"\1\0MI")
    order = "little" if content[126:128] == b"IM" else "big"  # as in scipy
    total, start = 0, 128
    while start + 8 <= len(content):
        kind = int.from_bytes(content[start : start + 4], order)
        size = int.from_bytes(content[start + 4 : start + 8], order)
        if kind == size == 0:
            break
        if matlab_5 and start + 8 + size > len(content):
            raise InputError(f"{path} is truncated or damaged: it ends inside a variable")
        pending = content[start + 8 : start + 8 + size] if kind == 15 else b""
        inflater = zlib.decompressobj() if pending else None
        while inflater and pending and not inflater.eof:
            try:
                total += len(inflater.decompress(pending, 2**20))
            except zlib.error as error:
                raise InputError(f"{path} is not a readable .mat file") from error
            if total > MAX_BYTES:
                raise InputError(
                    f"{path} inflates to more than the limit of {MAX_BYTES >> 20} MiB"
                )
            pending = inflater.unconsumed_tail
        start += 8 + size


def _read_npy(path: Path, key: str) -> np.ndarray:
    try:
        # Mapped, so that a header that lies about the size allocates nothing.
        return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))
    except Exception as error:
        raise InputError(f"{path} is not a readable .npy file of numbers") from error


def _read_csv(path: Path, key: str) -> np.ndarray:
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except UnicodeDecodeError as error:
        raise InputError(f"{path} is not a text file") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        fields = [_number(field) for field in line.split(",")]
        if number == 1 and not any(isinstance(field, float) for field in fields):
            continue  # a header
        if None in fields:
            raise InputError(f"{path}, line {number}: {line[:40]!r} is not all numbers")
        rows.append(fields)
    if len({len(row) for row in rows}) > 1:
        raise InputError(f"{path} has lines of different lengths")
    return np.array(rows, dtype=np.float64)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


_READERS = {".mat": _read_mat, ".npy": _read_npy, ".csv": _read_csv}
