"""The scores of a run's directions: compute, read, print and format for the page."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from experiments.sefa import supervise
from experiments.sefa.config import Config
from jaxgan import runs
from jaxgan.judges.oracles import Eyes, Oracle
from jaxgan.runs.progress import printable
from jaxgan.sefa import Directions, scoring

FILE = "attributes.json"


def panel(config: Config) -> list[Oracle]:
    """Return the oracles; none unless ``--attributes`` is given."""
    if not config.attributes:
        return []
    return scoring.panel(
        Eyes(*config.eyes),
        config.attribute_data,
        config.attribute_labels,
        Eyes(*config.attribute_eyes),
        config.likeness == "faces",
    )


def scores(
    config: Config,
    directory: Path,
    audience: scoring.Audience,
    directions: Directions,
    units: np.ndarray,
    distances: np.ndarray,
) -> dict[str, Any] | None:
    """Score the directions, resuming an earlier start; None without oracles."""
    if not audience.judges:
        return None
    report = read(directory)
    if report and len(report["directions"]) == len(directions.vectors):
        return report
    people, truncation = config.attribute_samples, config.truncation_options
    return scoring.score_directions(
        audience,
        directions,
        units,
        distances,
        scoring.meet(audience, people, seed=config.seed, **truncation),
        people,
        previous=report["directions"] if report else (),
        save=lambda report: runs.write_json(directory / FILE, report),
    )


def read(directory: Path) -> dict[str, Any] | None:
    """Read the scores of an earlier start of the run; None if there are none."""
    try:
        report = json.loads((directory / FILE).read_text())
    except (OSError, ValueError):
        return None
    return report if isinstance(report, dict) and "directions" in report else None


def facts(entry: dict[str, Any]) -> dict[str, str]:
    """Return the page's facts about a direction from its entry in the report."""
    rows = {"measured": entry["measured"]} if "measured" in entry else {}
    rows["faces seen when moved"] = f"{entry['seen']:.0%}"
    if entry["name"]:
        rows |= {"towards +": entry["plus"], "towards -": entry["minus"]}
    strongest = sorted(entry["shifts"], key=lambda row: -abs(row["in_sd"] or 0))[:3]
    for row in strongest:
        ends = " … ".join(_text(row[at]["mean"]) for at in ("first", "still", "last"))
        rows[f"{row['attribute']}, {row['unit']}"] = ends
    if entry["likeness"]:
        rows["likeness at both ends"] = _likeness(entry["likeness"])
    return rows


def show(report: dict[str, Any], names: Sequence[str]) -> None:
    """Print how every direction changes people."""
    for number, (name, entry) in enumerate(zip(names, report["directions"], strict=True), 1):
        print(f"\n{number}. {printable(name)}: {entry['seen']:.0%} of moved faces seen")
        if entry["name"]:
            print(f"   +: {entry['plus']}; -: {entry['minus']}")
        if entry["likeness"]:
            print(f"   likeness at both ends: {_likeness(entry['likeness'])}")
        for line in entry["lines"]:
            print(f"   {printable(line)}")


def _likeness(entry: dict[str, Any]) -> str:
    """Format the cosines of people at both ends to themselves, and those of strangers."""
    first, last = (_text(entry["means"][t]["mean"], ".2f") for t in (0, -1))
    return f"{first} and {last}; strangers {_text(entry['strangers'], '.2f')}"


def _text(number: float | None, form: str = ".3g") -> str:
    return "unknown" if number is None else format(number, form)


def of_direction(summary: Mapping[str, Any], k: int) -> dict[str, str]:
    """Return the page's facts about a direction."""
    rows = supervise.facts(dict(summary), k)
    if summary["share"][k]:
        rows["share of the spectrum"] = f"{100 * summary['share'][k]:.2g} %"
    rows |= {
        "image change per unit of code": f"{summary['change_per_unit'][k]:.3f}",
        "smoothness": f"{summary['smoothness'][k]:.2f}",
    }
    if abs(summary["unit"][k] - 1) > 1e-6:
        rows["one unit"] = f"{summary['unit'][k]:.3g} of code"
    if summary["layers"][k]:
        strongest = ", ".join(map(str, summary["strongest_layers"][k]))
        rows |= {"layers": summary["layers"][k], "strongest in": strongest}
    scores = summary["attributes"]
    entry = scores["directions"][k] if scores else summary["known"][k]
    if entry:
        rows = facts(entry) | rows
    return rows
