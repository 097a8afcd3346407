"""The pictures beside a claim about images."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from experiments.claims.cells import Cell, Record, Records
from experiments.claims.images.cells import STEP, TRAVERSED, TRAVERSED_BY, capped
from experiments.claims.page.pictures import FILM_FRAMES, Picture, film, pictures
from experiments.claims.rules import column
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.plots import figures, raster

Settings = Mapping[str, Mapping[str, Cell]]
COLOURS = 64  # of a picture: faces have many
EPOCHS = (1, 6, 10, 20, 30)  # of samples side by side, as far as there are as many


def middle_seed(records: Sequence[Record]) -> int:
    """The seed in the middle by its final Fréchet ratio; a diverged one is last."""
    finals = capped(records)[:, -1] + [1e9 * (r.arrays["diverged_at"] > 0) for r in records]
    return int(np.argsort(finals, kind="stable")[(len(finals) - 1) // 2])


def _bands(
    settings: Settings,
    records: Records,
    values: Callable[[Sequence[Record]], np.ndarray],
    name: str,
    levels: Mapping[str, float],
    *,
    log_y: bool = True,
) -> Callable[[Path], None]:
    panels: dict[str, dict[str, figures.Band]] = {}
    for setting, cells in settings.items():
        for role, cell in cells.items():
            curves = values(records[cell])
            band = figures.Band(np.arange(1, curves.shape[1] + 1), curves.T)
            panels.setdefault(setting, {})[role] = band
    return lambda path: figures.bands(path, panels, levels, ("epoch", name), log_y=log_y)


def draw_faces(settings: Settings, records: Records) -> list[Picture]:
    """How well, and what it looks like."""
    seeds = len(next(iter(records.values())))
    return pictures(
        (
            "curves.png",
            "Fréchet distance to held-out cartoons over its floor, by epoch. Lines: medians "
            f"over seeds. Bands: all seeds ({seeds}). Real cartoons are at 1.",
            _bands(settings, records, capped, "Fréchet ratio", {"real": 1.0}),
        ),
        _shown(settings, records),
        (
            "film.gif",
            "The training of the same seeds.",
            lambda path: _film(path, settings, records),
        ),
        colours=COLOURS,
    )


def draw_hues(settings: Settings, records: Records) -> list[Picture]:
    """How many hues, and what it looks like."""
    curve = (
        "hues.png",
        "Entropy of the dominant hues of samples, by epoch. Lines: medians over seeds. "
        "Bands: all seeds.",
        _bands(settings, records, lambda x: column(x, "hue_bits"), "bits", {}, log_y=False),
    )
    return pictures(curve, _shown(settings, records), colours=COLOURS)


def _shown(settings: Settings, records: Records):
    return (
        "samples.png",
        "Samples of the seed with the median final ratio, from the same latents.",
        lambda path: _samples(path, settings, records),
    )


def draw_losses(settings: Settings, records: Records) -> list[Picture]:
    """Both losses of every cell."""
    panels: dict[str, dict[str, figures.Band]] = {}
    for role, cell in _cells(settings).items():
        for loss in ("critic_loss", "generator_loss"):
            curves = column(records[cell], loss)
            band = figures.Band(np.arange(1, curves.shape[1] + 1), curves.T)
            panels.setdefault(role, {})[loss.split("_")[0]] = band
    return pictures(
        (
            "losses.png",
            "Losses by epoch. Lines: medians over seeds. Bands: all seeds.",
            lambda path: figures.bands(
                path, panels, {}, ("epoch", "loss"), log_y=False, share_y=False
            ),
        )
    )


def draw_traversal(settings: Settings, records: Records) -> list[Picture]:
    """What a dimension does, with several seeds side by side."""
    drawn = []
    for name, setting in settings.items():
        (cell,) = setting.values()
        panels = {}
        for i, dimension in enumerate(TRAVERSED):
            for seed, record in enumerate(records[cell][:4]):
                # [EDITED, 3, ...]: lowered, as drawn and raised beside each other
                edits = record.arrays["edits"][i][:3]
                panels[f"dimension {dimension}", f"seed {seed}"] = edits.reshape(
                    -1, *edits.shape[2:]
                )
        caption = (
            f"{name}: in every panel three samples (rows) with a dimension lowered by "
            f"{TRAVERSED_BY:g}, as drawn, and raised."
        )
        drawn.append(
            (
                f"traversal_{name}.png",
                caption,
                lambda path, panels=panels: raster.image_panels(
                    path, panels, columns=3, scale=1
                ),
            )
        )
    return pictures(*drawn, colours=COLOURS)


def draw_directions(settings: Settings, records: Records) -> list[Picture]:
    """What the leading directions do to samples."""
    drawn = []
    for name, setting in settings.items():
        (cell,) = setting.values()
        record = records[cell][middle_seed(records[cell])]
        panels = {}
        for i, shifts in enumerate(record.arrays["shifts"][0]):
            most = sorted(range(len(shifts)), key=lambda j: -abs(shifts[j]))[:3]
            said = [f"{list(FACTORS)[j].replace('_', ' ')} {shifts[j]:+.1f}" for j in most]
            row = "\n".join([f"direction {i + 1}", *said])
            edits = record.arrays["edits"][i]
            for number in range(len(edits)):
                panels[row, f"sample {number + 1}"] = edits[number]
        drawn.append(
            (
                f"directions_{name}.png",
                f"{name}: samples {STEP:g} standard deviations below, as drawn, and as far "
                "above along each of the leading directions, of the seed with the median final "
                "ratio; with it the three factors that change most, in standard deviations of "
                "the data.",
                lambda path, panels=panels: raster.image_panels(
                    path, panels, columns=3, scale=2
                ),
            )
        )
    return pictures(*drawn, colours=COLOURS)


def _cells(settings: Settings) -> dict[str, Cell]:
    """Every cell once, by its role, and the setting where it is not the same in all."""
    named: dict[Cell, str] = {}
    for name, setting in settings.items():
        for role, cell in setting.items():
            shared = all(other.get(role) == cell for other in settings.values())
            named.setdefault(cell, role if shared else f"{role}, {name}")
    return {name: cell for cell, name in named.items()}


def _samples(path: Path, settings: Settings, records: Records) -> None:
    panels = {}
    for name, cell in _cells(settings).items():
        frames = records[cell][middle_seed(records[cell])].arrays["frames"]
        for epoch in EPOCHS:
            if epoch < len(frames):
                panels[name.replace(", ", ",\n"), f"epoch {epoch}"] = frames[epoch]
    raster.image_panels(path, panels, scale=1)


def _film(path: Path, settings: Settings, records: Records) -> None:
    shown = {
        name: records[cell][middle_seed(records[cell])].arrays["frames"]
        for name, cell in _cells(settings).items()
    }
    last = min(len(frames) for frames in shown.values()) - 1
    frames = []
    for epoch in np.unique(np.linspace(0, last, FILM_FRAMES).astype(int)):
        rows = {name.replace(", ", ",\n"): images[epoch][:8] for name, images in shown.items()}
        frames.append(path.with_name(f"frame_{epoch:04d}.png"))
        raster.image_rows(frames[-1], rows, f"epoch {epoch}", scale=2)
    film(path, frames, COLOURS)
