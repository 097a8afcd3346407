"""Points: a GAN learns a cloud of points in the plane, and you watch.

    python -m experiments.points --variant=wgan_gp
    python -m experiments.points --variant=gan,wgan,wgan_gp --optimizer=sgd,adam,rmsprop \
        --seeds=8 --epochs=50
    python -m experiments.points --recipe=report_b --data=points.mat

The first command takes one to two minutes on two CPU cores and ends with a fit
ratio (see ``points_fit.evaluate``) near 1, which a perfect generator scores. The run
directory holds the settings, the metrics, the samples, the pictures and the checkpoints.
The same command again goes on where it stopped.
"""

import contextlib
import dataclasses
import hashlib
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from experiments import STARTED, flags, loop, points_fit, tables, training, training_flags
from experiments.board import Board
from experiments.points_config import DEFAULTS, FLAGS, RECIPES, Config, configure
from jaxgan import gan, plots, runs, sweep, train
from jaxgan.data import points
from jaxgan.metrics import transport
from jaxgan.networks import mlp

MAX_COMPARED = 2000  # points in an exact transport problem, whose cost is cubic
DIRECTIONS = 16


def prepare(config: Config, cloud: np.ndarray) -> dict[str, Any]:
    """What each lane starts from: ``[S, ...]`` arrays of ``lane``."""
    seeds = range(config.seed, config.seed + config.seeds)
    by_seed = [start(config, cloud, seed) for seed in seeds]
    return stack([lane(cell, begin) for cell in config.cells() for begin in by_seed])


def start(config: Config, cloud: np.ndarray, seed: int) -> dict[str, Any]:
    """What every run with a seed starts from.

    Returns:
      ``seed``; ``train`` and ``test`` in the data's own units; ``mean`` and ``scale``,
      which take the units of training to these; ``centre`` and ``size``, which take these
      to the units that the program measures in (float32 has no room for a small cloud far
      from the origin); ``reference``, the held-out points that samples are compared with,
      as many as there are samples; ``floor``, the mean sliced distance of equally large
      samples of ``train`` to ``reference``, in units of ``size``.
    """
    real, held_out = points.split(cloud, config.train_size, seed)
    mean, scale = np.zeros((1, 2)), np.ones((1, 2))
    if config.standardize:
        mean, deviation = real.mean(0, keepdims=True), real.std(0, keepdims=True)
        scale = np.where(deviation > 0, deviation, 1.0)
    reference = held_out[: min(len(real), len(held_out), MAX_COMPARED)]
    centre = real.mean(0, keepdims=True)
    size = np.sqrt(((real - centre) ** 2).sum(1).mean())

    def measured(cloud):
        return ((cloud - centre) / size).astype(np.float32)

    directions = transport.circle_directions(DIRECTIONS)
    floor = np.mean(
        [
            _sliced(measured(sample), measured(reference), directions)
            for sample in points_fit.floor_samples(real, len(reference), seed)
        ]
    )
    return {
        "seed": np.int32(seed),
        "train": real,
        "test": held_out,
        "mean": mean,
        "scale": scale,
        "centre": centre,
        "size": size,
        "reference": reference,
        "floor": floor,
    }


_sliced = jax.jit(transport.sliced_wasserstein)


def lane(cell: Mapping[str, float], begin: Mapping[str, Any]) -> dict[str, Any]:
    """One lane: what its seed starts from, and its traced values."""
    return {**begin, **{name: np.float32(value) for name, value in cell.items()}}


