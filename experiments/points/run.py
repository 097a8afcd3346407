"""A complete run of the points laboratory."""

import functools
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.common.settings import identity
from experiments.points import fit, pictures, program, tables
from experiments.points.config import Config
from experiments.points.lanes import lanes_of
from jaxgan.convert import clouds
from jaxgan.data import points
from jaxgan.data.points import PointCloud
from jaxgan.metrics.coverage import coverage
from jaxgan.plots import figures, raster
from jaxgan.runs import Diverged, jobs, loop, to_json
from jaxgan.runs.directory import write_arrays, write_csv


def settings(cloud: PointCloud, config: Config) -> dict[str, Any]:
    """Identify a run by its configuration and the content of its data."""
    values = identity(config) | {"data_sha256": points.digest(cloud.points)}
    if config.modes and cloud.modes is not None:
        values["modes_sha256"] = points.digest(cloud.modes)
    return values


def run(
    config: Config, directory: Path | str, cloud: PointCloud, **options: Any
) -> dict[str, Any]:
    """Train every lane of a program, measure it, and fill its run directory.

    Args:
      config: Configuration of the program.
      directory: Run directory; it is created if missing, and a run in it is resumed.
      cloud: Data to train on.
      **options: Options of ``jobs.run``, which also documents the errors.

    Returns:
      The summary, as in ``summary.json``.
    """
    directory = Path(directory)
    make = functools.partial(job, config, directory, cloud)
    return jobs.run(directory, settings(cloud, config), make, **options)


def job(config: Config, directory: Path, cloud: PointCloud) -> jobs.Job:
    """Collect the functions of one run directory."""
    lanes = lanes_of(config, cloud.points)
    extent = figures.extent_of(cloud.points)
    functions = program.make_program(config, lanes)
    view = program.make_view(config, lanes, figures.field_points(extent))

    def draw(epoch, state):
        fake, scores = view(state)
        return lambda: draw_frame(
            directory, config, cloud, epoch, real=lanes.reference[0], fake=fake, scores=scores
        )

    def finish(state, records, frames):
        draws = functions.each(program.final_samples)(state)
        results, samples = fit.evaluate(lanes, cloud, draws)
        write_arrays(directory / "samples.npz", **samples)
        program.save_generator(directory / clouds.FILE, config, lanes, state)
        pictures.draw_curves(directory / "losses.png", config, len(lanes.seed), records)
        pictures.draw_samples(
            directory / "samples.png", config, lanes, samples, results, extent
        )
        raster.gif(directory / "training.gif", frames)
        return {"cells": fit.summarize(config, results, fit.finite_lanes(records))}

    return jobs.Job(
        init=functions.init,
        compile_ahead=functions.compile_ahead,
        advance=functions.advance,
        draw=draw,
        frame=functools.partial(frame, directory),
        describe=describe,
        finish=finish,
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        every=config.frame_every,
        checkpoint_every=config.checkpoint_every,
    )


def frame(directory: Path, epoch: int) -> Path:
    """Return the path of the frame of an epoch."""
    return directory / "frames" / f"epoch_{epoch:04d}.png"


def draw_frame(
    directory: Path,
    config: Config,
    cloud: PointCloud,
    epoch: int,
    *,
    real: np.ndarray,
    fake: np.ndarray,
    scores: np.ndarray,
) -> None:
    """Draw the frame of an epoch.

    Args:
      directory: Directory of the run.
      config: Configuration of the run.
      cloud: Data of the run.
      epoch: Number of the epoch.
      real: Held-out points ``[N, 2]``.
      fake: Samples ``[N, 2]`` in the data's units.
      scores: The critic's scores at ``figures.field_points`` of the cloud's extent.
    """
    quality = ""
    if cloud.modes is not None:
        quality = f"   quality {coverage(fake, cloud.modes, cloud.radius).quality:6.1%}"
    figures.points_frame(
        frame(directory, epoch),
        real=real,
        fake=fake,
        scores=scores,
        extent=figures.extent_of(cloud.points),
        title=f"{config.variant}, {config.optimizer}   epoch {epoch:4d}{quality}",
    )


def describe(metrics: Mapping[str, np.ndarray]) -> str:
    """Describe an epoch in one line: medians over lanes."""
    ema = np.median(metrics["sliced_ratio_ema"])
    sliced_ratio = np.median(metrics["sliced_ratio"])
    return f"{loop.describe(metrics)}  sliced ratio {sliced_ratio:.2f} (ema {ema:.2f})"


def name_of(config: Config) -> str:
    """Return the name of a program's folder in a sweep."""
    return f"{config.variant}-{config.optimizer}"


def run_all(
    configs: Sequence[Config],
    directory: Path | str,
    cloud: PointCloud,
    *,
    fresh: bool = False,
    began: float | None = None,
    check: Callable[[], None] = lambda: None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run every program and join their results in one table and one figure.

    Args:
      configs: A single program runs in ``directory`` itself, several in folders below it.
      directory: Folder for ``summary.csv`` and, with several programs, ``clouds.png``.
      cloud: Data to train on.
      fresh: Start every program over.
      began: Start of the process, to measure the time to the first step.
      check: As in ``jobs.run``.
      **options: Options of ``jobs.run``.

    Returns:
      The rows of the table, including programs of which every lane diverged.

    Raises:
      InputError: Before anything is written, if a directory holds another run.
      Diverged: If every lane of every program diverged.
    """
    directory = Path(directory)
    folders = jobs.folders_of(configs, directory, name_of)
    starts = {configs[0]: began}

    def run_one(config, folder):
        options_of = options | {"began": starts.get(config)}
        return run(config, folder, cloud, fresh=fresh, check=check, **options_of)

    rows: list[dict[str, Any]] = []

    def finish(results):
        cells = [cell for x, result in results.items() for cell in _cells(folders[x], result)]
        rows.extend(tables.rows(to_json(cells)))
        write_csv(directory / "summary.csv", rows)
        complete = {x: folders[x] for x, y in results.items() if not isinstance(y, Diverged)}
        if len(cells) > 1 and complete:
            tables.draw_grid(directory / "clouds.png", complete)

    identify = functools.partial(settings, cloud)
    jobs.run_all(folders, directory, run_one, identify, finish, fresh=fresh, check=check)
    return rows


def _cells(config: Config, result: dict[str, Any] | Diverged) -> list[dict[str, Any]]:
    """Return the summaries of a program's cells, with infinite values if it diverged."""
    if not isinstance(result, Diverged):
        return result["cells"]
    lanes = config.seeds * len(config.combinations())
    infinite = {name: np.full(lanes, math.inf) for name in fit.RESULTS}
    return fit.summarize(config, infinite, np.full(lanes, False))
