"""Pictures: losses, point clouds, image grids, training animations.

Figures are made without pyplot, so nothing here touches global state. Real points are
light and generated ones dark, so that the pictures can be read in grey.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import LogLocator, MaxNLocator, NullFormatter, ScalarFormatter
from numpy.typing import ArrayLike
from PIL import Image, ImageDraw, ImageFont

REAL = "#8f98a3"
FAKE = "#b3261e"
AVERAGE = "#1d4e89"
_FIELD = LinearSegmentedColormap.from_list("field", ["#d3dbe6", "#fbfbf8", "#f3dfc1"])


class Extent(NamedTuple):
    """The part of the plane that a picture shows."""

    left: float
    right: float
    bottom: float
    top: float


def extent_of(points: ArrayLike, margin: float = 0.06) -> Extent:
    """The bounding box of points ``[N, 2]``, widened by a share of its sides."""
    points = np.asarray(points)
    low, high = points.min(axis=0), points.max(axis=0)
    # A cloud on a line still needs a picture with two sides.
    pad = np.maximum(margin * (high - low), 0.05 * (high - low).max())
    (left, bottom), (right, top) = low - pad, high + pad
    return Extent(float(left), float(right), float(bottom), float(top))


def field_points(extent: Extent, columns: int = 72, rows: int = 48) -> np.ndarray:
    """A grid over the extent, row by row from the bottom: ``[rows * columns, 2]``."""
    x = np.linspace(extent.left, extent.right, columns)
    y = np.linspace(extent.bottom, extent.top, rows)
    return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2)


def points_frame(
    path: Path,
    *,
    real: ArrayLike,
    fake: ArrayLike,
    scores: ArrayLike,
    extent: Extent,
    title: str,
    columns: int = 72,
) -> None:
    """Draw generated over real points, over the critic's score field.

    Args:
      path: Of the PNG.
      real: ``[N, 2]``.
      fake: ``[M, 2]``.
      scores: The critic's scores of ``field_points(extent, columns, ...)``, flat.
      extent: Same for all frames of an animation.
      title: Above the picture.
      columns: As given to ``field_points``.
    """
    figure = Figure(figsize=(7.2, 4.8), dpi=100, layout="constrained")
    axes = figure.add_subplot()
    _draw_field(axes, np.asarray(scores).reshape(-1, columns), extent)
    _draw_points(axes, real, REAL, 2.0)
    _draw_points(axes, fake, FAKE, 2.0)
    _frame_axes(axes, extent)
    axes.set_title(title, loc="left", fontsize=11, family="monospace")
    _legend(axes, {"real": REAL, "generated": FAKE})
    _save(figure, path)


def clouds(
    path: Path, panels: Mapping[str, tuple[ArrayLike, str]], extent: Extent, title: str
) -> None:
    """Draw point clouds side by side.

    Args:
      path: Of the PNG.
      panels: Title to points ``[N, 2]`` and their colour.
      extent: Of every panel.
      title: Above all.
    """
    width = 4.4 * len(panels)
    figure = Figure(figsize=(width, 4.0), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=11)
    for axes, (name, (points, colour)) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        _draw_points(axes, points, colour, 2.2)
        _frame_axes(axes, extent)
        axes.set_title(name, fontsize=10)
    _save(figure, path)


class Cell(NamedTuple):
    """One panel of ``cloud_grid``.

    Attributes:
      real: ``[N, 2]``.
      fake: ``[M, 2]``.
      title: Above the panel.
    """

    real: ArrayLike
    fake: ArrayLike
    title: str


def cloud_grid(
    path: Path,
    cells: Mapping[tuple[str, str], Cell],
    extent: Extent,
    title: str,
) -> None:
    """Draw final clouds in a grid.

    Args:
      path: Of the PNG.
      cells: (row name, column name) to panel; a missing one stays empty.
      extent: Of every panel.
      title: Above all.
    """
    rows = list(dict.fromkeys(row for row, _ in cells))
    columns = list(dict.fromkeys(column for _, column in cells))
    size = (0.4 + 3.2 * len(columns), 0.9 + 2.5 * len(rows))
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(len(rows), len(columns), squeeze=False)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            axes = grid[i, j]
            if cell := cells.get((row, column)):
                _draw_points(axes, cell.real, REAL, 1.4)
                _draw_points(axes, cell.fake, FAKE, 1.4)
                axes.set_title(cell.title, fontsize=9)
            _frame_axes(axes, extent)
            if j == 0:
                axes.set_ylabel(row, fontsize=11)
            if i == 0:
                axes.annotate(
                    column,
                    (0.5, 1.2),
                    xycoords="axes fraction",
                    ha="center",
                    fontsize=11,
                )
    _save(figure, path)


def curves(
    path: Path,
    epochs: Sequence[int],
    panels: Mapping[str, Mapping[str, tuple[ArrayLike, str]]],
    title: str,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Draw curves over epochs, with a band over lanes.

    Args:
      path: Of the PNG.
      epochs: ``[E]``.
      panels: Panel title to curve name to values ``[E, S]`` and colour. A line is the
        median over lanes, its band the range.
      title: Above all.
      levels: Panel title to a horizontal line; its panel is logarithmic.
    """
    levels = levels or {}
    figure = Figure(figsize=(5.2 * len(panels), 3.8), dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=11)
    styles = ("-", "--", ":")
    for axes, (name, lines) in zip(
        figure.subplots(1, len(panels), squeeze=False)[0], panels.items(), strict=True
    ):
        for style, (label, (values, colour)) in zip(styles, lines.items(), strict=False):
            values = np.ma.masked_invalid(np.asarray(values, float))
            middle = np.ma.median(values, axis=1)
            axes.plot(epochs, middle, style, color=colour, label=label, linewidth=1.4)
            low, high = values.min(axis=1), values.max(axis=1)
            axes.fill_between(epochs, low, high, color=colour, alpha=0.18, linewidth=0)
        if name in levels:
            axes.axhline(levels[name], color="0.35", linewidth=0.9, linestyle=":")
            _log_axis(axes)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("epoch")
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


