"""Grids, rows and panels of images, and GIFs, with Pillow."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike
from PIL import Image

from jaxgan.plots import fonts
from jaxgan.runtime import replacing

_PAPER, _GAP = "#ffffff", 8


def image_grid(
    path: Path,
    images: ArrayLike,
    title: str = "",
    *,
    columns: int | None = None,
    scale: int = 2,
) -> None:
    """Draw a grid of images without gaps, and without smoothing.

    Args:
      path: PNG to write.
      images: ``[N, H, W, C]`` uint8, C 1 or 3.
      title: Line above the images.
      columns: Images per row; by default about the square root of N.
      scale: Screen pixels per image pixel along each axis.

    Examples:
      >>> import numpy as np, pathlib, tempfile
      >>> from jaxgan.plots.raster import image_grid
      >>> with tempfile.TemporaryDirectory() as folder:
      ...     path = pathlib.Path(folder, "grid.png")
      ...     image_grid(path, np.zeros((12, 8, 8, 3), np.uint8), "twelve images", columns=4)
      ...     path.exists()
      True
    """
    _paste(_tiles(np.asarray(images), columns, scale), title, path)


def image_rows(
    path: Path, rows: Mapping[str, ArrayLike], title: str = "", *, scale: int = 2
) -> None:
    """Draw rows of images, each with its name on the left.

    ``image_grid`` has a similar example.

    Args:
      path: PNG to write.
      rows: Images ``[N, H, W, C]`` uint8, by name.
      title: Line above the images.
      scale: Screen pixels per image pixel along each axis.
    """
    strips = {
        name: _tiles(np.asarray(images), len(np.asarray(images)), scale)
        for name, images in rows.items()
    }
    _paste(_label(strips), title, path)


def image_panels(
    path: Path,
    panels: Mapping[tuple[str, str], ArrayLike],
    title: str = "",
    *,
    columns: int = 4,
    scale: int = 2,
) -> None:
    """Draw grids of images side by side, as ``experiments/faces/compare.py`` does.

    Args:
      path: PNG to write.
      panels: Images ``[N, H, W, C]`` uint8, by (row name, column name).
      title: Line above the images.
      columns: Images per row of a panel.
      scale: Screen pixels per image pixel along each axis.
    """
    rows: dict[str, list[Image.Image]] = {}
    for (row, column), images in panels.items():
        tiles = _tiles(np.asarray(images), columns, scale)
        rows.setdefault(row, []).append(_head(column, tiles))
    strips = {row: _stack(cells, axis=1) for row, cells in rows.items()}
    _paste(_label(strips), title, path)


def _tiles(images: np.ndarray, columns: int | None, scale: int) -> Image.Image:
    count, height, width, channels = images.shape
    columns = columns or max(1, round(count**0.5))
    rows = -(-count // columns)
    blank = np.full((rows * columns - count, height, width, channels), 255, np.uint8)
    grid = np.concatenate([images, blank]).reshape(rows, columns, height, width, channels)
    sheet = grid.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    image = Image.fromarray(sheet.squeeze(2) if channels == 1 else sheet).convert("RGB")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _label(strips: Mapping[str, Image.Image]) -> Image.Image:
    """Stack images, each with its name on the left."""
    lines = [line for name in strips for line in name.split("\n")]
    width = max(round(fonts.width(line)) for line in lines)
    width = max(96, width + 10) if width else 0
    rows = []
    for name, image in strips.items():
        out = Image.new("RGB", (image.width + width, image.height), _PAPER)
        out.paste(image, (width, 0))
        fonts.draw(out, (4, image.height // 2), name)
        rows.append(out)
    return _stack(rows, axis=0)


def _head(name: str, image: Image.Image) -> Image.Image:
    out = Image.new("RGB", (image.width, image.height + 22), _PAPER)
    out.paste(image, (0, 22))
    fonts.draw(out, (image.width // 2, 11), name, middle=True)
    return out


def _stack(images: Sequence[Image.Image], axis: int) -> Image.Image:
    """Stack images vertically (axis 0) or horizontally (axis 1), with gaps."""
    sizes = [(image.width, image.height) for image in images]
    gaps = _GAP * (len(images) - 1)
    if axis == 0:
        size = max(w for w, _ in sizes), sum(h for _, h in sizes) + gaps
    else:
        size = sum(w for w, _ in sizes) + gaps, max(h for _, h in sizes)
    out, at = Image.new("RGB", size, _PAPER), 0
    for image in images:
        out.paste(image, (0, at) if axis == 0 else (at, 0))
        at += (image.height if axis == 0 else image.width) + _GAP
    return out


def _paste(image: Image.Image, title: str, path: Path) -> None:
    """Write an image with a margin and a title."""
    margin, top = 6, 28 if title else 6
    out = Image.new("RGB", (image.width + 2 * margin, image.height + top + margin), _PAPER)
    out.paste(image, (margin, top))
    if title:
        fonts.draw(out, (margin, 14), title, size=14)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        out.save(temporary, format="PNG")


def gif(
    path: Path,
    frames: Sequence[Path],
    seconds: float = 6.0,
    *,
    colours: int = 96,
    width: int | None = None,
) -> None:
    """Combine PNG frames to an endless GIF that pauses on the last one.

    It uses at most 200 of the frames. Without frames it writes nothing. Example:
    ``experiments/points/run.py``.

    Args:
      path: GIF to write.
      frames: PNG files of equal size, in order.
      seconds: Duration of all frames; the last one stays for two seconds more.
      colours: Colours of each frame, at most 256.
      width: Largest width in pixels.
    """
    if not frames:  # a user may have deleted them
        return
    indices = np.unique(np.linspace(0, len(frames) - 1, 200).astype(int))
    images = []
    for frame in (frames[i] for i in indices):
        with Image.open(frame) as image:
            size = image.size
            if width and width < image.width:
                size = width, round(image.height * width / image.width)
            # Median cut, the default, uses too many colours for the background.
            method = Image.Quantize.MAXCOVERAGE
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            images.append(small.quantize(colours, method=method))
    duration = int(np.clip(1000 * seconds / len(images), 60, 400))
    durations = [duration] * (len(images) - 1) + [2000]
    options = {"append_images": images[1:], "duration": durations, "loop": 0}
    with replacing(path) as temporary:
        images[0].save(temporary, format="GIF", save_all=True, **options)


def reduce_colours(path: Path, colours: int) -> None:
    """Rewrite a PNG with a palette of at most 256 colours, to about a third of its size."""
    # Median cut, the default, uses its colours for shades of large areas and loses lines.
    method = Image.Quantize.FASTOCTREE
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(colours, method=method)
    with replacing(path) as temporary:
        small.save(temporary, format="PNG", optimize=True)
