"""A run of the points laboratory, from start to end."""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.points import fit as points_fit
from experiments.points import tables
from experiments.points.config import Config
from experiments.points.program import make_program, prepare
from jaxgan import runs
from jaxgan.data import points
from jaxgan.plots import figures, raster
from jaxgan.runs import loop, progress
from jaxgan.runs.tensorboard import Board


def run(
    config: Config,
    directory: Path | str,
    *,
    fresh: bool = False,
    tensorboard: bool = False,
    check: Callable[[], None] = lambda: None,
    began: float | None = None,
) -> dict[str, Any]:
    """Train every lane of a program, measure it, and fill its run directory.

    Args:
      config: What to train.
      directory: Made if missing; goes on with the run that it holds.
      fresh: Start over instead.
      tensorboard: Also write for TensorBoard; needs the ``tb`` extra.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.
      began: When to count the time to the first step from, by ``time.monotonic``; now by
        default.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If the data cannot be read or the directory holds another run.
      Diverged: If no lane has a finite loss any more.
      Stopped: By a signal, after saving.
    """
    directory = Path(directory)
    cloud = points.load(config.data, config.data_key)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(Board(directory)) if tensorboard else None
        identity = settings(config, cloud.points)
        record = stack.enter_context(runs.Run(directory, identity, fresh=fresh))
        if summary := record.summary():
            progress.say(f"{directory}: already complete")
            return summary
        lanes = prepare(config, cloud.points)
        extent = figures.extent_of(cloud.points)
        program = make_program(config, lanes, extent)
        clock = progress.Clock(began)

        def draw(epoch, state):
            fake, scores = (np.asarray(x, float) for x in program.look(state))
            fake = fake * lanes["scale"][0] + lanes["mean"][0]
            path = frame_path(directory, epoch)

            def work():
                figures.points_frame(
                    path,
                    real=lanes["reference"][0],
                    fake=fake,
                    scores=scores,
                    extent=extent,
                    title=f"{config.variant}, {config.optimizer}   epoch {epoch:4d}",
                )
                if board:
                    board.picture(path, epoch)

            return work

        state = loop.train(
            record,
            program.init,
            clock.around(program.advance),
            epochs=config.epochs,
            steps_per_epoch=config.steps_per_epoch,
            every=config.frame_every,
            checkpoint_every=config.checkpoint_every,
            draw=draw,
            describe=describe,
            watch=board.numbers if board else lambda start, records: None,
            check=check,
        )
        check()
        results, samples = points_fit.evaluate(config, lanes, cloud, program.sample(state))
        check()
        np.savez_compressed(directory / "samples.npz", allow_pickle=False, **samples)
        history = record.records()
        picture(directory, config, lanes, samples, results, history, extent)
        summary = {
            "cells": points_fit.summarize(config, results, points_fit.finite_lanes(history)),
            "first_step_s": clock.first_step,
            "train_s": clock.total,
        }
        record.finish(summary)
        return runs.to_json(summary)


def settings(config: Config, cloud: np.ndarray) -> dict[str, Any]:
    """What identifies a run: its configuration and the content of its data."""
    digest = hashlib.sha256(np.ascontiguousarray(cloud).tobytes()).hexdigest()
    return dataclasses.asdict(config) | {"data_sha256": digest}


def describe(metrics: Mapping[str, np.ndarray]) -> str:
    """One line of progress: medians over lanes."""
    middle = {name: np.median(values) for name, values in metrics.items()}
    return (
        f"critic {middle['critic_loss']:.3f}  generator {middle['generator_loss']:.3f}  "
        f"fit {middle['sliced_ratio']:.2f} (ema {middle['sliced_ratio_ema']:.2f})"
    )


def frame_path(directory: Path, epoch: int) -> Path:
    """Where the frame of an epoch is."""
    return directory / "frames" / f"epoch_{epoch:04d}.png"


