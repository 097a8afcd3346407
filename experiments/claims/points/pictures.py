"""The pictures beside a claim about points: fit over epochs, final clouds, an animation."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.claims.cells import Cell, Record, Records
from experiments.claims.page.pictures import FILM_FRAMES, Picture, film, pictures
from experiments.claims.points.cells import ROUGH, capped
from jaxgan.plots import figures

ACROSS = 6  # clouds in a row
OVERLAID = 4  # lines with bands in a panel
POINTS, FILM_POINTS = 500, 300  # of each kind in a panel


def draw_points(settings: Mapping[str, Mapping[str, Cell]], records: Records) -> list[Picture]:
    """The pictures of a claim about points."""
    seeds = len(next(iter(records.values())))
    first = next(iter(settings))
    curves = (
        "Sliced distance to held-out points over its floor, by epoch. Lines: medians over "
        f"seeds. Bands: all seeds ({seeds}). A perfect generator is at 1. No run is drawn "
        "above a generator that puts every point on the mean of the data; one that diverged "
        f"stays there ({_diverged(settings, records)})."
    )
    clouds = (
        "At the end: generated (dark) over held-out points (light), of the seed with the "
        "median fit ratio; in brackets the best and the worst seed."
    )
    return pictures(
        ("curves.png", curves, lambda path: _curves(path, settings, records)),
        ("clouds.png", clouds, lambda path: _clouds(path, settings, records)),
        (
            "film.gif",
            f"The training of the same seeds; {first}.",
            lambda path: _film(path, settings[first], records),
        ),
    )


def _diverged(settings, records: Records) -> str:
    cells = dict.fromkeys(cell for setting in settings.values() for cell in setting.values())
    ends = [int(record.arrays["diverged_at"]) for cell in cells for record in records[cell]]
    return f"{sum(end > 0 for end in ends)} of {len(ends)} runs"


def median_seed(records: Sequence[Record]) -> int:
    """The seed in the middle by its final fit; a diverged one is last."""
    fits = [float(record.arrays["fit_ratio"]) for record in records]
    return int(np.argsort(fits, kind="stable")[(len(fits) - 1) // 2])


def _curves(path: Path, settings, records: Records) -> None:
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


def _panel(record: Record, fake: np.ndarray, title: str) -> figures.Cell:
    return figures.Cell(record.arrays["reference"][: len(fake)], fake, title)


def _extent(records: Records) -> figures.Extent:
    clouds = [record.arrays["reference"] for each in records.values() for record in each]
    return figures.extent_of(np.concatenate(clouds), margin=0.12)


def _clouds(path: Path, settings, records: Records) -> None:
    panels = {}
    for name, setting in settings.items():
        shown = {}
        for role, cell in setting.items():
            fits = [float(record.arrays["fit_ratio"]) for record in records[cell]]
            middle = median_seed(records[cell])
            title = f"fit {_told(fits[middle])}"
            if len(fits) > 1:
                title += f" (seeds {_told(min(fits))} to {_told(max(fits))})"
            record = records[cell][middle]
            shown[role] = _panel(record, record.arrays["sample"][:POINTS], title)
        panels |= _row(name.replace(", ", ",\n"), shown)
    figures.cloud_grid(path, panels, _extent(records), "")


def _told(fit: float) -> str:
    return f"{fit:.2f}" if np.isfinite(fit) else "diverged"


def _row(
    name: str, shown: Mapping[str, figures.Cell], across: int = ACROSS
) -> dict[tuple[str, str], figures.Cell]:
    """A row of ``cloud_grid``; of many panels several, each with its role above it."""
    if len(shown) <= across:
        return {(name, role): panel for role, panel in shown.items()}
    return {
        # blanks of different lengths: names that differ and are not seen
        (name + " " * (i // across), " " * (i % across)): panel._replace(
            title=f"{role}\n{panel.title}"
        )
        for i, (role, panel) in enumerate(shown.items())
    }


def _film(path: Path, setting: Mapping[str, Cell], records: Records) -> None:
    shown = {role: records[cell][median_seed(records[cell])] for role, cell in setting.items()}
    count = max(len(record.arrays["frame_epochs"]) for record in shown.values())
    extent, frames = _extent({cell: records[cell] for cell in setting.values()}), []
    across = 3 if len(shown) <= 3 else min(ACROSS, math.ceil(len(shown) ** 0.5))
    for number in np.unique(np.linspace(0, count - 1, FILM_FRAMES).astype(int)):
        panels = {}
        for role, record in shown.items():
            epochs = record.arrays["frame_epochs"]
            at = min(number, len(epochs) - 1)
            fake = record.arrays["frames"][at][:FILM_POINTS]
            panels[role] = _panel(record, fake, f"epoch {epochs[at]}")
        frames.append(path.with_name(f"frame_{number:04d}.png"))
        figures.cloud_grid(frames[-1], _row("", panels, across), extent, "")
    film(path, frames)
