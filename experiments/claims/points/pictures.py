"""The pictures beside a claim about points: fit over epochs, final clouds, an animation."""

import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from experiments.claims.points.parts import ROUGH, capped
from jaxgan.metrics.claims import Setting, column, diverged_runs, middle
from jaxgan.plots import figures
from jaxgan.plots.report_page import Picture, film, pictures
from jaxgan.runs.records import Cell, Record, Records

Settings = Mapping[str, Setting]

ACROSS = 6  # clouds in a row
OVERLAID = 4  # lines with bands in a panel
POINTS, FILM_POINTS = 500, 300  # of each kind in a panel


def draw_points(settings: Settings, records: Records) -> list[Picture]:
    """The pictures of a claim about points."""
    seeds = len(next(iter(records.values())))
    first = next(iter(settings))
    cells = dict.fromkeys(cell for setting in settings.values() for cell in setting.values())
    curves = (
        "How far generated points are from held-out ones, epoch by epoch (sliced ratio). A "
        f"perfect generator is at 1. Lines are medians over seeds, bands span all {seeds} "
        "seeds. No curve goes above a generator that puts every point on the mean of the "
        f"data, and one that diverged stays there ({diverged_runs(cells, records)})."
    )
    clouds = (
        "At the end of training: generated points (dark) over held-out ones (light), of the "
        "seed with the median fit ratio. The numbers are its fit ratio and, in brackets, "
        "those of the best and the worst seed."
    )
    frames = f"The training of the same seeds, in the setting {first}."
    return pictures(
        ("curves.png", curves, lambda path: _curves(path, settings, records)),
        ("clouds.png", clouds, lambda path: _clouds(path, settings, records)),
        ("film.gif", frames, lambda path: _film(path, settings[first], records)),
    )


def _median(cell: Cell, records: Records) -> Record:
    """The run with the median fit; those that diverged are last."""
    return middle(records[cell], column(records[cell], "fit_ratio"))


def _curves(path: Path, settings: Settings, records: Records) -> None:
    panels: dict[str, dict[str, figures.Band]] = {}
    for name, setting in settings.items():
        for role, cell in setting.items():
            curves = capped(records[cell])
            epochs = np.arange(1, curves.shape[1] + 1)
            panel, line = (name, role) if len(setting) <= OVERLAID else (role, name)
            panels.setdefault(panel, {})[line] = figures.Band(epochs, curves.T)
    lengths = [cell.config.epochs for setting in settings.values() for cell in setting.values()]
    levels, log_x = {"perfect": 1.0, "rough": ROUGH}, max(lengths) > 2 * min(lengths)
    figures.bands(path, panels, levels, ("epoch", "sliced ratio"), log_x=log_x)


def _panel(record: Record, fake: np.ndarray, title: str) -> figures.Panel:
    return figures.Panel(record.arrays["reference"][: len(fake)], fake, title)


def _extent(records: Records) -> figures.Extent:
    clouds = [record.arrays["reference"] for each in records.values() for record in each]
    return figures.extent_of(np.concatenate(clouds), margin=0.12)


def _clouds(path: Path, settings: Settings, records: Records) -> None:
    panels = {}
    for name, setting in settings.items():
        row = {}
        for role, cell in setting.items():
            fits, record = column(records[cell], "fit_ratio"), _median(cell, records)
            title = f"fit {_fit_text(record.arrays['fit_ratio'])}"
            if len(fits) > 1:
                title += f" (seeds {_fit_text(fits.min())} to {_fit_text(fits.max())})"
            row[role] = _panel(record, record.arrays["sample"][:POINTS], title)
        panels |= _row(name.replace(", ", ",\n"), row)
    figures.cloud_grid(path, panels, _extent(records), "")


def _fit_text(ratio: np.ndarray) -> str:
    return f"{ratio:.2f}" if np.isfinite(ratio) else "diverged"


def _row(
    name: str, panels: Mapping[str, figures.Panel], across: int = ACROSS
) -> dict[tuple[str, str], figures.Panel]:
    """A row of ``cloud_grid``; of many panels several, each with its role above it."""
    if len(panels) <= across:
        return {(name, role): panel for role, panel in panels.items()}
    return {
        # blanks of different lengths: names that differ and are not seen
        (name + " " * (i // across), " " * (i % across)): panel._replace(
            title=f"{role}\n{panel.title}"
        )
        for i, (role, panel) in enumerate(panels.items())
    }


def _film(path: Path, setting: Setting, records: Records) -> None:
    medians = {role: _median(cell, records) for role, cell in setting.items()}
    extent = _extent({cell: records[cell] for cell in setting.values()})
    across = 3 if len(medians) <= 3 else min(ACROSS, math.ceil(len(medians) ** 0.5))

    def draw(frame, number):
        panels = {}
        for role, record in medians.items():
            epochs, clouds = record.arrays["frame_epochs"], record.arrays["frames"]
            at = min(number, len(epochs) - 1)
            panels[role] = _panel(record, clouds[at][:FILM_POINTS], f"epoch {epochs[at]}")
        figures.cloud_grid(frame, _row("", panels, across), extent, "")

    count = max(len(record.arrays["frame_epochs"]) for record in medians.values())
    film(path, count, draw)
