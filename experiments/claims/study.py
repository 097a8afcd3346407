"""A study: runs what is missing, then writes a page and its numbers."""

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple

from experiments.claims.report import Report
from jaxgan import runs
from jaxgan.plots.report_page import report_page
from jaxgan.runs import progress
from jaxgan.runs import study as runs_study
from jaxgan.runs.directory import write_csv
from jaxgan.runs.records import Cell, Records, commit

MAX_SEEDS = 4096
FOLDER = "runs/claims"  # unless there is --out


class Study(NamedTuple):
    """Cells to run, and the report on them."""

    name: str  # of the files that it leaves
    cells: list[Cell]  # none twice
    least: int  # seeds below which nothing is decided
    # (records by cell, entry name -> command) -> report
    report: Callable[[Records, Callable[[str], str]], Report]


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

    The directory may hold runs of any study; with ``fresh`` they are deleted. The page tells
    the ``command`` of each entry, by its name, and of all, by an empty one; and the
    ``source`` of the data.

    Raises:
      InputError: If the directory holds something else.
      Stopped: By a signal, after saving.
    """
    directory = Path(directory)
    with runs.Run(directory, {"kind": "study"}, fresh=fresh):
        records = runs_study.gather(directory, study.cells, seeds, check)
        progress.say("draws the page")
        report = study.report(records, command)
        if seeds < study.least:
            line = f"--seeds={seeds} decides nothing here; {study.least} are needed."
            progress.say(line)
            report = report._replace(lead=[line, *report.lead])
        facts = {"command": command("")} | ({"data": source} if source else {})
        facts |= _facts(records)
        html = report_page(
            report.title, report.lead, report.table, report.sections, facts, report.method
        )
        runs.write_text(directory / f"{study.name}.html", html)
        numbers = {"facts": facts, "entries": report.numbers}
        runs.write_json(directory / f"{study.name}.json", numbers)
        write_csv(directory / f"{study.name}.csv", runs.to_json(report.rows))
    return report


def _facts(records: Records) -> dict[str, str]:
    """The provenance of the runs, in words."""
    facts = [record.facts for each in records.values() for record in each]

    def distinct(values) -> str:
        return "; ".join(dict.fromkeys(values))

    versions = (", ".join(f"{n} {v}" for n, v in x.get("versions", {}).items()) for x in facts)
    seeds = len(next(iter(records.values())))
    return {
        "commit of the runs": distinct(str(x.get("commit", "")) for x in facts),
        "judged at commit": commit(run),
        "versions": distinct(versions),
        "device": distinct(str(x.get("device", "")) for x in facts),
        "machine": distinct(str(x.get("machine", "")) for x in facts),
        "seeds": f"{seeds} (0 to {seeds - 1})",
        "runs": f"{len(facts)}: {len(records)} configurations with every seed",
        "time of all runs": progress.duration(sum(x["seconds"] for x in facts)),
    }


def show_plan(study: Study, directory: Path, seeds: int, *, fresh: bool = False) -> None:
    """Print what would run, with ``fresh`` from nothing: the effect of ``--dry_run``."""
    with TemporaryDirectory() as empty:
        todo = runs_study.plan(Path(empty) if fresh else directory, study.cells, seeds)
    lanes = [lane for program in todo.programs for lane in program]
    seconds = sum(lane.cell.laboratory.cost(lane.cell.config) for lane in lanes)
    facts = {
        "writes": [str(directory / f"{study.name}.{end}") for end in ("html", "json", "csv")],
        "cells": len(study.cells),
        "runs": len(study.cells) * seeds,
        "runs there already": todo.done,
        "programs to run": len(todo.programs),
        "runs to make": len(lanes),
        "expected, of one core": progress.duration(seconds),
    }
    print(json.dumps(facts, indent=1))


def command_of(
    settings: Mapping[str, Any], only: Sequence[str], out: str, entry: str = ""
) -> str:
    """The command that runs a study again, or one entry in a folder of its own.

    ``only`` are the names that were chosen, empty for all; ``out`` is empty for the usual
    folder. The page of all entries stays as it is.
    """
    if entry:
        out = f"{Path(out or FOLDER)}-{entry.replace(',', '-')}"
    flags = {**settings, "only": entry or ",".join(only), "out": out}
    flags = {n: ",".join(x) if isinstance(x, tuple) else x for n, x in flags.items()}
    words = [f"--{name}={value}" for name, value in flags.items() if value != ""]
    return shlex.join(["python", "-m", "experiments.claims", *words])
