"""A complete run of an image laboratory."""

import functools
import hashlib
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from tabulate import tabulate

from experiments.images.config import Config, Dataset, identity
from experiments.images.program import (
    DEFAULT,
    LatentSet,
    Machine,
    Sampler,
    by_class,
    check_machine,
    fixed_labels,
    fixed_latents,
    lanes_of,
    make_program,
    make_sampler,
    save_generator,
)
from experiments.images.quality import Follower, Judge
from jaxgan.convert import own
from jaxgan.plots import figures, raster
from jaxgan.runs import Diverged, Run, jobs, loop, stoppable, to_json
from jaxgan.runs.directory import write_arrays
from jaxgan.runs.progress import say
from jaxgan.training.gan import GanState

GRID = 64  # samples per frame
COLUMNS = 8  # samples of each class in conditional runs
SAMPLES = 1000  # images in samples.npz

# Adds a laboratory's own measures and pictures to the summary.
Finish = Callable[[Config, Sampler, GanState, Path], Mapping[str, Any]]


def settings(dataset: Dataset, config: Config) -> dict[str, Any]:
    """Identify a run by its configuration and the content of its data."""
    content = {"data_sha256": dataset.key}
    if config.conditional:
        labels = np.asarray(dataset.labels, np.int32)
        content["labels_sha256"] = hashlib.sha256(labels.tobytes()).hexdigest()
    return identity(config) | content


def frame_path(directory: Path, epoch: int) -> Path:
    """Return the path of the sample grid of an epoch."""
    return directory / "frames" / f"epoch_{epoch:04d}.png"


def samples_path(directory: Path, epoch: int) -> Path:
    """Return the path of the samples in this grid, as the array ``images``."""
    return frame_path(directory, epoch).with_suffix(".npz")


def read_samples(directory: Path, epoch: int) -> np.ndarray | None:
    """Read the samples of an epoch; ``None`` if they are missing or damaged."""
    path = samples_path(directory, epoch)
    try:
        with np.load(path) as file:
            return file["images"]
    except FileNotFoundError:
        return None
    except Exception as error:  # a damaged file can raise any error
        say(f"{path} is damaged and left out ({type(error).__name__})")
        return None


def title_of(config: Config) -> str:
    """Return the title of a program's pictures."""
    return f"{config.model}, {config.variant}, {config.optimizer}"


def name_of(config: Config) -> str:
    """Return the name of a program's folder in a sweep."""
    return f"{config.model}-{config.variant}-{config.optimizer}"


def run(
    config: Config,
    directory: Path | str,
    dataset: Dataset,
    *,
    finish: Finish = lambda config, sample, state, directory: {},
    samples: int = SAMPLES,
    judge: Judge | None = None,
    machine: Machine = DEFAULT,
    **options: Any,
) -> dict[str, Any]:
    """Train every lane of a program and fill its run directory.

    Args:
      config: Configuration of the program.
      directory: Run directory; it is created if missing, and a run in it is resumed.
      dataset: Images to train on.
      finish: Adds a laboratory's own measures and pictures.
      samples: Number of images in ``samples.npz``.
      judge: Measures FID and KID, also of a complete run.
      machine: Devices, as in ``make_program``.
      **options: Options of ``jobs.run``, which also documents the errors.

    Returns:
      The summary, as in ``summary.json``.
    """
    directory = Path(directory)
    follower = Follower(judge, config, directory, dataset) if judge else None
    make = functools.partial(
        job, config, directory, dataset, finish, samples, follower, machine
    )
    identity = settings(dataset, config)
    summary = jobs.run(directory, identity, make, cores_matter=True, **options)
    if follower is None:
        return summary

    def start():
        functions = make_program(config, dataset, machine=machine)
        return make_sampler(functions), jobs.last_state(directory, functions.init)

    check = options.get("check", lambda: None)
    with Run(directory, identity) as record:
        summary = stoppable(lambda: follower.finish(start, summary), check)
        record.finish(summary)
    return to_json(summary)


