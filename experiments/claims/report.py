"""What the claims study says: the table of verdicts, a section per claim, the numbers."""

import math
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from experiments.claims.cells import Records, key
from experiments.claims.images.entries import RECOGNISABLE
from experiments.claims.page.page import Section, Table
from experiments.claims.points.entries import ROUGH, WELL
from experiments.claims.rules import Claim, Finding, Outcome, cells_of, judge
from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.verdicts import Range


class Report(NamedTuple):
    """What a study leaves.

    Attributes:
      title: Of the page.
      lead: Paragraphs above the table.
      table: One row per entry.
      sections: The entries.
      numbers: As JSON.
      rows: As CSV.
    """

    title: str
    lead: list[str]
    table: Table
    sections: list[Section]
    numbers: Any
    rows: list[dict[str, Any]]


LEAD = [
    "A sliced or exact ratio is the distance of generated points to held-out ones, divided by "
    "the distance of an equally large sample of the training points to the same held-out "
    "ones: a perfect generator scores 1. A fit is rough at a sliced ratio of at most "
    f"{ROUGH:g}, and good below an exact ratio of {WELL:g}. A Fréchet ratio is the same of "
    "images: of Fréchet distances between features that a network has learnt, which reads the "
    "factors of cartoon faces or the classes of Fashion-MNIST. Faces are recognisable at a "
    f"ratio of at most {RECOGNISABLE:g}. Epochs are passes over the training data.",
    "Every rule stands in the code before a study is run. From which ratio on a fit is rough, "
    "or a face recognisable, was set by eye, on pictures of a few runs of report B's networks, "
    "and of one WGAN-GP that is not in the study. A claim says that a mean over seeds, or a "
    "mean difference of runs with the same seed, lies in a range. It holds where "
    "the whole 95 % interval lies in the range, does not hold where all of it lies outside, "
    "and is undecided in between. A claim of several parts holds if all do, and does not if "
    "one does not; over several settings it has a verdict where they agree. Intervals are "
    "bootstrap-t over seeds, of which they need four, and are not corrected for the number of "
    "claims. What befalls fewer than about one in n of all seeds is, with n seeds, not in the "
    "interval: where few runs go badly wrong, it covers the mean far less often than it says.",
    "No run is dropped. One that diverged counts as a generator that puts every point on the "
    "mean of the data, or all of whose images have the mean features, and nothing counts as "
    "worse. One that never has a rough fit, or a face, counts as having it in the last epoch, "
    "a lower bound: where the claim speaks of that number, or of how much it exceeds another, "
    "the interval has no upper end; where it is the number that is taken away, no lower end. "
    "What has no worst, such as a loss or a share, leaves its part undecided where a run "
    "diverged.",
]


def report(
    claims: Mapping[str, Claim], records: Records, command: Callable[[str], str]
) -> Report:
    """Judge the claims.

    Args:
      claims: By name.
      records: Of every cell, by seed.
      command: What runs one claim, by its name.
    """
    outcomes = [judge(claim, records) for claim in claims.values()]
    shown: dict[bytes, str] = {}  # picture to the entry that has it
    head = ["claim", "what the report says", "verdict", "by setting", "seeds", "diverged"]
    table = Table(head, [_summary(outcome, records) for outcome in outcomes])
    sections = [_section(x, records, command(x.claim.name), shown) for x in outcomes]
    return Report(
        "What five reports say about GANs, tested",
        [*LEAD, *_judges(records)],
        table,
        sections,
        [_numbers(outcome) for outcome in outcomes],
        [row for outcome in outcomes for row in _rows(outcome)],
    )


def _judges(records: Records) -> list[str]:
    """What is to be said if runs of one laboratory were judged by different networks."""
    floors: dict[Any, list[float]] = {}
    for cell, each in records.items():
        found = [float(x.arrays["floor"]) for x in each if "floor" in x.arrays]
        floors.setdefault(cell.laboratory, []).extend(found)
    if all(max(x, default=1) <= 1.001 * min(x, default=1) for x in floors.values()):
        return []
    return [
        "Not all runs were judged by the same network, which was trained anew in between: "
        "their Fréchet ratios cannot be compared."
    ]


def _summary(outcome: Outcome, records: Records) -> list[str]:
    claim, overall = outcome.claim, outcome.overall
    cells = cells_of([claim])
    diverged = sum(int(r.arrays["diverged_at"]) > 0 for cell in cells for r in records[cell])
    runs = sum(len(records[cell]) for cell in cells)
    return [
        claim.name,
        claim.sentence,
        overall.verdict + ("\ndepends on the setting" if overall.depends else ""),
        "\n".join(f"{verdict}: {name}" for name, verdict in outcome.by_setting.items()),
        str(len(records[cells[0]])),
        f"{diverged} of {runs} runs",
    ]


