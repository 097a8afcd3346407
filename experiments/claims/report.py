"""The report of a study of claims: a table of verdicts, a section per claim, the numbers."""

import textwrap
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from experiments.claims import words
from jaxgan.metrics import verdicts
from jaxgan.metrics.claims import (
    Claim,
    Finding,
    Origins,
    Outcome,
    Setting,
    cells_of,
    decide,
    diverged_runs,
)
from jaxgan.plots.report_page import LINE, Details, Notes, Section, Table
from jaxgan.runs.records import Laboratory, Records, key


class Report(NamedTuple):
    """The content of a study's page and files."""

    title: str
    lead: list[str]  # paragraphs above the table: what was tested, and what came out
    table: Table  # a row per entry
    sections: list[Section]  # one per entry
    numbers: Any  # as JSON
    rows: list[dict[str, Any]]  # as CSV
    method: Sequence[Notes] = ()  # below the table
    lines: Sequence[str] = ()  # in the terminal, a line per entry


def report(
    claims: Mapping[str, Claim],
    records: Records,
    command: Callable[[str], str],
    method: Sequence[Notes] = (),
) -> Report:
    """Decide the claims; ``command`` is the command that runs one of them, by its name."""
    outcomes = [decide(claim, records) for claim in claims.values()]
    entry_of: dict[bytes, str] = {}  # picture to the entry that has it
    head = ["claim", "what the report says", "verdict", "what was tested, part by part", "runs"]
    return Report(
        "What five reports say about GANs, tested",
        [*_lead(outcomes, records), *_judges(records)],
        Table(head, [_summary(outcome, records) for outcome in outcomes]),
        [_section(x, records, command(x.claim.name), entry_of) for x in outcomes],
        [_numbers(outcome) for outcome in outcomes],
        [_row(outcome, finding) for outcome in outcomes for finding in outcome.findings],
        method,
        [_line_of(outcome) for outcome in outcomes],
    )


_GANS = (
    "Five lab reports made claims about generative adversarial networks (GANs): two neural "
    "networks, of which one, the generator, learns to make points or pictures like those of a "
    "data set, while the other, the critic, learns to tell the two apart."
)
_WHY = (
    ", because chance alone may explain what was measured, or because the answer changes with "
    "a setting that the report leaves open"
)
_VERBS = {  # of one claim, and of several
    verdicts.HOLDS: ("holds", "hold"),
    verdicts.FAILS: ("does not hold", "do not hold"),
    verdicts.UNDECIDED: ("is undecided", "are undecided"),
}


def _lead(outcomes: Sequence[Outcome], records: Records) -> list[str]:
    """Three sentences: what was claimed, how it was tested, and what came out."""
    cells = cells_of(outcome.claim for outcome in outcomes)
    seeds = len(records[cells[0]])
    clauses = []
    for verdict, verbs in _VERBS.items():
        names = [x.claim.name for x in outcomes if x.overall.verdict == verdict]
        if names:
            list_text = "" if verdict == verdicts.UNDECIDED else f" ({words.join(names)})"
            clauses.append(f"{len(names)} {verbs[len(names) > 1]}{list_text}")
    any_undecided = any(x.overall.verdict == verdicts.UNDECIDED for x in outcomes)
    return [
        _GANS,
        f"This page tests {len(outcomes)} of these claims: each experiment was made "
        f"{words.plural(seeds, 'time')} with different random numbers (seeds), "
        f"{words.plural(seeds * len(cells), 'run')} in all, and each claim is judged by a "
        "rule in numbers.",
        f"Of the claims tested, {words.join(clauses)}{_WHY if any_undecided else ''}.",
    ]


def _judges(records: Records) -> list[str]:
    """Warning if runs were scored by different networks."""
    floors: dict[Laboratory, list[float]] = {}
    for cell, runs in records.items():
        each = [float(run.arrays["floor"]) for run in runs if "floor" in run.arrays]
        floors.setdefault(cell.laboratory, []).extend(each)
    if all(max(x, default=1) <= 1.001 * min(x, default=1) for x in floors.values()):
        return []
    return [
        "Take care: not all runs were judged by the same network, which was trained anew in "
        "between. Their Fréchet ratios cannot be compared."
    ]


