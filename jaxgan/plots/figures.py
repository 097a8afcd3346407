"""Figures with matplotlib: point clouds, curves and bars."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import ArrayLike

from jaxgan.plots import _figure_text, _ticks, fonts
from jaxgan.runtime import replacing

if TYPE_CHECKING:
    from matplotlib.figure import Figure

REAL, FAKE, AVERAGE = "#8f98a3", "#b3261e", "#1d4e89"
_FIELD = ("#d3dbe6", "#fbfbf8", "#f3dfc1")
# Lines also differ in lightness and style, so they can be told apart without colour.
_LINES = ("#1d4e89", "#b3261e", "#d98e04", "#4f7942", "#7b4b94", "#5b6470")
_STYLES = ("-", "--", "-.", ":")


class Extent(NamedTuple):
    """The part of the plane that a picture shows: bounds in the units of the points."""

    left: float
    right: float
    bottom: float
    top: float


def extent_of(points: ArrayLike, margin: float = 0.06) -> Extent:
    """Return the bounding box of points ``[N, 2]``, widened by a share of its sides."""
    points = np.asarray(points)
    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    # A cloud on a line needs a padding in both directions.
    pad = np.maximum(margin * (high - low), 0.05 * (high - low).max())
    (left, bottom), (right, top) = low - pad, high + pad
    return Extent(float(left), float(right), float(bottom), float(top))


def field_points(extent: Extent, columns: int = 72, rows: int = 48) -> np.ndarray:
    """Return a grid ``[rows * columns, 2]`` over the extent, row by row from the bottom."""
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
    """Draw generated and real points over the critic's scores (``experiments/points/run.py``).

    Args:
      path: PNG to write.
      real: ``[N, 2]``.
      fake: ``[M, 2]``.
      scores: The critic's scores of ``field_points``, ``[rows * columns]``.
      extent: Part of the plane; use the same for all frames of an animation.
      title: Title of the picture.
      columns: ``columns`` of ``field_points``.
    """
    figure, ((axes,),) = _figure(1, 1, (7.2, 4.8))
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
    """Draw point clouds side by side, as ``experiments/points/pictures.py`` does.

    Args:
      path: PNG to write.
      panels: Points ``[N, 2]`` and their colour, by title.
      extent: Part of the plane in every panel.
      title: Title of the figure.
    """
    figure, grid = _figure(1, len(panels), (4.4 * len(panels), 4.0), dpi=110, title=title)
    for axes, (name, (points, colour)) in zip(grid[0], panels.items(), strict=True):
        _draw_points(axes, points, colour, 2.2)
        _frame_axes(axes, extent)
        axes.set_title(name, fontsize=10)
    _save(figure, path)


class Panel(NamedTuple):
    """A panel of ``cloud_grid``.

    Attributes:
      real: ``[N, 2]``.
      fake: ``[M, 2]``.
      title: Title of the panel.
    """

    real: ArrayLike
    fake: ArrayLike
    title: str


def cloud_grid(
    path: Path, panels: Mapping[tuple[str, str], Panel], extent: Extent, title: str
) -> None:
    """Draw point clouds in a grid, as ``experiments/points/tables.py`` does.

    Args:
      path: PNG to write.
      panels: Panels by (row name, column name); a missing one stays empty.
      extent: Part of the plane in every panel.
      title: Title of the figure.
    """
    rows = list(dict.fromkeys(row for row, _ in panels))
    columns = list(dict.fromkeys(column for _, column in panels))
    size = (0.4 + 3.2 * len(columns), 0.9 + 2.5 * len(rows))
    figure, grid = _figure(len(rows), len(columns), size, title=title)
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            axes = grid[i, j]
            if panel := panels.get((row, column)):
                _draw_points(axes, panel.real, REAL, 1.4)
                _draw_points(axes, panel.fake, FAKE, 1.4)
                axes.set_title(panel.title, fontsize=9)
            _frame_axes(axes, extent)
            if j == 0:
                axes.set_ylabel(row, fontsize=11)
            if i == 0:
                place = {"xycoords": "axes fraction", "ha": "center"}
                axes.annotate(column, (0.5, 1.2), **place, fontsize=11)
    _save(figure, path)


def curves(
    path: Path,
    epochs: Sequence[int],
    panels: Mapping[str, Mapping[str, tuple[ArrayLike, str]]],
    title: str,
    levels: Mapping[str, float] | None = None,
) -> None:
    """Draw curves over epochs: medians over lanes, with bands for the range.

    Example: ``experiments/points/pictures.py``.

    Args:
      path: PNG to write.
      epochs: ``[E]``.
      panels: By panel title and curve name: values ``[E, S]`` for S lanes, and a colour.
      title: Title of the figure.
      levels: Height of a horizontal line, by panel title; such panels are logarithmic.
    """
    levels = levels or {}
    size = (5.2 * len(panels), 3.8)
    figure, grid = _figure(1, len(panels), size, dpi=110, title=title)
    styles = ("-", "--", ":")
    for axes, (name, lines) in zip(grid[0], panels.items(), strict=True):
        for style, (label, (values, colour)) in zip(styles, lines.items(), strict=False):
            _draw_band(axes, epochs, values, colour, style, label, width=1.4, alpha=0.18)
        if name in levels:
            axes.axhline(levels[name], color="0.35", linewidth=0.9, linestyle=":")
            _ticks.logarithmic(axes)
        axes.set_title(name, fontsize=10)
        axes.set_xlabel("epoch")
        _ticks.whole_numbers(axes)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.legend(frameon=False, fontsize=9)
    _save(figure, path)


class Band(NamedTuple):
    """A line of ``bands``.

    Attributes:
      x: ``[E]``.
      values: ``[E, S]`` for S lanes.
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
    """Draw panels of lines: medians over lanes, with bands for the range.

    Example: ``experiments/claims/points/pictures.py``.

    Args:
      path: PNG to write.
      panels: Lines by panel title and name. A name has the same style in all panels; values
        that are not finite are left out.
      levels: Heights of horizontal lines, by name.
      axes_names: Names of the axes x and y.
      log_x: Whether x is logarithmic.
      log_y: Whether y is logarithmic.
      share_y: Whether all panels have the same y axis.
    """
    names = list(dict.fromkeys(name for lines in panels.values() for name in lines))
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = (0.4 + 4.4 * columns, 0.3 + 3.2 * rows)
    figure, grid = _figure(rows, columns, size, share_y=share_y)
    for axes, (title, lines) in zip(grid.flat, panels.items(), strict=False):
        for name, (x, values) in lines.items():
            number = names.index(name)
            colour, style = _LINES[number % len(_LINES)], _STYLES[number % len(_STYLES)]
            _draw_band(axes, x, values, colour, style, name, width=1.5, alpha=0.16)
        for name, level in levels.items():
            axes.axhline(level, color="0.35", linewidth=0.8, linestyle=":")
            place = {"xycoords": ("axes fraction", "data"), "ha": "right", "va": "bottom"}
            axes.annotate(name, (0.99, level), **place, fontsize=7)
        if log_y:
            _ticks.logarithmic(axes)
        if log_x:
            axes.set_xscale("log")
        else:
            _ticks.whole_numbers(axes)
        axes.set_title(title, fontsize=10, wrap=True)
        axes.set_xlabel(axes_names[0], fontsize=9)
        axes.grid(color="0.9", linewidth=0.6)
        axes.spines[["top", "right"]].set_visible(False)
        axes.tick_params(labelsize=8)
        axes.legend(frameon=False, fontsize=8)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    figure.supylabel(axes_names[1], fontsize=9)
    _save(figure, path)