def _section(
    outcome: Outcome, records: Records, command: str, shown: dict[bytes, str]
) -> Section:
    claim = outcome.claim
    # Its own only: those of another laboratory hold other arrays.
    drawn = claim.draw(claim.settings, {cell: records[cell] for cell in cells_of([claim])})
    elsewhere = dict.fromkeys(shown[x.image] for x in drawn if x.image in shown)
    pictures = [x for x in drawn if x.image not in shown]
    shown |= {x.image: claim.name for x in pictures}
    notes = [f"Pictures of {name} belong here too." for name in elsewhere]
    head = ["setting", "rule", "effect and 95 % interval", "means by role", "verdict"]
    return Section(
        claim.name,
        claim.sentence,
        _told(outcome.overall),
        [claim.note, *_levels(outcome), *notes],
        Table(head, [_line(finding) for finding in outcome.findings]),
        pictures,
        command,
    )


def _told(overall: verdicts.Overall) -> str:
    return f"{overall.verdict}, it depends on the setting" if overall.depends else overall[0]


def _levels(outcome: Outcome) -> list[str]:
    """What the verdict would be at another level."""
    if not outcome.by_level:
        return []
    others = "; ".join(f"{x:g}: {_told(each)}" for x, each in outcome.by_level.items())
    levels = next(part.levels for part in outcome.claim.parts if part.levels)
    return [f"The verdict, had {levels.meaning}. {others}."]


def _line(finding: Finding) -> list[str]:
    part = finding.part
    told = []
    for role, values in finding.values.items():
        notes = [
            f"{count} {what}"
            for count, what in (
                (finding.diverged[role], "diverged"),
                (finding.never[role], "never"),
            )
            if count
        ]
        told.append(
            f"{role} {number(values.mean())}" + (f" ({', '.join(notes)})" if notes else "")
        )
    effect = f"{interval(finding.effect)} {part.measure.unit}".rstrip()
    effect += f"\nclaimed: {claimed(part.allowed)}"
    return [finding.setting, part.rule, effect, "\n".join(told), finding.verdict]


def number(value: float) -> str:
    """Three digits that count, none after the point from 100 on."""
    if not math.isfinite(value):
        return "?"
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def interval(effect: Interval) -> str:
    """An effect with its interval."""
    return f"{number(effect.mean)} [{number(effect.low)}, {number(effect.high)}]"


def claimed(range_: Range) -> str:
    """A range in words."""
    low, high = range_
    if math.isinf(high):
        return f"above {low:.3g}"
    if math.isinf(low):
        return f"below {high:.3g}"
    return f"from {low:.3g} to {high:.3g}"


def _numbers(outcome: Outcome) -> dict[str, Any]:
    claim = outcome.claim
    return {
        "claim": claim.name,
        "sentence": claim.sentence,
        "verdict": outcome.overall.verdict,
        "depends_on_setting": outcome.overall.depends,
        "had_level_been": {f"{x:g}": each._asdict() for x, each in outcome.by_level.items()},
        "settings": {
            name: {
                "verdict": outcome.by_setting[name],
                "cells": {
                    role: {
                        "key": key(cell),
                        **cell.laboratory.identity(cell.config),
                    }
                    for role, cell in setting.items()
                },
                "parts": [_part(x) for x in outcome.findings if x.setting == name],
            }
            for name, setting in claim.settings.items()
        },
    }


def _part(finding: Finding) -> dict[str, Any]:
    return {
        "rule": finding.part.rule,
        "measure": finding.part.measure.name,
        "unit": finding.part.measure.unit,
        "roles": finding.part.roles,
        "effect": finding.effect._asdict(),
        "allowed": finding.part.allowed._asdict(),
        "verdict": finding.verdict,
        "diverged": finding.diverged,
        "never": finding.never,
        "by_seed": finding.values,
    }


def _rows(outcome: Outcome) -> list[dict[str, Any]]:
    return [
        {
            "claim": outcome.claim.name,
            "claim_verdict": outcome.overall.verdict,
            "depends_on_setting": outcome.overall.depends,
            "setting": finding.setting,
            "setting_verdict": outcome.by_setting[finding.setting],
            "rule": finding.part.rule,
            "measure": finding.part.measure.name,
            "roles": " - ".join(finding.part.roles),
            "effect": finding.effect.mean,
            "low": finding.effect.low,
            "high": finding.effect.high,
            "unit": finding.part.measure.unit,
            "allowed_low": finding.part.allowed.low,
            "allowed_high": finding.part.allowed.high,
            "verdict": finding.verdict,
            "seeds": len(finding.values[finding.part.roles[0]]),
            "diverged": sum(finding.diverged.values()),
            "never": sum(finding.never.values()),
        }
        for finding in outcome.findings
    ]
