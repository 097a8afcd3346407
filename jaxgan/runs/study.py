"""A resumable study: trains every cell (configuration) with every seed, each once.

Lanes that differ only in seeds or traced values run in one compiled program. A run whose
record is in the folder is not trained again, even if another study made it, and an
interrupted run resumes. A ``Laboratory`` needs two functions: one returns the settings that
determine a result, the other trains.

    >>> import numpy as np, tempfile
    >>> from jaxgan.runs.records import Cell, Laboratory, Record
    >>> def train(lanes, work):
    ...     for lane in lanes:
    ...         loss = np.random.default_rng(lane.seed).normal(lane.cell.config)
    ...         yield Record({"loss": np.array(loss)}, {"seconds": 0.0})
    >>> laboratory = Laboratory("dice", 1, lambda mean: {"mean": mean}, train)
    >>> cells = [Cell(laboratory, 0.0), Cell(laboratory, 9.0)]
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     records = gather(Path(folder), cells, seeds=2)
    >>> [len(records[cell]) for cell in cells]
    [2, 2]
"""

import json
import shutil
from collections.abc import Callable, Hashable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

from jaxgan.errors import InputError
from jaxgan.runs.directory import write_json
from jaxgan.runs.progress import Forecast, say
from jaxgan.runs.records import (
    Cell,
    Lane,
    Record,
    Work,
    digest,
    key,
    path_of,
    provenance,
    read,
    write,
)


class Plan(NamedTuple):
    """The missing runs of a study.

    Attributes:
      programs: Lanes of each program; interrupted programs come first.
      done: Number of runs that are complete.
    """

    programs: list[list[Lane]]
    done: int


def plan(directory: Path, cells: Iterable[Cell], seeds: int) -> Plan:
    """Group the missing runs into programs.

    An interrupted program comes first and keeps its lanes, so that it ends with the same
    results.

    Args:
      directory: As in ``complete``.
      cells: As in ``complete``.
      seeds: As in ``complete``.
    """
    cells = list(cells)
    all_lanes = [Lane(cell, seed) for cell in cells for seed in range(seeds)]
    missing = {lane: None for lane in all_lanes if not path_of(directory, lane).exists()}
    done = len(all_lanes) - len(missing)
    programs = []
    for lanes in _interrupted_programs(directory, cells).values():
        if any(lane in missing for lane in lanes):
            programs.append(lanes)
            missing = {lane: None for lane in missing if lane not in lanes}
    groups: dict[Hashable, list[Lane]] = {}
    for lane in missing:
        laboratory, config = lane.cell
        groups.setdefault((laboratory, laboratory.program(config)), []).append(lane)
    return Plan(programs + list(groups.values()), done)


def _interrupted_programs(directory: Path, cells: Iterable[Cell]) -> dict[Path, list[Lane]]:
    """Return the lanes of interrupted programs by folder, if all their cells are given.

    A folder whose name does not match its lanes is ignored.
    """
    by_key, programs = {key(cell): cell for cell in cells}, {}
    for path in sorted((directory / "work").glob("*/lanes.json")):
        try:
            names = [[str(name), int(seed)] for name, seed in json.loads(path.read_text())]
        except (OSError, ValueError, TypeError, OverflowError, RecursionError):
            continue
        if path.parent.name == digest(names) and all(name in by_key for name, _ in names):
            programs[path.parent] = [Lane(by_key[name], seed) for name, seed in names]
    return programs


def complete(
    directory: Path,
    cells: Iterable[Cell],
    seeds: int,
    check: Callable[[], None] = lambda: None,
) -> None:
    """Train all cells with all seeds, except for runs that are complete.

    Args:
      directory: Folder of the study: ``cells`` has the records, ``work`` the checkpoints of
        unfinished runs.
      cells: Cells of any laboratories, without repetition.
      seeds: Number of runs per cell; their seeds count from 0.
      check: Called where it is safe to stop; may raise ``Stopped``.
    """
    cells = list(cells)
    todo = plan(directory, cells, seeds)
    if todo.done:
        say(f"{todo.done} runs are already complete")
    costs = [sum(x.cell.laboratory.cost(x.cell.config) for x in p) for p in todo.programs]
    count = len({lane.cell for lanes in todo.programs for lane in lanes})
    with Forecast(costs, count, "cell", "programs") as forecast:
        for lanes in todo.programs:
            _run(directory, lanes, forecast.tell, check)
            forecast.next()
    # Programs that were killed after their last record.
    for folder, lanes in _interrupted_programs(directory, cells).items():
        if all(path_of(directory, lane).exists() for lane in lanes):
            shutil.rmtree(folder)


def gather(
    directory: Path,
    cells: Iterable[Cell],
    seeds: int,
    check: Callable[[], None] = lambda: None,
) -> dict[Cell, list[Record]]:
    """Return the records of cells by seed; train runs whose record is missing or damaged.

    The module's docstring has an example.

    Args:
      directory: As in ``complete``.
      cells: As in ``complete``.
      seeds: As in ``complete``.
      check: As in ``complete``.

    Raises:
      InputError: If a damaged record was written again and is still damaged.
    """
    cells = list(cells)
    lanes = [Lane(cell, seed) for cell in cells for seed in range(seeds)]
    reruns: set[Lane] = set()
    while True:
        complete(directory, cells, seeds, check)
        records = {lane: read(directory, lane) for lane in lanes}
        intact = {lane: record for lane, record in records.items() if record is not None}
        if len(intact) == len(lanes):
            return {cell: [intact[Lane(cell, s)] for s in range(seeds)] for cell in cells}
        damaged_lanes = records.keys() - intact.keys()
        for lane in damaged_lanes & reruns:
            raise InputError(f"{path_of(directory, lane)}: damaged again after a new run")
        for lane in damaged_lanes:
            path_of(directory, lane).unlink(missing_ok=True)
        reruns |= damaged_lanes


def _run(
    directory: Path,
    lanes: Sequence[Lane],
    tell: Callable[[float], None],
    check: Callable[[], None],
) -> None:
    """Train the lanes of one program and write their records."""
    names = [[key(lane.cell), lane.seed] for lane in lanes]
    folder = directory / "work" / digest(names)
    folder.mkdir(parents=True, exist_ok=True)
    write_json(folder / "lanes.json", names)
    laboratory = lanes[0].cell.laboratory
    records = laboratory.train(lanes, Work(folder, tell, check))
    for lane, record in zip(lanes, records, strict=True):
        if path_of(directory, lane).exists():  # written before the process was killed
            continue
        facts = {**record.facts, **provenance(laboratory)}
        facts |= {"seed": lane.seed, "lanes": len(lanes)}
        write(directory, lane, Record(record.arrays, facts))
    shutil.rmtree(folder)