def shares(
    path: Path,
    names: Sequence[str],
    panels: Mapping[str, Mapping[str, ArrayLike]],
    title: str,
) -> None:
    """Draw groups of bars that compare shares (``experiments/fashion_mnist/traverse.py``).

    Args:
      path: PNG to write.
      names: Names of K parts.
      panels: Shares ``[K]`` by panel title and condition; at most three conditions.
      title: Title of the figure.
    """
    columns = min(3, len(panels))
    rows = -(-len(panels) // columns)
    size = (4.6 * columns, 0.4 + 2.6 * rows)
    figure, grid = _figure(rows, columns, size, dpi=110, title=title, share_y=True)
    for axes, (name, conditions) in zip(grid.flat, panels.items(), strict=False):
        for i, (label, values) in enumerate(conditions.items()):
            at = np.arange(len(names)) + (i - (len(conditions) - 1) / 2) * 0.27
            axes.bar(at, values, 0.27, color=(AVERAGE, REAL, FAKE)[i], label=label)
        axes.set_title(name, fontsize=10)
        style = {"rotation": 50, "ha": "right", "fontsize": 7, "parse_math": False}
        axes.set_xticks(range(len(names)), map(fonts.readable, names), **style)
        axes.tick_params(axis="y", labelsize=8)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid.flat[len(panels) :]:
        axes.set_axis_off()
    grid[0, 0].legend(frameon=False, fontsize=8)
    _save(figure, path)


def _figure(
    rows: int, columns: int, size: tuple[float, float], *, dpi=100, title=None, share_y=False
) -> tuple["Figure", np.ndarray]:
    """Make a figure with a size in inches, and its axes ``[rows, columns]``."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dpi, layout="constrained")
    if title is not None:
        figure.suptitle(title, fontsize=11, wrap=True)
    return figure, figure.subplots(rows, columns, squeeze=False, sharey=share_y)


def _draw_band(axes, x, values, colour, style, label, *, width, alpha) -> None:
    """Draw the median over lanes of values ``[E, S]``, and their range."""
    values = np.ma.masked_invalid(np.asarray(values, float))
    middle = np.ma.median(values, axis=1)
    axes.plot(x, middle, style, color=colour, label=label, linewidth=width)
    low, high = values.min(axis=1), values.max(axis=1)
    axes.fill_between(x, low, high, color=colour, alpha=alpha, linewidth=0)


def _draw_field(axes, scores: np.ndarray, extent: Extent) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    if not np.isfinite(scores).all() or np.ptp(scores) == 0:
        return
    # Quantiles keep the contrast of the field, however steep it is.
    levels = np.unique(np.quantile(scores, np.linspace(0, 1, 13)))
    if len(levels) < 3:
        return
    x = np.linspace(extent.left, extent.right, scores.shape[1])
    y = np.linspace(extent.bottom, extent.top, scores.shape[0])
    shade = np.interp(scores, levels, np.linspace(0, 1, len(levels)))
    edges = np.linspace(0, 1, 13)
    colours = LinearSegmentedColormap.from_list("field", _FIELD)
    axes.contourf(x, y, shade, edges, cmap=colours, zorder=0)
    axes.contour(x, y, shade, edges[1:-1:2], colors="0.72", linewidths=0.4, zorder=1)


def _draw_points(axes, points: ArrayLike, colour: str, size: float) -> None:
    points = np.asarray(points)
    style = {"markersize": size, "markeredgewidth": 0, "alpha": 0.75, "zorder": 2}
    axes.plot(points[:, 0], points[:, 1], "o", color=colour, **style)


def _frame_axes(axes, extent: Extent) -> None:
    axes.set_xlim(extent.left, extent.right)
    axes.set_ylim(extent.bottom, extent.top)
    axes.tick_params(labelsize=8)


def _legend(axes, colours: Mapping[str, str]) -> None:
    from matplotlib.lines import Line2D

    style = {"marker": "o", "linestyle": "", "markersize": 5}
    handles = [Line2D([], [], color=x, label=name, **style) for name, x in colours.items()]
    axes.legend(handles=handles, loc="upper right", fontsize=9, framealpha=0.85)


def _save(figure: "Figure", path: Path) -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    _figure_text.fit(figure)
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        FigureCanvasAgg(figure).print_png(str(temporary))
