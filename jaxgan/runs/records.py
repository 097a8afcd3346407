"""Records of training runs: one file per run, at a path derived from its settings.

A cell is a full configuration of a training run, without its seed; a lane is a cell with a
seed, which is one run. The path of a record contains a digest of the run's settings, its
laboratory and the versions of packages, so records of different runs are never confused.
``jaxgan.runs.study`` trains many cells and seeds.
"""

import hashlib
import inspect
import json
import math
import os
import platform
import subprocess
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib import metadata
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan.runs.identity import is_usual_jax, settings_of_jax, to_json
from jaxgan.runs.progress import say
from jaxgan.runtime import replacing

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")


class Laboratory(NamedTuple):
    """How to train and measure one kind of cell.

    ``jaxgan.runs.study`` has an example.

    Attributes:
      name: A unique name.
      version: Increase it when a change of the code alters results: runs of other versions
        are then trained again.
      identity: ``config -> settings``: everything that determines a result, except the seed,
        as JSON values.
      train: ``(lanes, work) -> records``: trains lanes of one program and yields their
        records in order. The facts of a record contain ``seconds``, the time of the run.
      program: ``config -> value``: equal for lanes that can run in one compiled program.
      cost: ``config -> seconds``: rough time of a run, for the estimate of the time left.
      shapes: ``config -> {name: shape}``: arrays that every record must have; ``None`` in a
        shape stands for any length.
    """

    name: str
    version: int
    identity: Callable[[Any], Mapping[str, Any]]
    train: Callable[["Sequence[Lane]", "Work"], "Iterable[Record]"]
    program: Callable[[Any], Hashable] = lambda config: config
    cost: Callable[[Any], float] = lambda config: 1.0
    shapes: Callable[[Any], Mapping[str, tuple[int | None, ...]]] = lambda config: {}


class Work(NamedTuple):
    """Folder and callbacks for ``Laboratory.train``.

    Attributes:
      directory: Folder for checkpoints. If the training of these lanes was interrupted, it
        contains their checkpoints.
      tell: Call it with the share of the work that is done.
      check: Call it where it is safe to stop; it raises ``Stopped`` after a signal.
    """

    directory: Path
    tell: Callable[[float], None] = lambda share: None
    check: Callable[[], None] = lambda: None


class Cell(NamedTuple):
    """A full configuration of a training run, without its seed.

    Attributes:
      laboratory: Trains the cell.
      config: Its configuration, hashable.
    """

    laboratory: Laboratory
    config: Any


class Lane(NamedTuple):
    """One training run: a cell with a seed."""

    cell: Cell
    seed: int


class Record(NamedTuple):
    """The result of a run.

    Attributes:
      arrays: Arrays by name, as the laboratory defines them.
      facts: Where, when and with which versions it ran.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


Records = Mapping[Cell, Sequence[Record]]  # by seed


@lru_cache(maxsize=4096)
def key(cell: Cell) -> str:
    """Return a digest of everything that determines the results of a cell."""
    laboratory, config = cell
    identity = {
        "settings": laboratory.identity(config),
        "laboratory": [laboratory.name, laboratory.version],
        "versions": _versions(),
    }
    if not is_usual_jax():
        identity["jax"] = settings_of_jax()
    return digest(to_json(identity))


def digest(value: Any) -> str:
    """Return a short digest of a JSON value."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _PACKAGES}


def path_of(directory: Path, lane: Lane) -> Path:
    """Return the path of a run's record."""
    return directory / "cells" / key(lane.cell) / f"seed_{lane.seed:04d}.npz"


def read(directory: Path, lane: Lane) -> Record | None:
    """Read the record of a run; ``None`` if it is missing or damaged."""
    path = path_of(directory, lane)
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        record = Record(arrays, json.loads(str(arrays.pop("facts"))))
        _check(lane, record)
        return record
    except FileNotFoundError:
        return None
    except Exception as error:  # zip, zlib, numpy and json each have classes of their own
        say(f"{path}: damaged; the run is trained again ({' '.join(str(error).split())})")
        return None


def _check(lane: Lane, record: Record) -> None:
    """Raise ``ValueError`` if a record cannot be that of this lane."""
    for name, shape in lane.cell.laboratory.shapes(lane.cell.config).items():
        x = record.arrays.get(name)
        if x is None or x.dtype.kind not in "biuf":
            raise ValueError(f"no numbers {name}")
        fits = (length in (None, n) for length, n in zip(shape, x.shape, strict=False))
        if x.ndim != len(shape) or not all(fits):
            raise ValueError(f"{name} has shape {list(x.shape)}")
    facts = record.facts
    if not isinstance(facts, dict) or facts.get("seed") != lane.seed:
        raise ValueError("facts of another run")
    seconds = facts.get("seconds")
    if not isinstance(seconds, int | float) or not 0 <= seconds < math.inf:
        raise ValueError("no seconds")
    if not isinstance(facts.get("versions"), dict):
        raise ValueError("no versions")


def write(directory: Path, lane: Lane, record: Record) -> None:
    """Write the record of a run atomically."""
    path = path_of(directory, lane)
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = np.array(json.dumps(to_json(record.facts)))
    with replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **record.arrays, facts=facts)


def commit(function: Callable[..., Any]) -> str:
    """Return the git commit of the checkout that defines a function.

    It ends with ``+`` if files differ from the commit, and is empty without git.
    """
    return _commit(Path(inspect.getfile(function)).parent)


@lru_cache(maxsize=16)
def _commit(folder: Path) -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        changes = git("status", "--porcelain", "--untracked-files=no").strip()
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if changes else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def provenance(laboratory: Laboratory) -> dict[str, Any]:
    """Return the commit, device, machine and package versions of a run."""
    device = jax.devices()[0]
    return {
        "commit": commit(laboratory.train),
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": _versions() | {"python": platform.python_version()},
    }
