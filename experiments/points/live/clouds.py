"""Clouds that the page sends: pen strokes and files."""

import os
import re
import tempfile
from collections.abc import Sequence
from typing import Any

import numpy as np

from jaxgan.data import points
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError
from jaxgan.plots.figures import Extent, extent_of

SHEET = Extent(0.0, 1.5, 0.0, 1.0)  # the sheet that clouds are drawn on
ASPECT = 1.5  # width / height of the picture
COUNT = 8192  # points of a drawn cloud, as in built-in ones
PEN = 0.012  # standard deviation of points from the stroke
MOST = 20_000  # most positions in a drawing
DRAWN, FILE = "drawn", "file"  # clouds without a name on the command line


def draw(strokes: Any) -> PointCloud:
    """Convert pen strokes to points that are spread evenly along them.

    Args:
      strokes: A list of strokes, each a list of positions ``[x, y]`` on the sheet. A stroke
        with a single position is a dot.

    Raises:
      InputError: If the drawing is empty or malformed.
    """
    try:
        lines = [np.array(stroke, float).reshape(-1, 2) for stroke in strokes]
    except (TypeError, ValueError, OverflowError) as error:
        raise InputError("a drawing is a list of strokes, each a list of [x, y]") from error
    lines = [line for line in lines if len(line)]
    places = sum(map(len, lines))
    if not places:
        raise InputError("nothing is drawn; draw with the mouse, a pen or a finger")
    if places > MOST:
        raise InputError(f"a drawing of {places} places; up to {MOST} are allowed")
    every = np.concatenate(lines)
    if not (np.isfinite(every).all() and (every >= 0).all() and (every <= ASPECT).all()):
        raise InputError(f"places of a drawing must be numbers from 0 to {ASPECT:g}")
    starts = np.concatenate([line[:-1] if len(line) > 1 else line for line in lines])
    ends = np.concatenate([line[1:] if len(line) > 1 else line for line in lines])
    lengths = np.linalg.norm(ends - starts, axis=1)
    lengths[lengths == 0] = PEN  # a dot
    rng = np.random.default_rng(0)
    # One point for each of COUNT equal parts of the total length.
    along = (np.arange(COUNT) + rng.uniform(size=COUNT)) / COUNT * lengths.sum()
    upto = np.cumsum(lengths)
    part = np.searchsorted(upto[:-1], along, side="right")
    share = ((along - upto[part]) / lengths[part] + 1)[:, None]
    cloud = starts[part] + share * (ends[part] - starts[part])
    cloud += PEN * rng.standard_normal(cloud.shape)
    return PointCloud(cloud)


def read(name: str, content: bytes, key: str, columns: Sequence[str] = ()) -> PointCloud:
    """Read points from the content of a file, whose name tells the format.

    Raises:
      InputError: As for ``points.load``.
    """
    plain = re.sub(r"[^\w.-]", "_", os.path.basename(name))[-80:]
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, plain)
        with open(path, "wb") as file:
            file.write(content)
        try:
            return points.load(path, key, columns if plain.lower().endswith(".csv") else ())
        except InputError as error:
            raise InputError(str(error).replace(f"{folder}{os.sep}", "")) from error


def extent(cloud: PointCloud, by_hand: bool) -> Extent:
    """Return the visible part of the plane, with the picture's aspect ratio."""
    if by_hand:
        return SHEET
    left, right, bottom, top = extent_of(cloud.points)
    width, height = right - left, top - bottom
    wider = max(0.0, ASPECT * height - width) / 2
    higher = max(0.0, width / ASPECT - height) / 2
    return Extent(left - wider, right + wider, bottom - higher, top + higher)
