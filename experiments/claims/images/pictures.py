"""The pictures beside a claim about images."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np

from experiments.claims.images import pretrained
from experiments.claims.images.cells import LOSSES
from experiments.claims.images.faces import STEP
from experiments.claims.images.fashion import DIMENSIONS, DISTANCE
from experiments.claims.images.pretrained import PRETRAINED
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.metrics.claims import Setting, capped, column, middle
from jaxgan.plots import figures, raster
from jaxgan.plots.report_page import Picture, film, pictures
from jaxgan.runs.records import Cell, Record, Records

Settings = Mapping[str, Setting]

COLOURS = 64  # of a picture: faces have many
OF_PHOTOGRAPHS = 256
SIDE = 64  # pixels of a sample that is moved, at least, if it is to be enlarged
EPOCHS = (1, 6, 10, 20, 30)  # of samples side by side, as far as there are as many


def _middle(runs: Sequence[Record]) -> Record:
    """The run with the median final Fréchet ratio; those that diverged are last."""
    return middle(runs, capped(runs)[:, -1])


def _band(curves: np.ndarray) -> figures.Band:
    return figures.Band(np.arange(1, curves.shape[1] + 1), curves.T)


def _draw_bands(
    path: Path,
    settings: Settings,
    records: Records,
    values: Callable[[Sequence[Record]], np.ndarray],
    name: str,
    levels: Mapping[str, float],
    *,
    log_y: bool = True,
) -> None:
    panels = {
        setting: {role: _band(values(records[cell])) for role, cell in cells.items()}
        for setting, cells in settings.items()
    }
    figures.bands(path, panels, levels, ("epoch", name), log_y=log_y)


def draw_faces(settings: Settings, records: Records) -> list[Picture]:
    """Fréchet ratios by epoch, samples, and the training."""
    seeds = len(next(iter(records.values())))

    def curves(path: Path) -> None:
        _draw_bands(path, settings, records, capped, "Fréchet ratio", {"real": 1.0})

    return pictures(
        (
            "curves.png",
            "How far generated faces are from held-out ones, epoch by epoch (Fréchet ratio). "
            f"Real cartoons are at 1. Lines are medians over seeds, bands span all {seeds} "
            "seeds.",
            curves,
        ),
        _samples(settings, records),
        (
            "film.gif",
            "The training of the same seeds.",
            lambda path: _film(path, settings, records),
        ),
        colours=COLOURS,
    )


def draw_hues(settings: Settings, records: Records) -> list[Picture]:
    """Entropies of hues by epoch, and samples."""
    caption = (
        "How varied the dominant hues of the faces are, epoch by epoch (entropy). Lines are "
        "medians over seeds, bands span all seeds."
    )

    def curves(path: Path) -> None:
        values = partial(column, name="hue_bits")
        _draw_bands(path, settings, records, values, "bits", {}, log_y=False)

    hues = ("hues.png", caption, curves)
    return pictures(hues, _samples(settings, records), colours=COLOURS)


def draw_losses(settings: Settings, records: Records) -> list[Picture]:
    """Both losses of every cell by epoch."""
    caption = "Losses by epoch. Lines are medians over seeds, bands span all seeds."
    panels = {
        role: {loss.split("_")[0]: _band(column(records[cell], loss)) for loss in LOSSES}
        for role, cell in _cells(settings).items()
    }

    def draw(path: Path) -> None:
        figures.bands(path, panels, {}, ("epoch", "loss"), log_y=False, share_y=False)

    return pictures(("losses.png", caption, draw))


Panels = dict[tuple[str, str], np.ndarray]


def _panels(name: str, caption: str, panels: Panels, scale: int):
    def draw(path: Path) -> None:
        raster.image_panels(path, panels, columns=3, scale=scale)

    return f"{name}.png", caption, draw


def draw_traversal(settings: Settings, records: Records) -> list[Picture]:
    """The effect of every dimension, with several seeds side by side."""
    drawings = []
    for name, setting in settings.items():
        (cell,) = setting.values()
        panels: Panels = {}
        for i, dimension in enumerate(DIMENSIONS):
            for seed, record in enumerate(records[cell][:4]):
                # [EDIT_COUNT, 3, ...]: lowered, as drawn and raised beside each other
                edits = record.arrays["edits"][i][:3]
                row = edits.reshape(-1, *edits.shape[2:])
                panels[f"dimension {dimension}", f"seed {seed}"] = row
        caption = (
            f"{name}: every panel has three samples, one a row, with a dimension lowered by "
            f"{DISTANCE:g}, as they are, and with it raised as much."
        )
        drawings.append(_panels(f"traversal_{name}", caption, panels, scale=1))
    return pictures(*drawings, colours=COLOURS)


def draw_directions(settings: Settings, records: Records) -> list[Picture]:
    """The effect of the leading directions on samples."""
    drawings = []
    for number, (name, setting) in enumerate(settings.items()):
        (cell,) = setting.values()
        is_gan = cell.laboratory is not PRETRAINED
        record = _middle(records[cell]) if is_gan else records[cell][0]
        factors = list(FACTORS) if is_gan else pretrained.names()
        panels: Panels = {}
        for i, shifts in enumerate(record.arrays["shifts"][0]):
            most = sorted(range(len(shifts)), key=lambda j: -abs(shifts[j]))[:3]
            words = [f"{factors[j].replace('_', ' ')} {shifts[j]:+.1f}" for j in most]
            row = "\n".join([f"direction {i + 1}", *words])
            for at, sample in enumerate(record.arrays["edits"][i]):
                panels[row, f"sample {at + 1}"] = sample
        seed = "the seed with the median final ratio" if is_gan else "the first seed"
        spread = "of the data" if is_gan else "among people"
        caption = (
            f"{name}: faces moved by {STEP:g} standard deviations down each of the leading "
            f"directions, as they are, and moved as far up, of {seed}. On the left are the "
            f"three factors that change most, in standard deviations {spread}."
        )
        scale = max(1, SIDE // record.arrays["edits"].shape[-2])
        drawings.append(_panels(f"directions_{number}", caption, panels, scale))
    return pictures(*drawings, colours=OF_PHOTOGRAPHS)


def _cells(settings: Settings) -> dict[str, Cell]:
    """Every cell once, by its role, and the setting where it is not the same in all."""
    names: dict[Cell, str] = {}
    for name, setting in settings.items():
        for role, cell in setting.items():
            same = all(other.get(role) == cell for other in settings.values())
            names.setdefault(cell, role if same else f"{role}, {name}")
    return {name: cell for cell, name in names.items()}


def _frames(settings: Settings, records: Records) -> dict[str, np.ndarray]:
    """Frames ``[E + 1, N, H, W, C]`` of every cell's middle run, by its name in a picture."""
    return {
        name.replace(", ", ",\n"): _middle(records[cell]).arrays["frames"]
        for name, cell in _cells(settings).items()
    }


def _samples(settings: Settings, records: Records):
    caption = (
        "Samples of the seed with the median final ratio, always from the same random numbers."
    )

    def draw(path: Path) -> None:
        panels = {
            (name, f"epoch {epoch}"): frames[epoch]
            for name, frames in _frames(settings, records).items()
            for epoch in EPOCHS
            if epoch < len(frames)
        }
        raster.image_panels(path, panels, scale=1)

    return "samples.png", caption, draw


def _film(path: Path, settings: Settings, records: Records) -> None:
    strips = _frames(settings, records)

    def draw(frame: Path, epoch: int) -> None:
        rows = {name: images[epoch][:8] for name, images in strips.items()}
        raster.image_rows(frame, rows, f"epoch {epoch}", scale=2)

    film(path, min(len(frames) for frames in strips.values()), draw, COLOURS)
