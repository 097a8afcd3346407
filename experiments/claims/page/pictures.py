"""The pictures beside an entry, whichever laboratory draws them."""

import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.plots import raster
from jaxgan.runs.records import Cell, Records

COLOURS = 40  # of a picture
FILM_COLOURS, FILM_WIDTH, FILM_FRAMES = 16, 360, 8


class Picture(NamedTuple):
    """A picture of a page."""

    caption: str
    image: bytes  # PNG or GIF


Settings = Mapping[str, Mapping[str, Cell]]  # setting name to role to cell
Draw = Callable[[Settings, Records], list[Picture]]


def no_pictures(settings: Settings, records: Records) -> list[Picture]:
    """A ``Draw`` for an entry without pictures."""
    return []


def pictures(
    *drawings: tuple[str, str, Callable[[Path], None]], colours: int = COLOURS
) -> list[Picture]:
    """Pictures from (file name, caption, what writes the file), small enough for a page."""
    encoded = []
    with tempfile.TemporaryDirectory() as folder:
        for name, caption, write in drawings:
            path = Path(folder) / name
            write(path)
            if path.suffix == ".png":
                raster.reduce_colours(path, colours)
            encoded.append(Picture(caption, path.read_bytes()))
    return encoded


def film(
    path: Path,
    count: int,
    draw: Callable[[Path, int], None],
    colours: int = FILM_COLOURS,
) -> None:
    """Join some of ``count`` frames, drawn by their number, into a small GIF."""
    frames = []
    for number in np.unique(np.linspace(0, count - 1, FILM_FRAMES).astype(int)):
        frames.append(path.with_name(f"frame_{number:04d}.png"))
        draw(frames[-1], int(number))
    raster.gif(path, frames, colours=colours, width=FILM_WIDTH)


def middle(values: ArrayLike) -> int:
    """The seed with the median value, the smaller one of two."""
    return int(np.argsort(values, kind="stable")[(np.size(values) - 1) // 2])
