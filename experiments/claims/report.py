"""The report of a study of claims: a table of verdicts, a section per claim, the numbers."""

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from jaxgan.metrics import verdicts
from jaxgan.metrics.claims import (
    Claim,
    Finding,
    Origins,
    Outcome,
    Setting,
    cells_of,
    decide,
    lost_of,
)
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.verdicts import Range
from jaxgan.plots.report_page import Details, Section, Table
from jaxgan.runs.records import Laboratory, Records, key


class Report(NamedTuple):
    """The content of a study's page and files."""

    title: str
    lead: list[str]  # paragraphs above the table
    table: Table  # a row per entry
    sections: list[Section]  # one per entry
    numbers: Any  # as JSON
    rows: list[dict[str, Any]]  # as CSV


def report(
    claims: Mapping[str, Claim],
    records: Records,
    command: Callable[[str], str],
    lead: Sequence[str] = (),
) -> Report:
    """Decide the claims; ``command`` is the command that runs one of them, by its name."""
    outcomes = [decide(claim, records) for claim in claims.values()]
    shown: dict[bytes, str] = {}  # picture to the entry that has it
    head = ["claim", "what the report says", "verdict", "by setting", "seeds", "diverged"]
    return Report(
        "What five reports say about GANs, tested",
        [*lead, *_judges(records)],
        Table(head, [_summary(outcome, records) for outcome in outcomes]),
        [_section(x, records, command(x.claim.name), shown) for x in outcomes],
        [_numbers(outcome) for outcome in outcomes],
        [_row(outcome, finding) for outcome in outcomes for finding in outcome.findings],
    )


def _judges(records: Records) -> list[str]:
    """Warning if runs were scored by different networks."""
    floors: dict[Laboratory, list[float]] = {}
    for cell, runs in records.items():
        each = [float(run.arrays["floor"]) for run in runs if "floor" in run.arrays]
        floors.setdefault(cell.laboratory, []).extend(each)
    if all(max(x, default=1) <= 1.001 * min(x, default=1) for x in floors.values()):
        return []
    return [
        "Not all runs were judged by the same network, which was trained anew in between: "
        "their Fréchet ratios cannot be compared."
    ]


def _summary(outcome: Outcome, records: Records) -> list[str]:
    claim, overall = outcome.claim, outcome.overall
    cells = cells_of([claim])
    return [
        claim.name,
        claim.sentence,
        "\n".join([overall.verdict, *_spread(outcome)]),
        "\n".join(f"{verdict}: {name}" for name, verdict in outcome.by_setting.items()),
        str(len(records[cells[0]])),
        lost_of(cells, records),
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
        ", ".join([outcome.overall.verdict, *_spread(outcome)]),
        [claim.note, *_levels(outcome), *notes],
        Table(head, [_line(finding) for finding in outcome.findings]),
        pictures,
        command,
        _origins(claim),
    )


def _origins(claim: Claim) -> Details | None:
    """Who filled in what: first what all cells share, then what differs."""
    named = {
        (name, role): claim.origins(cell)
        for name, setting in claim.settings.items()
        for role, cell in setting.items()
    }
    if not any(x.report or x.ours for x in named.values()):
        return None

    def shared(side: str) -> dict[str, str]:
        first, *others = (getattr(x, side) for x in named.values())
        return {n: v for n, v in first.items() if all(x.get(n) == v for x in others)}

    common = Origins(shared("report"), shared("ours"))
    rows = [["all", "all", *map(_listed, common)]] if any(common) else []
    for (name, role), each in named.items():
        own = (
            {n: v for n, v in side.items() if n not in same}
            for side, same in zip(each, common, strict=True)
        )
        rows.append([name, role, *map(_listed, own)])
    head = ["setting", "role", "in the report", "filled in here"]
    return Details("Who filled in what", Table(head, rows))


def _listed(values: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in values.items())


def _spread(outcome: Outcome) -> list[str]:
    """How many settings have which verdict, where they do not agree."""
    counts = Counter(outcome.by_setting.values())
    if len(counts) == 1:
        return []
    each = ", ".join(f"{x} in {counts[x]}" for x in verdicts.VERDICTS if x in counts)
    return [f"of {counts.total()} settings: {each}"]


def _words(overall: verdicts.Overall) -> str:
    return f"{overall.verdict}, it depends on the setting" if overall.depends else overall[0]


def _levels(outcome: Outcome) -> list[str]:
    """The verdicts at other levels."""
    if not outcome.by_level:
        return []
    others = "; ".join(f"{x:g}: {_words(each)}" for x, each in outcome.by_level.items())
    levels = next(part.levels for part in outcome.claim.parts if part.levels)
    return [f"The verdict, had {levels.meaning}. {others}."]


def _line(finding: Finding) -> list[str]:
    part, means = finding.part, []
    for role, values in finding.values.items():
        counts = {"diverged": finding.diverged[role], "never": finding.never[role]}
        notes = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        means.append(f"{role} {number(values.mean())}" + (f" ({notes})" if notes else ""))
    effect = f"{interval(finding.effect)} {part.measure.unit}".rstrip()
    effect += f"\nclaimed: {claimed(part.allowed)}"
    return [finding.setting, part.rule, effect, "\n".join(means), finding.verdict]


def number(value: float) -> str:
    """Three significant digits, none after the point from 100 on."""
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

    def cells(setting: Setting) -> dict[str, Any]:
        return {
            role: {
                "key": key(cell),
                **cell.laboratory.identity(cell.config),
                "origins": claim.origins(cell)._asdict(),
            }
            for role, cell in setting.items()
        }

    return {
        "claim": claim.name,
        "sentence": claim.sentence,
        "verdict": outcome.overall.verdict,
        "settings_by_verdict": Counter(outcome.by_setting.values()),
        "depends_on_setting": outcome.overall.depends,
        "had_level_been": {f"{x:g}": each._asdict() for x, each in outcome.by_level.items()},
        "settings": {
            name: {
                "verdict": outcome.by_setting[name],
                "cells": cells(setting),
                "parts": [_part(x) for x in outcome.findings if x.setting == name],
            }
            for name, setting in claim.settings.items()
        },
    }


def _part(finding: Finding) -> dict[str, Any]:
    part = finding.part
    return {
        "rule": part.rule,
        "measure": part.measure.name,
        "unit": part.measure.unit,
        "roles": part.roles,
        "effect": finding.effect._asdict(),
        "allowed": part.allowed._asdict(),
        "verdict": finding.verdict,
        "diverged": finding.diverged,
        "never": finding.never,
        "by_seed": finding.values,
    }


def _row(outcome: Outcome, finding: Finding) -> dict[str, Any]:
    part, effect = finding.part, finding.effect
    return {
        "claim": outcome.claim.name,
        "claim_verdict": outcome.overall.verdict,
        "depends_on_setting": outcome.overall.depends,
        "setting": finding.setting,
        "setting_verdict": outcome.by_setting[finding.setting],
        "rule": part.rule,
        "measure": part.measure.name,
        "roles": " - ".join(part.roles),
        "effect": effect.mean,
        "low": effect.low,
        "high": effect.high,
        "unit": part.measure.unit,
        "allowed_low": part.allowed.low,
        "allowed_high": part.allowed.high,
        "verdict": finding.verdict,
        "seeds": len(finding.values[part.roles[0]]),
        "diverged": sum(finding.diverged.values()),
        "never": sum(finding.never.values()),
    }