def stack(lanes: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Lanes as ``[S, ...]`` arrays."""
    return {name: np.stack([lane[name] for lane in lanes]) for name in lanes[0]}


def build(config: Config, lane: Mapping[str, jax.Array]) -> gan.Gan:
    """The GAN of one lane, from values that may be traced."""
    made, optimizers = training.parts(config, lane)
    return gan.gan(
        mlp.Generator(config.generator_widths),
        mlp.Critic(config.critic_widths),
        made,
        optimizers,
        latent_dim=config.latent_dim,
        ema=config.ema,
    )


class Program(NamedTuple):
    """The compiled functions of a run, over all lanes.

    Attributes:
      init: ``() -> state``, leaves ``[S, ...]``.
      advance: ``(state, epochs) -> (state, {name: [S, E]})``; the state is donated.
      sample: ``state -> (generated, generated_ema)``, ``[S, DRAWS, N, 2]`` in units of
        training.
      look: ``state -> (generated [N, 2], scores [P])`` of the first lane, for a frame.
      draw: ``state -> generated [S, N, 2]``, the sample that is measured every epoch.
    """

    init: Callable[[], gan.GanState]
    advance: Callable[[gan.GanState, int], tuple[gan.GanState, dict[str, jax.Array]]]
    sample: Callable[[gan.GanState], tuple[jax.Array, ...]]
    look: Callable[[gan.GanState], tuple[jax.Array, jax.Array]]
    draw: Callable[[gan.GanState], jax.Array]


def make_program(
    config: Config,
    lanes: Mapping[str, np.ndarray],
    extent: plots.Extent,
    mesh: Mesh | None = None,
) -> Program:
    """Build the functions of a run; each compiles when first called.

    Args:
      config: What is static. Seeds and traced values are those of the lanes.
      lanes: As ``stack`` makes them.
      extent: Where ``look`` scores.
      mesh: Devices to spread the lanes over; by default all.
    """
    directions = transport.circle_directions(DIRECTIONS)
    grid = (plots.field_points(extent) - lanes["mean"][0]) / lanes["scale"][0]
    grid = grid.astype(np.float32)
    centre, size = lanes["centre"], lanes["size"][:, None, None]
    arrays = {name: values for name, values in lanes.items() if name != "test"}
    arrays["train"] = (lanes["train"] - lanes["mean"]) / lanes["scale"]
    arrays["reference"] = (lanes["reference"] - centre) / size
    arrays["stretch"] = lanes["scale"] / size
    arrays["shift"] = (lanes["mean"] - centre) / size
    arrays = {
        name: jnp.asarray(values, None if values.dtype.kind == "i" else jnp.float32)
        for name, values in arrays.items()
    }

    def generate(state, lane, number):
        key = gan.draw_key(state.key, gan.EVALUATE, number)
        z = gan.latents(key, len(lane["reference"]), config.latent_dim)
        return build(config, lane).sample(state, z)

    def init(lane):
        key = jax.random.key(lane["seed"])
        return build(config, lane).init(key, lane["train"][:1])

    def measure(state, lane):
        metrics = {}
        for suffix, version in (("", state), ("_ema", gan.averaged(state))):
            fake = generate(version, lane, 0) * lane["stretch"] + lane["shift"]
            distance = transport.sliced_wasserstein(fake, lane["reference"], directions)
            metrics[f"sliced_ratio{suffix}"] = distance / lane["floor"]
            if not suffix:
                spread = jnp.sqrt(fake.var(axis=0).sum())
                metrics["spread"] = spread / jnp.sqrt(lane["reference"].var(axis=0).sum())
        return metrics

    def advance(state, lane, epochs):
        return train.interval(
            build(config, lane),
            state,
            lane["train"],
            epochs=epochs,
            batch_size=config.batch_size,
            critic_steps=config.critic_steps,
            measure=lambda state: measure(state, lane),
        )

    def sample(state, lane):
        def draws(version):
            numbers = jnp.arange(1, points_fit.DRAWS + 1)
            return jax.lax.map(lambda number: generate(version, lane, number), numbers)

        return draws(state), draws(gan.averaged(state))

    def look(state, lanes):
        state, lane = jax.tree.map(lambda x: x[0], (state, lanes))
        return generate(state, lane, 0), build(config, lane).score(state, grid)

    def advance_all(state, lanes, epochs):
        each = sweep.over_lanes(lambda state, lane: advance(state, lane, epochs), mesh)
        return each(state, lanes)

    jitted_init = jax.jit(sweep.over_lanes(init, mesh))
    jitted_advance = jax.jit(advance_all, static_argnums=2, donate_argnums=0)
    jitted_sample = jax.jit(sweep.over_lanes(sample, mesh))
    jitted_look = jax.jit(look)
    draw = sweep.over_lanes(lambda state, lane: generate(state, lane, 0), mesh)
    jitted_draw = jax.jit(draw)
    return Program(
        init=lambda: jitted_init(arrays),
        advance=lambda state, epochs: jitted_advance(state, arrays, epochs),
        sample=lambda state: jitted_sample(state, arrays),
        look=lambda state: jitted_look(state, arrays),
        draw=lambda state: jitted_draw(state, arrays),
    )


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
            loop.say(f"{directory}: already complete")
            return summary
        lanes = prepare(config, cloud.points)
        extent = plots.extent_of(cloud.points)
        program = make_program(config, lanes, extent)
        clock = loop.Clock(began)

        def draw(epoch, state):
            fake, scores = (np.asarray(x, float) for x in program.look(state))
            fake = fake * lanes["scale"][0] + lanes["mean"][0]
            path = frame_path(directory, epoch)

            def work():
                plots.points_frame(
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


# Pictures and tables.


def picture(
    directory: Path,
    config: Config,
    lanes: Mapping[str, np.ndarray],
    samples: Mapping[str, np.ndarray],
    results: Mapping[str, np.ndarray],
    history: Sequence[Mapping[str, Any]],
    extent: plots.Extent,
) -> None:
    """Write ``losses.png``, ``samples.png`` and ``training.gif``."""

    def column(name):
        return np.array([record[name] for record in history], float)

    count = len(lanes["seed"])
    title = f"{config.variant}, {config.optimizer}"
    if count > 1:
        title += f": median and range of {count} lanes"
    fit = "sliced distance / floor"
    plots.curves(
        directory / "losses.png",
        [record["epoch"] for record in history],
        {
            "critic loss": {"critic": (column("critic_loss"), plots.FAKE)},
            "generator loss": {"generator": (column("generator_loss"), plots.AVERAGE)},
            fit: {
                "generator": (column("sliced_ratio"), plots.FAKE),
                "moving average": (column("sliced_ratio_ema"), plots.AVERAGE),
            },
        },
        title,
        levels={fit: 1.0},
    )
    ratio, ratio_ema = results["fit_ratio"][0], results["fit_ratio_ema"][0]
    plots.clouds(
        directory / "samples.png",
        {
            "held-out points": (lanes["reference"][0], plots.REAL),
            f"generator: fit {ratio:.2f}": (samples["generated"][0], plots.FAKE),
            f"moving average: fit {ratio_ema:.2f}": (
                samples["generated_ema"][0],
                plots.AVERAGE,
            ),
        },
        extent,
        f"{config.variant}, {config.optimizer}, seed {config.seed}: a perfect fit is 1.0",
    )
    ends = range(config.frame_every, config.epochs, config.frame_every)
    frames = [frame_path(directory, epoch) for epoch in (0, *ends, config.epochs)]
    plots.gif(directory / "training.gif", [path for path in frames if path.exists()])


# The command line.


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
                loop.say(f"{config.variant}, {config.optimizer}:")
            try:
                summary = run(config, folder, fresh=fresh, began=began, **options)
                cells += summary["cells"]
                done[folder] = config
            except runs.Diverged as error:
                loop.say(f"{folder}: {error}")
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


def main() -> None:
    """Run from the command line."""
    read = training_flags.define(DEFAULTS, RECIPES, FLAGS)

    def command(check: Callable[[], None]) -> None:
        given = read()
        configs = configure(**given)
        directory = flags.run_directory(
            "points", training_flags.default_name(given, DEFAULTS.common["variant"])
        )
        folders = folders_of(configs, directory)
        if flags.DRY_RUN.value:
            check_folders(folders, directory, fresh=flags.FRESH.value)
            flags.show_plan(folders)
            return
        flags.start_jax()
        rows = run_all(
            configs,
            directory,
            fresh=flags.FRESH.value,
            tensorboard=flags.TENSORBOARD.value,
            check=check,
            began=STARTED,
        )
        tables.show(rows)
        print(directory)

    flags.main("points", command)


if __name__ == "__main__":
    main()
