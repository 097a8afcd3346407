"""A run of an image laboratory, from start to end."""

import contextlib
import dataclasses
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.images.config import Config, Dataset
from experiments.images.program import Program, fixed_latents, generate, lanes_of, make_program
from jaxgan import runs
from jaxgan.convert import own
from jaxgan.data.pixels import to_uint8
from jaxgan.errors import InputError
from jaxgan.plots import figures, raster
from jaxgan.runs import checkpoint, loop, progress
from jaxgan.runs.tensorboard import Board
from jaxgan.training import gan

GRID = 64  # samples in a frame


def settings(config: Config, dataset: Dataset) -> dict[str, Any]:
    """What identifies a run: its configuration and the content of its data."""
    return dataclasses.asdict(config) | {"data_key": dataset.key}


def frame_path(directory: Path, epoch: int) -> Path:
    """Where the sample grid of an epoch is."""
    return directory / "frames" / f"epoch_{epoch:04d}.png"


def samples_path(directory: Path, epoch: int) -> Path:
    """Where the samples of that grid are, as ``images``."""
    return directory / "frames" / f"epoch_{epoch:04d}.npz"


def title_of(config: Config) -> str:
    """What pictures call a program."""
    return f"{config.model}, {config.variant}, {config.optimizer}"


Finish = Callable[[Config, Program, gan.GanState, Path], Mapping[str, Any]]


def run(
    config: Config,
    directory: Path | str,
    dataset: Dataset,
    *,
    finish: Finish = lambda config, program, state, directory: {},
    samples: int = 1000,
    fresh: bool = False,
    tensorboard: bool = False,
    check: Callable[[], None] = lambda: None,
) -> dict[str, Any]:
    """Train every lane of a program and fill its run directory.

    Args:
      config: What to train.
      directory: Made if missing; goes on with the run that it holds.
      dataset: What to train on.
      finish: Measures and draws what is the laboratory's own; its result goes into the
        summary.
      samples: Images in ``samples.npz``.
      fresh: Start over instead.
      tensorboard: Also write for TensorBoard; needs the ``tb`` extra.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.

    Returns:
      The summary, as in ``summary.json``.

    Raises:
      InputError: If the directory holds another run.
      Diverged: If no lane has a finite loss any more.
      Stopped: By a signal, after saving.
    """
    directory = Path(directory)
    with contextlib.ExitStack() as stack:
        board = stack.enter_context(Board(directory)) if tensorboard else None
        record = stack.enter_context(
            runs.Run(directory, settings(config, dataset), fresh=fresh)
        )
        if summary := record.summary():
            progress.say(f"{directory}: already complete")
            return summary
        rng = np.random.default_rng(config.seed)
        chosen = dataset.images[rng.permutation(config.train_size)[:GRID]]
        raster.image_grid(directory / "real.png", chosen, "real images")
        raster.image_grid(directory / "real_one.png", chosen[:1], "a real image", scale=4)
        program = make_program(config, dataset)
        clock = progress.Clock()
        z = fixed_latents(config, GRID)

        def draw(epoch, state):
            images = to_uint8(program.generate(state, z))[0]
            path = frame_path(directory, epoch)

            def work():
                title = f"{title_of(config)}   epoch {epoch:3d}"
                raster.image_grid(path, images, title)
                np.savez_compressed(samples_path(directory, epoch), images=images)
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
        made = generate(program, state, fixed_latents(config, samples, 1))
        np.savez_compressed(directory / "samples.npz", images=made[0], seed=config.seed)
        raster.image_grid(directory / "samples.png", made[0, :GRID], title_of(config))
        first = jax.tree.map(lambda x: x[0], gan.averaged(state).generator.variables)
        channels = dataset.images.shape[-1]
        own.save(
            directory / own.FILE, {**dataclasses.asdict(config), "channels": channels}, first
        )
        draw_curves(directory, config, record.records())
        frames = [frame_path(directory, epoch) for epoch in frame_epochs(config)]
        raster.gif(directory / "training.gif", [path for path in frames if path.exists()])
        summary = {
            "variant": config.variant,
            "optimizer": config.optimizer,
            "model": config.model,
            "lanes": len(lanes_of(config)["seed"]),
            "first_step_s": clock.first_step,
            "train_s": clock.total,
            **finish(config, program, state, directory),
        }
        record.finish(summary)
        return runs.to_json(summary)


