"""Modes of a cloud that does not say its own: from a file, or clusters of its points."""

import numpy as np
import scipy

from jaxgan.data import points
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError
from jaxgan.metrics import clusters
from jaxgan.metrics.coverage import coverage

FEWEST = 2  # modes of a file
DEVIATIONS = 3.0  # from a mode within which a sample belongs to it
_MEDIAN = np.sqrt(2 * np.log(2))  # distance from a Gaussian's centre, in deviations


def add(cloud: PointCloud, source: str = "", key: str = "xx") -> PointCloud:
    """Give a cloud its modes, and a note that says where they come from.

    A mode's radius is three of its deviations, which the median distance of the points that
    are nearest to it tells.

    Args:
      cloud: Points, perhaps with modes.
      source: File of the centres, of a kind that ``points.load`` reads. Without one a cloud
        keeps its own modes; where it has none, they are the centres of clusters that empty
        or thin space separates, if there are several.
      key: The variable of a ``.mat`` file.

    Raises:
      InputError: If the file cannot be read, or no points are nearest to one of its centres.
    """
    if source:
        centres = _read(source, key)
        nearest = _nearest(cloud.points, centres)
        origin = f"the file's {len(centres)}"
    elif cloud.modes is None:
        marks = clusters.find(cloud.points)
        count, each = marks.shape[:2]
        if count == 1:
            return cloud
        nearest = _nearest(cloud.points, marks.reshape(-1, 2)) // each
        centres = np.stack([cloud.points[nearest == mode].mean(0) for mode in range(count)])
        origin = f"the centres of {count} clusters in the points"
    else:
        return cloud
    radius = np.zeros(len(centres))
    for mode, centre in enumerate(centres):
        distances = np.linalg.norm(cloud.points[nearest == mode] - centre, axis=1)
        if len(distances):
            radius[mode] = DEVIATIONS * np.median(distances) / _MEDIAN
        if source and not radius[mode]:
            points_of = "copies of it" if len(distances) else "none"
            raise InputError(
                f"--modes={source}: mode {mode} (counted from 0), at ({centre[0]:g}, "
                f"{centre[1]:g}), needs points around it, and there are {points_of}"
            )
    share = coverage(cloud.points, centres, radius).quality
    note = (
        f"modes: {origin}; a sample belongs to one within {DEVIATIONS:g} deviations, as "
        f"{share:.1%} of the points do"
    )
    return cloud._replace(modes=centres, radius=radius, notes=(*cloud.notes, note))


def _read(source: str, key: str) -> np.ndarray:
    if source in points.POINT_CLOUDS:
        raise InputError(f"--modes={source}: must be a file of the modes' centres")
    try:
        return points.load(source, key, least=FEWEST).points.astype(np.float64)
    except InputError as error:
        raise InputError(f"--modes: {error}") from error


def _nearest(cloud: np.ndarray, centres: np.ndarray) -> np.ndarray:
    return np.asarray(scipy.spatial.KDTree(centres).query(cloud)[1])