def _summary(outcome: Outcome, records: Records) -> list[str]:
    claim = outcome.claim
    cells = cells_of([claim])
    by_part: dict[str, list[str]] = {}
    for finding in outcome.findings:
        by_part.setdefault(finding.part.rule, []).append(finding.verdict)
    rules = (
        f"{verdicts.overall(each).verdict}: {rule} {words.spread(each)}".rstrip()
        for rule, each in by_part.items()
    )
    runs, tally = sum(len(records[cell]) for cell in cells), diverged_runs(cells, records)
    return [
        claim.name,
        claim.sentence,
        _verdict(outcome),
        "\n".join(rules),
        f"{runs}" if tally.startswith("0 ") else f"{runs}\n{tally.split()[0]} diverged",
    ]


def _verdict(outcome: Outcome) -> str:
    """The verdict, and below it those of the settings where they do not agree."""
    spread = textwrap.wrap(words.spread(outcome.by_setting.values()), LINE)
    return "\n".join([outcome.overall.verdict, *spread])


def _in_a_line(outcome: Outcome) -> str:
    return _verdict(outcome).replace("\n", " ")


def _line_of(outcome: Outcome) -> str:
    return f"{outcome.claim.name}  {outcome.claim.sentence}  {_in_a_line(outcome)}"


def _section(
    outcome: Outcome, records: Records, command: str, entry_of: dict[bytes, str]
) -> Section:
    claim = outcome.claim
    # Its own only: those of another laboratory hold other arrays.
    drawings = claim.draw(claim.settings, {cell: records[cell] for cell in cells_of([claim])})
    elsewhere = dict.fromkeys(entry_of[x.image] for x in drawings if x.image in entry_of)
    pictures = [x for x in drawings if x.image not in entry_of]
    entry_of |= {x.image: claim.name for x in pictures}
    notes = [f"The pictures of {name} belong here too." for name in elsewhere]
    head = ["setting", "rule", "measured, with 95 % interval", "means over seeds", "verdict"]
    lines = []
    for name, verdict in outcome.by_setting.items():
        rows = [_line(x) for x in outcome.findings if x.setting == name]
        lines += [[f"{name}\n{verdict}", *rows[0]], *(["", *line] for line in rows[1:])]
    return Section(
        claim.name,
        claim.sentence,
        _in_a_line(outcome),
        [*claim.note.split("\n"), *_levels(outcome), *notes],
        Table(head, lines),
        pictures,
        command,
        _origins(claim),
    )


def _origins(claim: Claim) -> Details | None:
    """Who filled in what: first what all cells share, then what differs."""
    origins_by_cell = {
        (name, role): claim.origins(cell)
        for name, setting in claim.settings.items()
        for role, cell in setting.items()
    }
    if not any(x.report or x.ours for x in origins_by_cell.values()):
        return None

    def common_to_all(side: str) -> dict[str, str]:
        first, *others = (getattr(x, side) for x in origins_by_cell.values())
        return {n: v for n, v in first.items() if all(x.get(n) == v for x in others)}

    common = Origins(common_to_all("report"), common_to_all("ours"))
    rows = [["all", "all", *map(_join, common)]] if any(common) else []
    for (name, role), each in origins_by_cell.items():
        own = (
            {n: v for n, v in side.items() if n not in same}
            for side, same in zip(each, common, strict=True)
        )
        rows.append([name, role, *map(_join, own)])
    head = ["setting", "what is trained", "given in the report", "chosen here"]
    return Details("Settings of every run: the report's, and ours", Table(head, rows))


def _join(values: Mapping[str, str]) -> str:
    return "; ".join(f"{name} {value}" for name, value in values.items())


def _words(overall: verdicts.Overall) -> str:
    return f"{overall.verdict} (settings disagree)" if overall.depends else overall[0]


def _levels(outcome: Outcome) -> list[str]:
    """The verdicts at other levels."""
    if not outcome.by_level:
        return []
    others = words.join([f"{_words(each)} at {x:g}" for x, each in outcome.by_level.items()])
    levels = next(part.levels for part in outcome.claim.parts if part.levels)
    return [f"{levels.meaning} Verdicts at other levels: {others}."]


def _line(finding: Finding) -> list[str]:
    part, means = finding.part, []
    for role, values in finding.values.items():
        counts = {"diverged": finding.diverged[role], "never": finding.never[role]}
        notes = ", ".join(f"{count} {word}" for word, count in counts.items() if count)
        mean = words.mean_of(part, values.mean())
        means.append(f"{role}: {mean}" + (f" ({notes})" if notes else ""))
    effect = words.effect_text(part, finding.effect)
    return [part.rule, effect, "\n".join(means), finding.verdict]


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
