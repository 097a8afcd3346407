"""The pictures beside a claim, whichever laboratory draws them."""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from experiments.claims.cells import Cell, Records
from jaxgan.plots import raster

COLOURS = 40  # of a picture
FILM_COLOURS, FILM_WIDTH, FILM_FRAMES = 16, 360, 8


class Picture(NamedTuple):
    """A picture of a page.

    Attributes:
      caption: What it shows.
      image: An encoded PNG or GIF.
    """

    caption: str
    image: bytes


# (setting name to role to cell, records) -> pictures
Draw = Callable[[Mapping[str, Mapping[str, Cell]], Records], list[Picture]]


def no_pictures(settings: Mapping[str, Mapping[str, Cell]], records: Records) -> list[Picture]:
    """What an entry without pictures has for ``Draw``."""
    return []


def pictures(
    *drawn: tuple[str, str, Callable[[Path], None]], colours: int = COLOURS
) -> list[Picture]:
    """Pictures from (file name, caption, what writes the file), small enough for a page."""
    made = []
    with tempfile.TemporaryDirectory() as folder:
        for name, caption, write in drawn:
            path = Path(folder) / name
            write(path)
            if path.suffix == ".png":
                raster.reduce_colours(path, colours)
            made.append(Picture(caption, path.read_bytes()))
    return made


def film(path: Path, frames: Sequence[Path], colours: int = FILM_COLOURS) -> None:
    """Join frames into a GIF, small enough for a page."""
    raster.gif(path, frames, colours=colours, width=FILM_WIDTH)
