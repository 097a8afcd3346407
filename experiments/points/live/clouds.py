"""Clouds that come from the page: strokes of a pen, and files."""

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

SHEET = Extent(0.0, 1.5, 0.0, 1.0)  # on which clouds are drawn
ASPECT = 1.5  # of the picture
COUNT = 8192  # points of a drawn cloud, as of the built-in ones
PEN = 0.012  # deviation of points from the stroke
MOST = 20_000  # places of a drawing
DRAWN, FILE = "drawn", "file"  # clouds that no name of the command line stands for


def draw(strokes: Any) -> PointCloud:
    """Turn strokes into points, evenly spread along them, with the width of a pen.

    Args:
      strokes: A list of strokes, each a list of places ``[x, y]`` on the sheet; a stroke of
        one place is a dot.

    Raises:
      InputError: If it holds something else, or nothing.
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
    # Evenly: one point for each of COUNT equal parts of the length.
    along = (np.arange(COUNT) + rng.uniform(size=COUNT)) / COUNT * lengths.sum()
    upto = np.cumsum(lengths)
    part = np.searchsorted(upto[:-1], along, side="right")
    share = ((along - upto[part]) / lengths[part] + 1)[:, None]
    cloud = starts[part] + share * (ends[part] - starts[part])
    cloud += PEN * rng.standard_normal(cloud.shape)
    return PointCloud(cloud)


def read(name: str, content: bytes, key: str, columns: Sequence[str] = ()) -> PointCloud:
    """Read the content of a file of points, whose name says of which kind it is.

    Raises:
      InputError: As ``points.load`` does.
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


def extent(cloud: PointCloud, drawn: bool) -> Extent:
    """What is shown of the plane, in the shape of the picture: circles are round."""
    if drawn:
        return SHEET
    left, right, bottom, top = extent_of(cloud.points)
    width, height = right - left, top - bottom
    wider = max(0.0, ASPECT * height - width) / 2
    higher = max(0.0, width / ASPECT - height) / 2
    return Extent(left - wider, right + wider, bottom - higher, top + higher)
