"""Draw the curves and the final samples of a run of the points laboratory."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.points.config import Config
from experiments.points.lanes import Lane
from jaxgan.plots import figures


def draw_curves(
    path: Path, config: Config, lanes: int, records: Sequence[Mapping[str, Any]]
) -> None:
    """Draw both losses and the sliced ratio by epoch.

    Args:
      path: Path of the PNG.
      config: Configuration of the run.
      lanes: Number of lanes.
      records: Records of ``metrics.jsonl``.
    """

    def column(name):
        return np.array([record[name] for record in records], float)

    title = f"{config.variant}, {config.optimizer}"
    if lanes > 1:
        title += f": median and range of {lanes} lanes"
    fit = "sliced distance / floor"
    figures.curves(
        path,
        [record["epoch"] for record in records],
        {
            "critic loss": {"critic": (column("critic_loss"), figures.FAKE)},
            "generator loss": {"generator": (column("generator_loss"), figures.AVERAGE)},
            fit: {
                "generator": (column("sliced_ratio"), figures.FAKE),
                "moving average": (column("sliced_ratio_ema"), figures.AVERAGE),
            },
        },
        title,
        levels={fit: 1.0},
    )


def draw_samples(
    path: Path,
    config: Config,
    lanes: Lane,
    samples: Mapping[str, np.ndarray],
    results: Mapping[str, np.ndarray],
    extent: figures.Extent,
) -> None:
    """Draw the first lane's samples beside the held-out points.

    Args:
      path: Path of the PNG.
      config: Configuration of the run.
      lanes: Lanes of the run.
      samples: Samples from ``fit.evaluate``.
      results: Results from ``fit.evaluate``.
      extent: Extent of every panel.
    """

    def title(version, suffix=""):
        text = f"{version}: fit {results[f'fit_ratio{suffix}'][0]:.2f}"
        quality = results.get(f"quality{suffix}")  # only if modes are known
        return text if quality is None else f"{text}, quality {quality[0]:.1%}"

    average = title("moving average", "_ema")
    figures.clouds(
        path,
        {
            "held-out points": (lanes.reference[0], figures.REAL),
            title("generator"): (samples["generated"][0], figures.FAKE),
            average: (samples["generated_ema"][0], figures.AVERAGE),
        },
        extent,
        f"{config.variant}, {config.optimizer}, seed {config.seed}: a perfect fit is 1.0",
    )
