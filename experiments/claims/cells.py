"""Cells of a study: what is trained with which seeds, and what is kept of it on disk.

A cell is one setting of everything; with a seed it is one training run, a lane. Lanes that
differ only in traced values or seeds run in one compiled program. What a run gave is one
file, whose place says what it is of: settings, data, code and versions. So nothing is
trained twice, whichever study asks for it, and nothing is taken for what it is not.
"""

import hashlib
import json
import math
import os
import platform
import shutil
import subprocess
import time
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from functools import lru_cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import jax
import numpy as np

from jaxgan import runs
from jaxgan.errors import InputError
from jaxgan.runs import cache
from jaxgan.runs import progress as runs_progress

_PACKAGES = ("jax", "jaxlib", "flax", "optax", "numpy", "scipy")


class Laboratory(NamedTuple):
    """How one kind of cell is trained and measured; the rest of a study knows no kinds.

    Attributes:
      identity: ``config -> settings``: all that decides a result but the seed, as JSON.
      program: ``config -> value``: equal for configurations that can be lanes of one program.
      cost: ``config -> seconds`` that a run takes, roughly; for the time left.
      code: Modules and functions whose change changes results.
      shapes: ``config -> shapes``: of the arrays of a record; ``None`` for any length.
      train: ``(lanes, directory, tell, check) -> records``: trains lanes of one program and
        measures them, one after the other. Goes on with what ``directory`` holds of the same
        lanes; calls ``tell`` with the share that is done, and ``check`` where it is safe to
        stop.
    """

    identity: Callable[[Any], dict[str, Any]]
    program: Callable[[Any], Hashable]
    cost: Callable[[Any], float]
    code: tuple[Any, ...]
    shapes: Callable[[Any], Mapping[str, tuple[int | None, ...]]]
    train: Callable[..., "Iterable[Record]"]


class Cell(NamedTuple):
    """One setting of everything. Its laboratory and its configuration can be hashed."""

    laboratory: Laboratory
    config: Any


class Lane(NamedTuple):
    """One run: a cell with a seed."""

    cell: Cell
    seed: int


class Record(NamedTuple):
    """What is kept of a run.

    Attributes:
      arrays: Of the laboratory's choice.
      facts: Where, when and with what it ran.
    """

    arrays: dict[str, np.ndarray]
    facts: dict[str, Any]


Records = Mapping[Cell, Sequence[Record]]


@lru_cache(maxsize=4096)
def key(cell: Cell) -> str:
    """A digest of all that decides a cell's results."""
    identity = {
        "settings": cell.laboratory.identity(cell.config),
        "code": cache.code(*cell.laboratory.code),
        "versions": _versions(),
    }
    text = json.dumps(runs.to_json(identity), sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:20]


def _versions() -> dict[str, str]:
    return {name: version(name) for name in _PACKAGES}


# The store: one file per run, written whole.


def path_of(directory: Path, lane: Lane) -> Path:
    """Where the record of a run is."""
    return directory / "cells" / key(lane.cell) / f"seed_{lane.seed:04d}.npz"


def read(directory: Path, lane: Lane) -> Record | None:
    """The record of a run, or ``None`` if there is none that can be read."""
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
        runs_progress.say(f"{path}: damaged, runs again ({' '.join(str(error).split())})")
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
    """Keep the record of a run."""
    path = path_of(directory, lane)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f"tmp_{path.name}")
    facts = np.array(json.dumps(runs.to_json(record.facts)))
    with open(temporary, "wb") as file:
        np.savez_compressed(file, allow_pickle=False, **record.arrays, facts=facts)
    os.replace(temporary, path)


def provenance() -> dict[str, Any]:
    """What a run's numbers come from, beside its settings."""
    device = jax.devices()[0]
    return {
        "commit": commit(),
        "device": f"{jax.device_count()} x {device.device_kind} ({device.platform})",
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "versions": _versions() | {"python": platform.python_version()},
    }


