"""Records of training runs: one file per run, at a path derived from its settings.

A cell is one setting of everything; with a seed it is a lane, one training run. The record
of a run lies under a digest of its settings, its laboratory and the versions of packages, so
none is taken for another. ``jaxgan.runs.study`` runs many cells and seeds.
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
    """How one kind of cell is trained and measured.

    Attributes:
      name: Name that no other laboratory has.
      version: Raise it when a change of the code alters results: runs of another version
        are trained again.
      identity: ``config -> settings``: all that decides a result but the seed, as JSON.
      train: ``(lanes, work) -> records``: trains lanes of one program and measures them,
        one after the other. The facts of a record have the ``seconds`` that the run took.
      program: ``config -> value``, equal where lanes can run in one compiled program.
      cost: ``config -> seconds`` that a run takes, roughly; for the time left.
      shapes: ``config -> {name: shape}``: arrays that every record has; ``None`` stands for
        any length.
    """

    name: str
    version: int
    identity: Callable[[Any], Mapping[str, Any]]
    train: Callable[["Sequence[Lane]", "Work"], "Iterable[Record]"]
    program: Callable[[Any], Hashable] = lambda config: config
    cost: Callable[[Any], float] = lambda config: 1.0
    shapes: Callable[[Any], Mapping[str, tuple[int | None, ...]]] = lambda config: {}


class Work(NamedTuple):
    """The place and the callbacks of a program that trains.

    Attributes:
      directory: Folder of checkpoints; it holds those that an interrupted process left of
        the same lanes.
      tell: Call it with the share that is done.
      check: Call it where it is safe to stop; it raises ``Stopped`` to do so.
    """

    directory: Path
    tell: Callable[[float], None] = lambda share: None
    check: Callable[[], None] = lambda: None


class Cell(NamedTuple):
    """One setting of everything; the configuration can be hashed."""

    laboratory: Laboratory
    config: Any


class Lane(NamedTuple):
    """One training run: a cell with a seed."""

    cell: Cell
    seed: int


class Record(NamedTuple):
    """The result of a run.

    Attributes:
      arrays: By name, of the laboratory's choice.
      facts: Where, when and with what it ran.
    """

    arrays: Mapping[str, np.ndarray]
    facts: Mapping[str, Any]


Records = Mapping[Cell, Sequence[Record]]  # by seed


@lru_cache(maxsize=4096)
def key(cell: Cell) -> str:
    """A digest of all that decides the results of a cell."""
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
    """A short digest of a JSON value."""
    text = json.dumps(value, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _versions() -> dict[str, str]:
    return {name: metadata.version(name) for name in _PACKAGES}


def path_of(directory: Path, lane: Lane) -> Path:
    """The file of a run's record."""
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
        say(f"{path}: damaged, runs again ({' '.join(str(error).split())})")
        return None


def _check(lane: Lane, record: Record) -> None:
    """Raise ``ValueError`` for a record that cannot be one of this lane."""
    for name, shape in lane.cell.laboratory.shapes(lane.cell.config).items():
        x = record.arrays.get(name)
        if x is None or x.dtype.kind not in "biuf":
            raise ValueError(f"no numbers {name}")
        fits = (wanted in (None, n) for wanted, n in zip(shape, x.shape, strict=False))
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
    """Write the record of a run, whole or not at all."""
    path = path_of(directory, lane)
    path.parent.mkdir(parents=True, exist_ok=True)
    facts = np.array(json.dumps(to_json(record.facts)))
    with replacing(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, **record.arrays, facts=facts)


def commit(function: Callable[..., Any]) -> str:
    """The commit of the checkout that defines a function.

    It ends with ``+`` where files differ from the commit, and is empty without git.
    """
    return _commit(Path(inspect.getfile(function)).parent)


@lru_cache(maxsize=16)
def _commit(folder: Path) -> str:
    def git(*arguments: str) -> str:
        command = ["git", "-C", str(folder), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        changed = git("status", "--porcelain", "--untracked-files=no").strip()
        return git("rev-parse", "--short=12", "HEAD").strip() + ("+" if changed else "")
    except (OSError, subprocess.CalledProcessError):
        return ""


def provenance(laboratory: Laboratory) -> dict[str, Any]:
    """The commit, machine and versions behind the numbers of a run."""
    device = jax.devices()[0]
    return {
        "commit": commit(laboratory.train),
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": _versions() | {"python": platform.python_version()},
    }
