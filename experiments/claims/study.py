"""A study: runs what is missing, then writes a page and its numbers."""

import csv
import io
import json
import math
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from experiments.claims import cells as claims_cells
from experiments.claims import grid as claims_grid
from experiments.claims import report as claims_report
from experiments.claims import rules
from experiments.claims.cells import Cell, Records
from experiments.claims.page.page import page
from experiments.claims.report import Report
from jaxgan import runs
from jaxgan.metrics import intervals
from jaxgan.runs import progress

MAX_SEEDS = 4096


FOLDER = "runs/claims"  # unless there is --out


class Study(NamedTuple):
    """What is run, and what is made of it.

    Attributes:
      name: Of the files that it leaves.
      cells: To be run with every seed; none twice.
      least: Number of seeds below which nothing is decided.
      report: ``(records by cell, entry name -> command) -> Report``.
    """

    name: str
    cells: list[Cell]
    least: int
    report: Callable[[Records, Callable[[str], str]], Report]


def study_of_claims(claims: Mapping[str, rules.Claim]) -> Study:
    """The study of some claims."""
    return Study(
        "claims",
        rules.cells_of(claims.values()),
        intervals.MIN_SEEDS,
        lambda records, command: claims_report.report(claims, records, command),
    )


def study_of_grid(grid: Mapping[tuple[str, str], Mapping[float, Cell]]) -> Study:
    """The study of variants and optimizers, each at several learning rates."""
    return Study(
        "grid",
        [cell for rates in grid.values() for cell in rates.values()],
        2 * intervals.MIN_SEEDS,  # every other seed chooses
        lambda records, command: claims_grid.report(grid, records, command),
    )


def run(
    study: Study,
    directory: Path | str,
    *,
    seeds: int,
    command: Callable[[str], str] = str,
    source: str = "",
    fresh: bool = False,
    check: Callable[[], None] = lambda: None,
) -> Report:
    """Run what is missing of a study and write its page and its numbers.

    Args:
      study: What to run.
      directory: Made if missing; goes on with what it holds, whichever study made it.
      seeds: From 0.
      command: What runs one entry, by its name; all of them for an empty one.
      source: What the page says of the data.
      fresh: Start over instead.
      check: Called where it is safe to stop; raises ``Stopped`` to do so.

    Raises:
      InputError: If the directory holds something else.
      Stopped: By a signal, after saving.
    """
    directory, began = Path(directory), time.monotonic()
    with runs.Run(directory, {"kind": "study"}, fresh=fresh):
        records = claims_cells.gather(directory, study.cells, seeds, check)
        progress.say("draws the page")
        made = study.report(records, command)
        if seeds < study.least:
            line = f"--seeds={seeds} decides nothing here; {study.least} are needed."
            progress.say(line)
            made = made._replace(lead=[line, *made.lead])
        facts = {"command": command("")} | ({"data": source} if source else {})
        facts |= _facts(records)
        facts["this call"] = claims_cells.duration(time.monotonic() - began)
        path = directory / f"{study.name}.html"
        html = page(made.title, made.lead, made.table, made.sections, facts)
        runs.write_text(path, html)
        numbers = {"facts": facts, "entries": made.numbers}
        runs.write_json(path.with_suffix(".json"), numbers)
        runs.write_text(path.with_suffix(".csv"), _csv(made.rows))
    return made


def _facts(records: Records) -> dict[str, str]:
    """What the runs say of where they come from."""
    facts = [record.facts for each in records.values() for record in each]

    def told(name: str) -> str:
        return "; ".join(dict.fromkeys(str(x.get(name, "")) for x in facts))

    versions = dict.fromkeys(
        ", ".join(f"{n} {v}" for n, v in x.get("versions", {}).items()) for x in facts
    )
    seeds = len(next(iter(records.values())))
    return {
        "commit of the runs": told("commit"),
        "judged at commit": claims_cells.commit(),
        "versions": "; ".join(versions),
        "device": told("device"),
        "machine": told("machine"),
        "seeds": f"{seeds} (0 to {seeds - 1})",
        "runs": f"{len(facts)}, of {len(records)} cells",
        "wall time of the runs": claims_cells.duration(sum(x["seconds"] for x in facts)),
    }


def _csv(rows: Sequence[Mapping[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, rows[0], lineterminator="\n")
    writer.writeheader()
    for row in rows:
        bad = (x for x in row.items() if isinstance(x[1], float) and not math.isfinite(x[1]))
        writer.writerow({**row, **{name: "" for name, _ in bad}})
    return text.getvalue()


def show_plan(study: Study, directory: Path, seeds: int, *, fresh: bool = False) -> None:
    """Print what would be run, with ``fresh`` from nothing: what ``--dry_run`` is for."""
    with TemporaryDirectory() as empty:
        todo = claims_cells.plan(Path(empty) if fresh else directory, study.cells, seeds)
    lanes = [lane for program in todo.programs for lane in program]
    seconds = sum(lane.cell.laboratory.cost(lane.cell.config) for lane in lanes)
    told = {
        "writes": [str(directory / f"{study.name}.{end}") for end in ("html", "json", "csv")],
        "cells": len(study.cells),
        "runs": len(study.cells) * seeds,
        "runs there already": todo.done,
        "programs to run": len(todo.programs),
        "runs to make": len(lanes),
        "expected, of one core": claims_cells.duration(seconds),
    }
    print(json.dumps(told, indent=1))


def command_of(
    settings: Mapping[str, Any], only: Sequence[str], out: str, entry: str = ""
) -> str:
    """The command that runs a study again.

    Args:
      settings: By name of the flag.
      only: Names that were chosen; empty for all.
      out: The folder; empty for the usual one.
      entry: Run only this, in a folder of its own: the page of all stays as it is.
    """
    if entry:
        out = f"{Path(out or FOLDER)}-{entry.replace(',', '-')}"
    named = {**settings, "only": entry or ",".join(only), "out": out}
    words = [f"--{name}={value}" for name, value in named.items() if value != ""]
    return shlex.join(["python", "-m", "experiments.claims", *words])
