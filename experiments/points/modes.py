"""Find the modes of a cloud without known modes: from a file, or by clustering."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import scipy

from jaxgan.data import points
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError
from jaxgan.metrics import clusters
from jaxgan.metrics.coverage import coverage

FEWEST = 2  # fewest modes in a file
DEVIATIONS = 3.0  # distance from a mode within which a sample belongs to it
_MEDIAN = np.sqrt(2 * np.log(2))  # median distance from a Gaussian's centre, in deviations


def add(
    cloud: PointCloud, source: str = "", key: str = "xx", columns: Sequence[str] = ()
) -> PointCloud:
    """Add modes to a cloud, with notes about their origin.

    The radius of a mode is three standard deviations, estimated from the median distance of
    its nearest points.

    Args:
      cloud: Points, perhaps with modes.
      source: File of the centres, in a format of ``points.load``. Without it, a cloud keeps
        its own modes. If it has none, they are the centres of clusters that are separated by
        empty or sparse space, if there are several.
      key: Variable of a ``.mat`` file.
      columns: Two columns of a ``.csv`` file, as in ``points.load``.

    Raises:
      InputError: If the file cannot be read, or no points are nearest to one of its centres.
    """
    notes = cloud.notes
    if source:
        file = _read(source, key, columns)
        centres, notes = file.points.astype(np.float64), (*notes, *file.notes)
        nearest = _nearest(cloud.points, centres)
        origin = f"{len(centres)} from {source}"
    elif cloud.modes is None:
        marks = clusters.find(cloud.points)
        count, each = marks.shape[:2]
        if count == 1:
            return cloud
        nearest = _nearest(cloud.points, marks.reshape(-1, 2)) // each
        centres = np.stack([cloud.points[nearest == mode].mean(0) for mode in range(count)])
        origin = f"{count}, the centres of clusters in the points"
    else:
        return cloud
    radius = np.zeros(len(centres))
    for mode, centre in enumerate(centres):
        distances = np.linalg.norm(cloud.points[nearest == mode] - centre, axis=1)
        if len(distances):
            radius[mode] = DEVIATIONS * np.median(distances) / _MEDIAN
        if source and not radius[mode]:
            problem = "all points nearest to it are copies of it"
            raise InputError(
                f"--modes={source}: mode {mode} (counted from 0), at ({centre[0]:g}, "
                f"{centre[1]:g}): {problem if len(distances) else 'no point is nearest to it'}"
            )
    share = coverage(cloud.points, centres, radius).quality
    note = (
        f"modes: {origin}; {share:.1%} of the points are within {DEVIATIONS:g} deviations of "
        "one of them"
    )
    return cloud._replace(modes=centres, radius=radius, notes=(*notes, note))


def _read(source: str, key: str, columns: Sequence[str]) -> PointCloud:
    if source in points.POINT_CLOUDS:
        raise InputError(f"--modes={source}: must be a file of the modes' centres")
    own_columns = columns if Path(source).suffix.lower() == ".csv" else ()
    try:
        return points.load(source, key, own_columns, least=FEWEST)
    except InputError as error:
        raise InputError(f"--modes: {error}") from error


def _nearest(cloud: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.spatial.KDTree(centres).query(cloud)[1])