class Band(NamedTuple):
    """One line of ``bands``.

    Attributes:
      x: ``[E]``.
      values: ``[E, S]``, by lane.
    """

    x: ArrayLike
    values: ArrayLike


def bands(
    path: Path,
    panels: Mapping[str, Mapping[str, Band]],
    levels: Mapping[str, float],
    axes_names: tuple[str, str],
    *,
    log_x: bool = False,
    log_y: bool = True,
    share_y: bool = True,
) -> None:
    """Draw panels of lines with bands: medians and ranges.

    Args:
      path: Of the PNG.
      panels: Panel title to name to line. A name looks the same in all panels; its band is
        the range over lanes, without those that are not finite.
      levels: Name to a horizontal line.
      axes_names: Of x and y.
      log_x: Whether x is logarithmic.
      log_y: Whether y is.
      share_y: Whether y is the same in all panels.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = (0.4 + 4.4 * columns, 0.3 + 3.2 * rows)
    figure = Figure(figsize=size, dpi=100, layout="constrained")
    grid = list(figure.subplots(rows, columns, squeeze=False, sharey=share_y).flat)
    for axes, (title, lines) in zip(grid, panels.items(), strict=False):
        for name, (x, values) in lines.items():
            number = names.index(name)
            colour, style = _LINES[number % len(_LINES)], _STYLES[number % len(_STYLES)]
            values = np.ma.masked_invalid(np.asarray(values, float))
            middle = np.ma.median(values, axis=1)
            axes.plot(x, middle, style, color=colour, label=name, linewidth=1.5)
            low, high = values.min(axis=1), values.max(axis=1)
            axes.fill_between(x, low, high, color=colour, alpha=0.16, linewidth=0)
        for name, level in levels.items():
            axes.axhline(level, color="0.35", linewidth=0.8, linestyle=":")
            where = ("axes fraction", "data")
            axes.annotate(
                name, (0.99, level), xycoords=where, fontsize=7, ha="right", va="bottom"
            )
        if log_y:
            _log_axis(axes)
        if log_x:
            axes.set_xscale("log")
        else:
            axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_title(title, fontsize=10, wrap=True)
        axes.set_xlabel(axes_names[0], fontsize=9)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.legend(frameon=False, fontsize=8)
    for axes in grid[len(panels) :]:
        axes.set_axis_off()
    figure.supylabel(axes_names[1], fontsize=9)
    _save(figure, path)


# Colours that differ in lightness too, and styles, so that lines can be told in grey.
_LINES = ("#1d4e89", "#b3261e", "#d98e04", "#4f7942", "#7b4b94", "#5b6470")
_STYLES = ("-", "--", "-.", ":")


def _log_axis(axes) -> None:
    axes.set_yscale("log")
    axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.yaxis.set_major_formatter(ScalarFormatter())
    axes.yaxis.set_minor_formatter(NullFormatter())


def image_grid(
    path: Path,
    images: ArrayLike,
    title: str = "",
    *,
    columns: int | None = None,
    scale: int = 2,
) -> None:
    """Draw images edge to edge, pixel for pixel.

    Args:
      path: Of the PNG.
      images: ``[N, H, W, C]`` uint8, C 1 or 3.
      title: In a line above.
      columns: By default about the root of N.
      scale: Screen pixels per image pixel and axis.
    """
    _paste(_tiles(np.asarray(images), columns, scale), title, path)


def image_rows(
    path: Path, rows: Mapping[str, ArrayLike], title: str = "", *, scale: int = 2
) -> None:
    """Draw rows of images, each with its name at the left.

    Args:
      path: Of the PNG.
      rows: Name to ``[N, H, W, C]`` uint8.
      title: In a line above.
      scale: Screen pixels per image pixel and axis.
    """
    strips = {
        name: _tiles(np.asarray(images), len(np.asarray(images)), scale)
        for name, images in rows.items()
    }
    _paste(_labelled(strips), title, path)


def image_panels(
    path: Path,
    panels: Mapping[tuple[str, str], ArrayLike],
    title: str = "",
    *,
    columns: int = 4,
    scale: int = 2,
) -> None:
    """Draw grids of images side by side.

    Args:
      path: Of the PNG.
      panels: (row name, column name) to ``[N, H, W, C]`` uint8.
      title: In a line above.
      columns: Images across a panel.
      scale: Screen pixels per image pixel and axis.
    """
    rows: dict[str, list[Image.Image]] = {}
    for (row, column), images in panels.items():
        tiles = _tiles(np.asarray(images), columns, scale)
        rows.setdefault(row, []).append(_headed(column, tiles))
    strips = {row: _stack(cells, axis=1) for row, cells in rows.items()}
    _paste(_labelled(strips), title, path)


_INK, _PAPER, _GAP = "#222222", "#ffffff", 8


def _tiles(images: np.ndarray, columns: int | None, scale: int) -> Image.Image:
    count, height, width, channels = images.shape
    columns = columns or max(1, round(count**0.5))
    rows = -(-count // columns)
    blank = np.full((rows * columns - count, height, width, channels), 255, np.uint8)
    grid = np.concatenate([images, blank]).reshape(rows, columns, height, width, channels)
    sheet = grid.swapaxes(1, 2).reshape(rows * height, columns * width, channels)
    image = Image.fromarray(sheet.squeeze(2) if channels == 1 else sheet).convert("RGB")
    return image.resize((image.width * scale, image.height * scale), Image.Resampling.NEAREST)


def _font(size: int = 13):
    return ImageFont.load_default(size)


def _labelled(strips: Mapping[str, Image.Image]) -> Image.Image:
    """Images below one another, each with its name, of one line or several, at its left."""
    lines = [line for name in strips for line in name.split("\n")]
    width = max(round(_font().getlength(line)) for line in lines)
    width = max(96, width + 10) if width else 0
    named = []
    for name, image in strips.items():
        out = Image.new("RGB", (image.width + width, image.height), _PAPER)
        out.paste(image, (width, 0))
        box = (4, image.height // 2)
        ImageDraw.Draw(out).text(box, name, _INK, _font(), anchor="lm")
        named.append(out)
    return _stack(named, axis=0)


def _headed(name: str, image: Image.Image) -> Image.Image:
    out = Image.new("RGB", (image.width, image.height + 22), _PAPER)
    out.paste(image, (0, 22))
    ImageDraw.Draw(out).text((image.width // 2, 11), name, _INK, _font(), anchor="mm")
    return out


def _stack(images: Sequence[Image.Image], axis: int) -> Image.Image:
    """Join images below (axis 0) or beside (axis 1) one another, with gaps."""
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
        ImageDraw.Draw(out).text((margin, 14), title, _INK, _font(14), anchor="lm")
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("tmp_" + path.name)
    out.save(temporary, format="PNG")
    temporary.replace(path)


def shares(
    path: Path,
    names: Sequence[str],
    panels: Mapping[str, Mapping[str, ArrayLike]],
    title: str,
) -> None:
    """Draw groups of bars: how shares differ between conditions.

    Args:
      path: Of the PNG.
      names: Of the parts, ``[K]``.
      panels: Panel title to condition to shares ``[K]``; at most three conditions.
      title: Above all.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = (4.6 * columns, 0.4 + 2.6 * rows)
    figure = Figure(figsize=size, dpi=110, layout="constrained")
    figure.suptitle(title, fontsize=11)
    grid = figure.subplots(rows, columns, squeeze=False, sharey=True)
    for axes, (name, conditions) in zip(grid.flat, panels.items(), strict=False):
        for i, (label, values) in enumerate(conditions.items()):
            at = np.arange(len(names)) + (i - (len(conditions) - 1) / 2) * 0.27
            axes.bar(at, values, 0.27, color=(AVERAGE, REAL, FAKE)[i], label=label)
        axes.set_title(name, fontsize=10)
        axes.set_xticks(range(len(names)), names, rotation=50, ha="right", fontsize=7)
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in list(grid.flat)[len(panels) :]:
        axes.set_axis_off()
    grid[0, 0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def gif(
    path: Path,
    frames: Sequence[Path],
    seconds: float = 6.0,
    *,
    colours: int = 96,
    width: int | None = None,
) -> None:
    """Join PNG frames into an endless GIF that rests on the last one.

    Of more than 200 frames, 200 are taken.

    Args:
      path: Of the GIF.
      frames: Of equal size, in order.
      seconds: For all frames together; the last one stays for two more.
      colours: Of each frame, at most 256.
      width: In pixels, if the frames are wider.
    """
    chosen = np.unique(np.linspace(0, len(frames) - 1, 200).astype(int))
    images = []
    for frame in (frames[i] for i in chosen):
        with Image.open(frame) as image:
            size = image.size
            if width and width < image.width:
                size = width, round(image.height * width / image.width)
            # Median cut, the default, spends its colours on the background.
            method = Image.Quantize.MAXCOVERAGE
            small = image.convert("RGB").resize(size, Image.Resampling.LANCZOS)
            images.append(small.quantize(colours, method=method))
    duration = int(np.clip(1000 * seconds / len(images), 60, 400))
    durations = [duration] * (len(images) - 1) + [2000]
    temporary = path.with_name("tmp_" + path.name)
    images[0].save(
        temporary, append_images=images[1:], save_all=True, duration=durations, loop=0
    )
    temporary.replace(path)


def reduce_colours(path: Path, colours: int) -> None:
    """Rewrite a PNG with a palette of so many colours, at most 256: a third of its size."""
    # Median cut, the default, spends its colours on shades of large areas and loses lines.
    method = Image.Quantize.FASTOCTREE
    with Image.open(path) as image:
        small = image.convert("RGB").quantize(colours, method=method)
    small.save(path, "png", optimize=True)


def _draw_field(axes, scores: np.ndarray, extent: Extent) -> None:
    if not np.isfinite(scores).all() or np.ptp(scores) == 0:
        return
    # Ranks instead of scores: the field keeps its contrast however steep it gets.
    levels = np.unique(np.quantile(scores, np.linspace(0, 1, 13)))
    if len(levels) < 3:
        return
    x = np.linspace(extent.left, extent.right, scores.shape[1])
    y = np.linspace(extent.bottom, extent.top, scores.shape[0])
    shade = np.interp(scores, levels, np.linspace(0, 1, len(levels)))
    edges = np.linspace(0, 1, 13)
    axes.contourf(x, y, shade, edges, cmap=_FIELD, zorder=0)
    axes.contour(x, y, shade, edges[1:-1:2], colors="0.72", linewidths=0.4, zorder=1)


def _draw_points(axes, points: ArrayLike, colour: str, size: float) -> None:
    points = np.asarray(points)
    axes.plot(
        points[:, 0],
        points[:, 1],
        "o",
        color=colour,
        markersize=size,
        markeredgewidth=0,
        alpha=0.75,
        zorder=2,
    )


def _frame_axes(axes, extent: Extent) -> None:
    axes.set_xlim(extent.left, extent.right)
    axes.set_ylim(extent.bottom, extent.top)
    axes.tick_params(labelsize=8)


def _legend(axes, colours: Mapping[str, str]) -> None:
    handles = [
        Line2D([], [], color=colour, marker="o", linestyle="", markersize=5, label=name)
        for name, colour in colours.items()
    ]
    axes.legend(handles=handles, loc="upper right", fontsize=9, framealpha=0.85)


def _save(figure: Figure, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name("tmp_" + path.name)
    FigureCanvasAgg(figure).print_png(str(temporary))
    temporary.replace(path)
