"""Save the training of the live page as a run directory, with a command for it."""

import dataclasses
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.points import run
from experiments.points.config import DEFAULTS, Config, resolve
from experiments.points.lanes import Lane
from jaxgan.data.points import PointCloud
from jaxgan.errors import InputError
from jaxgan.runs import Run, checkpoint, stoppable
from jaxgan.runtime import replacing

CLOUD = "cloud.npy"  # in the run directory, for a cloud without a file


class Snapshot(NamedTuple):
    """A training to save.

    Attributes:
      config: The current settings.
      cloud: The points.
      own: Whether the cloud has no name on the command line and is saved with the run.
      lane: The lane that it started from.
      state: The current state, leaves ``[1, ...]``.
      records: Records of ``metrics.jsonl``, one per epoch.
      boundary: Number of epochs and state at the end of the last complete interval, where the
        command line can resume.
      frames: Samples and scores at the ends of intervals, by epoch.
      acts: Actions that a command cannot repeat: changes of settings during the training, and
        updates of a single network. Without them the command makes the same run.
    """

    config: Config
    cloud: PointCloud
    own: bool
    lane: Lane
    state: Any
    records: Sequence[dict[str, Any]]
    boundary: tuple[int, Any]
    frames: Mapping[int, tuple[np.ndarray, np.ndarray]]
    acts: Sequence[dict[str, Any]]


def check_name(name: str) -> None:
    """Check the name of a folder.

    Raises:
      InputError: If it is not a plain folder name.
    """
    plain = name not in ("", ".", "..") and Path(name).name == name and name.isprintable()
    if not plain or len(name.encode()) > 200:
        raise InputError(f"run {name[:40]!r} must be a plain folder name")


def free_name(home: Path, name: str) -> str:
    """Return the first of ``name``, ``name-2``, ``name-3``, ... that does not exist."""
    number, free = 1, name
    while (home / free).exists():
        number += 1
        free = f"{name}-{number}"
    return free


def flags_of(config: Config, cloud: PointCloud) -> list[str]:
    """Return flags that make the points laboratory resolve to exactly these settings."""
    flags: dict[str, Any] = {"variant": (config.variant,), "data": config.data}
    fields = [field.name for field in dataclasses.fields(config)]
    for _ in fields:
        ((result,), _) = resolve(load=lambda *_: cloud, **flags)
        names = [n for n in fields if getattr(result, n) != getattr(config, n)]
        if not names:
            break
        if names == ["critic_learning_rate"] and config.critic_learning_rate is None:
            names = ["learning_rate"]  # if it is given, it is also the critic's
        # An empty list means that there is no penalty or no bound: it needs no flag.
        flags |= {n: value for n in names if (value := getattr(config, n)) != ()}
        flags["optimizer"] = (config.optimizer,)
    else:
        raise AssertionError(f"no flags give {config}")
    if config.data == DEFAULTS.common["data"]:
        del flags["data"]
    if (
        config.optimizer
        == resolve(load=lambda *_: cloud, variant=(config.variant,))[0][0].optimizer
    ):
        flags.pop("optimizer", None)
    return [f"--{name}={_spell(value)}" for name, value in flags.items() if value is not None]


def _spell(value: Any) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def command_of(config: Config, cloud: PointCloud, directory: Path) -> str:
    """Return the shell command that trains with these settings in this directory."""
    out, name = directory.parent.parent, directory.name
    flags = flags_of(config, cloud)
    flags += [] if str(out) == "runs" else [f"--out={out}"]
    return shlex.join(["python", "-m", "experiments.points", *flags, f"--name={name}"])


class SavedRun(NamedTuple):
    """A saved run.

    Attributes:
      directory: Its folder.
      command: Without acts, the command resumes the run in the folder; with acts, it starts a
        new run with the last settings.
      exact: Whether the command reproduces the run.
      fit: Fit ratio of the generator.
    """

    directory: Path
    command: str
    exact: bool
    fit: float


def save(
    directory: Path, snapshot: Snapshot, check: Callable[[], None] = lambda: None
) -> SavedRun:
    """Write a run directory that does not exist yet.

    Without acts, it looks like that of an interrupted command, with pictures and samples of
    the current state, and the command resumes it from the last interval. With acts, it looks
    complete, and its settings list the acts.

    Args:
      directory: ``<out>/points/<name>``.
      snapshot: The training.
      check: Called in between; raises ``Stopped`` after a signal.

    Raises:
      InputError: If nothing was trained, or the directory exists or cannot be written.
    """
    if not snapshot.records:
        raise InputError("no epoch is complete yet: play first, then save")
    if directory.exists():
        raise InputError(f"{directory} exists; give another name")
    config, exact = snapshot.config, not snapshot.acts
    if snapshot.own:
        path = str(directory / CLOUD)
        config = replace(config, data=path, data_key=DEFAULTS.common["data_key"], columns=())
    target = directory if exact else directory.with_name(f"{directory.name}-anew")
    command = command_of(config, snapshot.cloud, target)
    settings = run.settings(snapshot.cloud, config)
    settings |= {} if exact else {"live": list(snapshot.acts)}
    with Run(directory, settings, command=command) as record:
        if snapshot.own:
            with replacing(directory / CLOUD) as temporary, open(temporary, "wb") as file:
                np.save(file, snapshot.cloud.points, allow_pickle=False)
        summary = stoppable(lambda: _fill(record, config, snapshot), check)
        if not exact:
            record.finish(summary)
    fit = float(summary["cells"][0]["by_seed"]["fit_ratio"][0])
    return SavedRun(directory, command, exact, fit)


def _fill(record: Run, config: Config, snapshot: Snapshot) -> dict[str, Any]:
    """Write everything except the settings and the cloud; return the summary."""
    record.log(list(snapshot.records))
    for epoch, (fake, scores) in snapshot.frames.items():
        run.draw_frame(
            record.directory,
            config,
            snapshot.cloud,
            epoch,
            real=snapshot.lane.reference,
            fake=fake,
            scores=scores,
        )
    epoch, state = snapshot.boundary
    if snapshot.acts:
        epoch, state = len(snapshot.records), snapshot.state
    if epoch:
        checkpoint.save(record.checkpoints, epoch, state)
    frames = [run.frame(record.directory, epoch) for epoch in sorted(snapshot.frames)]
    job = run.job(config, record.directory, snapshot.cloud)
    return job.finish(snapshot.state, record.records(), frames)