def job(
    config: Config,
    directory: Path,
    dataset: Dataset,
    finish: Finish,
    samples: int,
    follower: Follower | None = None,
    machine: Machine = DEFAULT,
) -> jobs.Job:
    """Collect the functions of one run directory."""
    rng = np.random.default_rng(config.seed)
    examples = dataset.images[rng.permutation(config.train_size)[:GRID]]
    raster.image_grid(directory / "real.png", examples, "real images")
    raster.image_grid(directory / "real_one.png", examples[:1], "a real image", scale=4)
    functions = make_program(config, dataset, machine=machine)
    sample = make_sampler(functions)
    grid = _grid(config, dataset)
    title = title_of(config)

    def draw(epoch, state):
        images = sample(state, *grid)[0]

        def work():
            path = frame_path(directory, epoch)
            _draw_grid(path, images, f"{title}   epoch {epoch:3d}", config, dataset)
            write_arrays(samples_path(directory, epoch), images=images)

        return work

    def end(state, records, frames):
        z = fixed_latents(config, samples, LatentSet.SAMPLES)
        labels = fixed_labels(config, dataset, samples, LatentSet.SAMPLES)
        images = sample(state, z, labels)[0]
        about = {"seed": config.seed} | ({} if labels is None else {"labels": labels})
        write_arrays(directory / "samples.npz", images=images, **about)
        raster.image_grid(directory / "samples.png", images[:GRID], title)
        save_generator(directory / own.FILE, config, dataset, state)
        draw_curves(directory / "losses.png", title, records)
        raster.gif(directory / "training.gif", frames)
        return {
            "variant": config.variant,
            "optimizer": config.optimizer,
            "model": config.model,
            "lanes": len(lanes_of(config).seed),
            **finish(config, sample, state, directory),
        }

    return jobs.Job(
        init=functions.init,
        compile_ahead=functions.compile_ahead,
        advance=functions.advance,
        draw=draw,
        frame=functools.partial(frame_path, directory),
        describe=lambda metrics: loop.describe(metrics, "spread"),
        finish=end,
        epochs=config.epochs,
        steps_per_epoch=config.steps_per_epoch,
        every=config.frame_every,
        checkpoint_every=config.checkpoint_every,
        picture="images",
        look=lambda state: follower.look(sample, state) if follower else None,
    )


def _grid(config: Config, dataset: Dataset) -> tuple[Any, np.ndarray | None]:
    """Return latents and labels of a frame; a conditional run has one row per class."""
    if not config.conditional:
        return fixed_latents(config, GRID, LatentSet.GRID), None
    return by_class(fixed_latents(config, COLUMNS, LatentSet.GRID), len(dataset.classes))


def _draw_grid(
    path: Path, images: np.ndarray, title: str, config: Config, dataset: Dataset
) -> None:
    """Draw a frame: the images of ``_grid``."""
    if config.conditional:
        rows = np.split(images, len(dataset.classes))
        raster.image_rows(path, dict(zip(dataset.classes, rows, strict=True)), title)
    else:
        raster.image_grid(path, images, title)


def draw_curves(path: Path, title: str, records: Sequence[Mapping[str, Any]]) -> None:
    """Draw the losses in one panel and the spread of samples in another."""

    def column(name):
        return np.array([record[name] for record in records], float)

    figures.curves(
        path,
        [record["epoch"] for record in records],
        {
            "losses": {
                "critic": (column("critic_loss"), figures.FAKE),
                "generator": (column("generator_loss"), figures.AVERAGE),
            },
            "generated spread / real": {"generator": (column("spread"), figures.AVERAGE)},
        },
        title,
    )


def run_all(
    configs: Sequence[Config],
    directory: Path,
    dataset: Dataset,
    *,
    fresh: bool = False,
    machine: Machine = DEFAULT,
    **options: Any,
) -> list[dict[str, Any]]:
    """Run every program, in ``directory`` itself or in folders below it.

    Args:
      configs: Configurations of the programs.
      directory: Folder of the command.
      dataset: Images to train on.
      fresh: Start every program over.
      machine: Devices, as in ``make_program``.
      **options: Options of ``run``.

    Returns:
      The summaries of the programs that did not diverge.

    Raises:
      InputError: Before anything is written, as ``check_machine`` does, or if a directory holds
        another run.
      Diverged: If every program diverged.
    """
    check_machine(configs, dataset, machine)

    def run_one(config, folder):
        return run(config, folder, dataset, fresh=fresh, machine=machine, **options)

    folders = jobs.folders_of(configs, directory, name_of)
    identify = functools.partial(settings, dataset)
    results = jobs.run_all(folders, directory, run_one, identify, fresh=fresh)
    return [result for result in results.values() if not isinstance(result, Diverged)]


def show(summaries: Sequence[Mapping[str, Any]]) -> None:
    """Print a table of summaries: means over lanes."""
    if not summaries:
        return
    hidden = ("lanes", "first_step_s", "train_s")
    columns = [
        name
        for name, value in summaries[0].items()
        if name not in hidden and not isinstance(value, Mapping)
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
    print(tabulate(rows, tablefmt="plain", disable_numparse=True))