def picture(
    directory: Path,
    config: Config,
    lanes: Mapping[str, np.ndarray],
    samples: Mapping[str, np.ndarray],
    results: Mapping[str, np.ndarray],
    history: Sequence[Mapping[str, Any]],
    extent: figures.Extent,
) -> None:
    """Write ``losses.png``, ``samples.png`` and ``training.gif``."""

    def column(name):
        return np.array([record[name] for record in history], float)

    count = len(lanes["seed"])
    title = f"{config.variant}, {config.optimizer}"
    if count > 1:
        title += f": median and range of {count} lanes"
    fit = "sliced distance / floor"
    figures.curves(
        directory / "losses.png",
        [record["epoch"] for record in history],
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
    ratio, ratio_ema = results["fit_ratio"][0], results["fit_ratio_ema"][0]
    figures.clouds(
        directory / "samples.png",
        {
            "held-out points": (lanes["reference"][0], figures.REAL),
            f"generator: fit {ratio:.2f}": (samples["generated"][0], figures.FAKE),
            f"moving average: fit {ratio_ema:.2f}": (
                samples["generated_ema"][0],
                figures.AVERAGE,
            ),
        },
        extent,
        f"{config.variant}, {config.optimizer}, seed {config.seed}: a perfect fit is 1.0",
    )
    ends = range(config.frame_every, config.epochs, config.frame_every)
    frames = [frame_path(directory, epoch) for epoch in (0, *ends, config.epochs)]
    raster.gif(directory / "training.gif", [path for path in frames if path.exists()])


def run_all(
    configs: Sequence[Config],
    directory: Path | str,
    *,
    fresh: bool = False,
    began: float | None = None,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run every program and join their results in one table and one figure.

    Args:
      configs: One is run in ``directory`` itself, several in folders below it.
      directory: Gets ``summary.csv``, and ``clouds.png`` where there are several.
      fresh: Start every program over.
      began: As in ``run``, for the first program.
      **options: Passed to ``run``.

    Returns:
      The rows of the table. A program whose every lane diverged has rows too.

    Raises:
      InputError: Before anything is written, if a directory holds another run.
      Diverged: If every lane of every program diverged.
    """
    folders = folders_of(configs, Path(directory))
    check_folders(folders, Path(directory), fresh=fresh)
    cells, done, failure = [], {}, None
    with contextlib.ExitStack() as stack:
        if len(folders) > 1:
            stack.enter_context(runs.Run(Path(directory), programs_of(folders)))
        for folder, config in folders.items():
            if len(folders) > 1:
                progress.say(f"{config.variant}, {config.optimizer}:")
            try:
                summary = run(config, folder, fresh=fresh, began=began, **options)
                cells += summary["cells"]
                done[folder] = config
            except runs.Diverged as error:
                progress.say(f"{folder}: {error}")
                failure = error
                lanes = config.seeds * len(config.cells())
                lost = {name: np.full(lanes, math.inf) for name in points_fit.RESULTS}
                cells += points_fit.summarize(config, lost, np.full(lanes, False))
            began = None
        rows = tables.rows(runs.to_json(cells))
        tables.write(Path(directory) / "summary.csv", rows)
        if len(cells) > 1 and done:
            tables.draw_grid(Path(directory) / "clouds.png", done)
    if not done and failure:
        raise failure
    return rows


def programs_of(folders: Mapping[Path, Config]) -> dict[str, Any]:
    """What identifies a sweep; each of its runs has settings of its own."""
    return {"programs": [folder.name for folder in folders]}


def folders_of(configs: Sequence[Config], directory: Path) -> dict[Path, Config]:
    """The run directory of each program."""
    if len(configs) == 1:
        return {directory: configs[0]}
    return {directory / f"{c.variant}-{c.optimizer}": c for c in configs}


def check_folders(
    folders: Mapping[Path, Config], directory: Path, *, fresh: bool = False
) -> None:
    """Refuse directories that hold other runs, before anything is written."""
    if len(folders) > 1:
        runs.compare(directory, programs_of(folders))
    for folder, config in folders.items():
        cloud = points.load(config.data, config.data_key).points
        runs.compare(folder, settings(config, cloud), fresh=fresh)
