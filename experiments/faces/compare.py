"""Measure generated faces, and draw variants side by side."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from experiments.images import run
from experiments.images.config import Config, Dataset
from experiments.images.program import LatentSet, fixed_latents
from jaxgan.metrics import colour, frechet, pyramid
from jaxgan.plots import raster

COMPARED_EPOCHS = (6, 22, 26, 30)  # those of the report
MEASURE_SAMPLES = 1000


def finish(
    dataset: Dataset, features: Callable[[np.ndarray], np.ndarray] | None = None
) -> run.Finish:
    """Make a function that measures every lane's samples against the data.

    Without ``features`` no trained network is involved. With FID's Inception-v3 there is also
    a ``fid`` of ``MEASURE_SAMPLES`` images; compare it only with FIDs of as many images.
    """

    def measure(config, sample, state, directory):
        count = min(MEASURE_SAMPLES, config.train_size // 2)
        rng = np.random.default_rng(config.seed)
        rows_of_data = rng.permutation(config.train_size)[: 2 * count]
        real, other = np.split(np.asarray(dataset.images[np.sort(rows_of_data)]), 2)
        real_features = features(real) if features else None
        rows = []
        for images in sample(state, fixed_latents(config, count, LatentSet.MEASURES)):
            distances = pyramid.laplacian_sliced_wasserstein(real, images)
            hues = colour.hue_entropy(images)
            rows.append(
                {f"swd_{side}": value for side, value in distances.items()}
                | {"hue_bits": hues.images, "hue_bits_pixels": hues.pixels}
            )
            if features and real_features is not None:
                rows[-1]["fid"] = frechet.frechet_distance(real_features, features(images))
        by_lane = {name: np.array([row[name] for row in rows]) for name in rows[0]}
        floor = pyramid.laplacian_sliced_wasserstein(real, other)
        real_hues = colour.hue_entropy(real)
        return by_lane | {
            "floor": {f"swd_{side}": value for side, value in floor.items()}
            | {"hue_bits": real_hues.images, "hue_bits_pixels": real_hues.pixels}
        }

    return measure


def compare(folders: Mapping[Path, Config], directory: Path) -> None:
    """Draw programs side by side at the report's epochs, and all frames as a GIF."""
    models, optimizers = (
        {getattr(config, name) for config in folders.values()}
        for name in ("model", "optimizer")
    )

    def name(config: Config) -> str:
        model = f"{config.model} " if len(models) > 1 else ""
        return model + config.variant + (f" {config.optimizer}" if len(optimizers) > 1 else "")

    last = min(config.epochs for config in folders.values())
    epochs = [epoch for epoch in COMPARED_EPOCHS if epoch <= last]
    if len(epochs) < len(COMPARED_EPOCHS):
        epochs = sorted({int(x) for x in np.linspace(1, last, min(4, last))})
    panels = {}
    for folder, config in folders.items():
        for epoch in epochs:
            images = run.read_samples(folder, epoch)
            if images is not None:
                panels[name(config), f"epoch {epoch}"] = images[:16]
    if panels:
        raster.image_panels(
            directory / "side_by_side.png", panels, "the same latents, as they learn"
        )
    frames = []
    for epoch in range(last + 1):
        samples = [run.read_samples(folder, epoch) for folder in folders]
        whole = [images for images in samples if images is not None]
        if len(whole) == len(folders):
            row = {
                ("", name(config)): images[:36]
                for images, config in zip(whole, folders.values(), strict=True)
            }
            frame = directory / "frames" / f"epoch_{epoch:04d}.png"
            raster.image_panels(frame, row, f"epoch {epoch}", columns=6, scale=1)
            frames.append(frame)
    raster.gif(directory / "side_by_side.gif", frames)