def frame_epochs(config: Config) -> list[int]:
    """Epochs that have a frame."""
    return [*range(0, config.epochs, config.frame_every), config.epochs]


def describe(metrics: Mapping[str, np.ndarray]) -> str:
    """One line of progress: medians over lanes."""
    middle = {name: np.median(values) for name, values in metrics.items()}
    return (
        f"critic {middle['critic_loss']:.3f}  generator {middle['generator_loss']:.3f}  "
        f"spread {middle['spread']:.2f}"
    )


def draw_curves(directory: Path, config: Config, history: Sequence[Mapping[str, Any]]) -> None:
    """Write ``losses.png``: both losses in one panel, and the spread."""

    def column(name):
        return np.array([record[name] for record in history], float)

    figures.curves(
        directory / "losses.png",
        [record["epoch"] for record in history],
        {
            "losses": {
                "critic": (column("critic_loss"), figures.FAKE),
                "generator": (column("generator_loss"), figures.AVERAGE),
            },
            "generated spread / real": {"generator": (column("spread"), figures.AVERAGE)},
        },
        title_of(config),
    )


def folders_of(configs: Sequence[Config], directory: Path) -> dict[Path, Config]:
    """The run directory of each program."""
    if len(configs) == 1:
        return {directory: configs[0]}
    return {directory / f"{c.model}-{c.variant}-{c.optimizer}": c for c in configs}


def check_folders(
    folders: Mapping[Path, Config], directory: Path, dataset: Dataset, *, fresh: bool = False
) -> None:
    """Refuse directories that hold other runs, before anything is written."""
    if len(folders) > 1:
        runs.compare(directory, programs_of(folders))
    for folder, config in folders.items():
        runs.compare(folder, settings(config, dataset), fresh=fresh)


def programs_of(folders: Mapping[Path, Config]) -> dict[str, Any]:
    """What identifies a sweep; each of its runs has settings of its own."""
    return {"programs": [folder.name for folder in folders]}


def run_all(
    configs: Sequence[Config],
    directory: Path | str,
    dataset: Dataset,
    *,
    fresh: bool = False,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run every program, in ``directory`` itself or in folders below it.

    Returns:
      The summaries of those that did not diverge.

    Raises:
      InputError: Before anything is written, if a directory holds another run.
      Diverged: If every program diverged.
    """
    folders = folders_of(configs, Path(directory))
    check_folders(folders, Path(directory), dataset, fresh=fresh)
    summaries, failure = [], None
    with contextlib.ExitStack() as stack:
        if len(folders) > 1:
            stack.enter_context(runs.Run(Path(directory), programs_of(folders)))
        for folder, config in folders.items():
            if len(folders) > 1:
                progress.say(f"{title_of(config)}:")
            try:
                summaries.append(run(config, folder, dataset, fresh=fresh, **options))
            except runs.Diverged as error:
                progress.say(f"{folder}: {error}")
                failure = error
    if failure and not summaries:
        raise failure
    return summaries


def last_state(directory: Path, program: Program) -> gan.GanState:
    """The final state of a run that is complete.

    Raises:
      InputError: If its last checkpoint is damaged.
    """
    restored = checkpoint.restore(directory / "checkpoints", jax.eval_shape(program.init))
    if restored.step is None or restored.damaged:
        lines = "; ".join(restored.damaged) or "no checkpoint"
        raise InputError(f"{directory}: {lines}; --fresh trains again")
    return jax.tree.map(jnp.asarray, restored.tree)


def show(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of summaries: means over lanes."""
    if not summaries:
        return
    skipped = ("lanes", "first_step_s", "train_s")
    columns = [
        name
        for name, value in summaries[0].items()
        if name not in skipped and not isinstance(value, Mapping)
    ]
    rows = [columns]
    for summary in summaries:
        row = []
        for name in columns:
            value = summary.get(name)
            if isinstance(value, list):
                value = float(np.mean(np.array(value, float)))
            row.append(f"{value:.3g}" if isinstance(value, float) else str(value))
        rows.append(row)
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        print("  ".join(x.ljust(width) for x, width in zip(row, widths, strict=True)).rstrip())