@lru_cache(maxsize=1)
def commit() -> str:
    """The checkout's commit, ``+`` where files differ from it; empty without git."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(Path(__file__).parent), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout

    try:
        return git("rev-parse", "--short=12", "HEAD").strip() + (
            "+" if git("status", "--porcelain", "--untracked-files=no").strip() else ""
        )
    except (OSError, subprocess.CalledProcessError):
        return ""


# Running what is missing.


class Plan(NamedTuple):
    """What is to be done.

    Attributes:
      programs: Lanes of each program, those that were begun first.
      done: How many of the wanted runs are there already.
    """

    programs: list[list[Lane]]
    done: int


def plan(directory: Path, cells: Iterable[Cell], seeds: int) -> Plan:
    """Group the runs that are missing into programs.

    A program that was interrupted goes on with the lanes that it had, so that it ends with
    the same numbers, before anything else is begun. No cell may come twice.
    """
    cells = list(cells)
    wanted = [Lane(cell, seed) for cell in cells for seed in range(seeds)]
    missing = {lane: None for lane in wanted if not path_of(directory, lane).exists()}
    done = len(wanted) - len(missing)
    programs = []
    for lanes in _begun(directory, {key(cell): cell for cell in cells}).values():
        if any(lane in missing for lane in lanes):
            programs.append(lanes)
            missing = {lane: None for lane in missing if lane not in lanes}
    groups: dict[Hashable, list[Lane]] = {}
    for lane in missing:
        laboratory, config = lane.cell
        groups.setdefault((laboratory, laboratory.program(config)), []).append(lane)
    return Plan(programs + list(groups.values()), done)


def _begun(directory: Path, cells: Mapping[str, Cell]) -> dict[Path, list[Lane]]:
    """Lanes of interrupted programs by folder, as far as their cells are of this study.

    A folder whose name is not that of its lanes is not one of ours.
    """
    found = {}
    for path in sorted((directory / "work").glob("*/lanes.json")):
        try:
            names = [[str(key), int(seed)] for key, seed in json.loads(path.read_text())]
        except (OSError, ValueError, TypeError, OverflowError, RecursionError):
            continue
        if path.parent.name == _folder(names) and all(key in cells for key, _ in names):
            found[path.parent] = [Lane(cells[key], seed) for key, seed in names]
    return found


def _folder(names: Sequence[Sequence[Any]]) -> str:
    return hashlib.sha256(json.dumps(names).encode()).hexdigest()[:20]


def complete(
    directory: Path,
    cells: Iterable[Cell],
    seeds: int,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Run what is missing of cells times seeds; finished runs stay as they are.

    Args:
      directory: Holds ``cells``, the records, and ``work``, what is under way.
      cells: Of one study, of any laboratories; none twice.
      seeds: From 0.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.
    """
    cells = list(cells)
    todo = plan(directory, cells, seeds)
    if todo.done:
        runs_progress.say(f"{todo.done} runs are there already")
    with Progress(todo.programs) as progress:
        for lanes in todo.programs:
            _run(directory, lanes, progress.tell, check)
            progress.next()
    # What was killed between its last record and its end has nothing left to do.
    for work, lanes in _begun(directory, {key(cell): cell for cell in cells}).items():
        if all(path_of(directory, lane).exists() for lane in lanes):
            shutil.rmtree(work)


def gather(
    directory: Path,
    cells: Iterable[Cell],
    seeds: int,
    check: Callable[[], None] = lambda: None,
) -> dict[Cell, list[Record]]:
    """The records of cells by seed, made where they are missing or damaged.

    Args:
      directory: As in ``complete``.
      cells: As in ``complete``.
      seeds: From 0.
      check: As in ``complete``.

    Raises:
      InputError: If a record that was made again cannot be read either.
    """
    cells = list(cells)
    lanes = [Lane(cell, seed) for cell in cells for seed in range(seeds)]
    mended: set[Lane] = set()
    while True:
        complete(directory, cells, seeds, check)
        records = {lane: read(directory, lane) for lane in lanes}
        found = {lane: record for lane, record in records.items() if record is not None}
        if len(found) == len(lanes):
            return {cell: [found[Lane(cell, s)] for s in range(seeds)] for cell in cells}
        damaged = records.keys() - found.keys()
        for lane in damaged & mended:
            raise InputError(f"{path_of(directory, lane)}: damaged again after it was mended")
        for lane in damaged:
            path_of(directory, lane).unlink(missing_ok=True)
        mended |= damaged


def _run(
    directory: Path,
    lanes: Sequence[Lane],
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> None:
    """Train the lanes of one program and keep their records."""
    names = [[key(lane.cell), lane.seed] for lane in lanes]
    work = directory / "work" / _folder(names)
    work.mkdir(parents=True, exist_ok=True)
    runs.write_json(work / "lanes.json", names)
    records = lanes[0].cell.laboratory.train(lanes, work, tell, check)
    for lane, record in zip(lanes, records, strict=True):
        if path_of(directory, lane).exists():  # written before a kill
            continue
        facts = record.facts | provenance() | {"seed": lane.seed, "lanes": len(lanes)}
        write(directory, lane, Record(record.arrays, facts))
    shutil.rmtree(work)


class Progress:
    """A bar over cells with the time left on a terminal, a line per program elsewhere.

    Cells count by their expected cost, and the time left is what the runs of this process
    took, scaled to what is left.
    """

    def __init__(self, programs: Sequence[Sequence[Lane]]):
        self.costs = [sum(x.cell.laboratory.cost(x.cell.config) for x in p) for p in programs]
        self.cells = len({lane.cell for lanes in programs for lane in lanes})
        self.at, self.began = 0, time.monotonic()

    def __enter__(self) -> "Progress":
        self.bar = runs_progress.progress(0, self.cells, "cell", smoothing=0)
        return self

    def __exit__(self, *_: object) -> None:
        self.bar.close()

    def tell(self, share: float) -> None:
        """Say that a share of the program that runs now is done."""
        if not self.bar.disable:
            self.bar.update(round(self.cells * self._done(share), 1) - self.bar.n)

    def next(self) -> None:
        """Say that a program has ended."""
        self.tell(1)
        self.at += 1
        if self.bar.disable:
            done, spent = self._done(0), time.monotonic() - self.began
            runs_progress.say(
                f"{self.at} of {len(self.costs)} programs done after {duration(spent)}, "
                f"about {duration(spent * (1 - done) / done)} left"
            )

    def _done(self, share: float) -> float:
        costs = [*self.costs, 0]
        return (sum(costs[: self.at]) + share * costs[self.at]) / sum(costs)


def duration(seconds: float) -> str:
    """A time for people: ``45 s``, ``12 min``, ``3.4 h``."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
