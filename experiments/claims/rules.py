"""Claims, and how each is decided on the records of its cells.

A claim is a sentence, what it says in numbers (``Part``), and the settings under which it is
tested, where a report leaves some open. A cell may be of any laboratory: parts see records,
and a measure knows what the arrays of a record mean.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from experiments.claims.page.pictures import Draw, no_pictures
from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval, bootstrap_t
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.records import Cell, Record, Records

Runs = Sequence[Record]  # of one role, by seed


def _nowhere(runs: Runs) -> np.ndarray:
    return np.zeros(len(runs), bool)


class Measure(NamedTuple):
    """A per-run statistic; its functions return ``[S]`` for the runs of a role."""

    name: str
    unit: str  # empty for a ratio
    values: Callable[[Runs], np.ndarray]  # finite for a run that diverged too
    unbounded: Callable[[Runs], np.ndarray] = _nowhere  # where the value is a lower bound
    # Where the value means nothing, since the run diverged and no value is the worst.
    unknown: Callable[[Runs], np.ndarray] = _nowhere
    # How far apart the runs of two roles are, where that is not the difference of values.
    apart: Callable[[Runs, Runs], np.ndarray] | None = None


class Part(NamedTuple):
    """One thing that a claim says: a number, or a difference of two, lies in a range."""

    rule: str  # in words
    measure: Measure
    roles: tuple[str, ...]  # one; or two, whose difference seed by seed it is about
    allowed: Range  # where the mean over seeds lies if the part is true
    levels: "Levels | None" = None  # where the part depends on a level that was set by eye


class Levels(NamedTuple):
    """A part at other levels than its own."""

    meaning: str  # of the level, after "had"
    others: tuple[float, ...]
    again: Callable[[float], Part]


Setting = Mapping[str, Cell]  # role, a name such as "WGAN", to cell


class Claim(NamedTuple):
    """A sentence of a report, and how it is tested; it holds if all its parts hold."""

    name: str  # as in A1
    sentence: str
    parts: tuple[Part, ...]
    settings: Mapping[str, Setting]  # ways to fill in what the report leaves open
    note: str  # what was filled in, and why
    draw: Draw = no_pictures


class Finding(NamedTuple):
    """The result of one part under one setting, with values and counts by role."""

    setting: str
    part: Part
    values: dict[str, np.ndarray]  # by seed
    effect: Interval  # of the number or the difference, over seeds
    diverged: dict[str, int]  # seeds that diverged; they count as the worst
    never: dict[str, int]  # seeds whose value is only a lower bound
    verdict: str


class Outcome(NamedTuple):
    """The result of a claim."""

    claim: Claim
    findings: list[Finding]
    by_setting: dict[str, str]  # verdict over all parts
    overall: verdicts.Overall  # over all settings
    by_level: dict[float, verdicts.Overall]  # the same at other levels


def decide(claim: Claim, records: Records) -> Outcome:
    """Test a claim on the records of its cells, which have the same seeds in order."""
    findings = _test(claim, records)
    by_setting = _join(findings)
    by_level = {}
    for level in next((part.levels.others for part in claim.parts if part.levels), ()):
        parts = (part.levels.again(level) if part.levels else part for part in claim.parts)
        other = _test(claim._replace(parts=tuple(parts)), records)
        by_level[level] = verdicts.overall(_join(other).values())
    overall = verdicts.overall(by_setting.values())
    return Outcome(claim, findings, by_setting, overall, by_level)


def _test(claim: Claim, records: Records) -> list[Finding]:
    return [
        _finding(name, part, {role: records[setting[role]] for role in part.roles})
        for name, setting in claim.settings.items()
        for part in claim.parts
    ]


def _join(findings: Iterable[Finding]) -> dict[str, str]:
    """The verdict over all parts under each setting."""
    by_setting: dict[str, list[str]] = {}
    for finding in findings:
        by_setting.setdefault(finding.setting, []).append(finding.verdict)
    return {name: verdicts.joint(each) for name, each in by_setting.items()}


def _finding(setting: str, part: Part, runs: dict[str, Runs]) -> Finding:
    measure, (first, *others) = part.measure, part.roles
    values = {role: measure.values(records) for role, records in runs.items()}
    never = {role: int(measure.unbounded(records).sum()) for role, records in runs.items()}
    if others and measure.apart:
        effects = measure.apart(*runs.values())
    else:
        effects = values[first] - values[others[0]] if others else values[first]
    effect = bootstrap_t(effects)
    # A lower bound says nothing about how large a number may be: how large the effect, or,
    # of the number that is taken away, how small.
    certain = effect._replace(high=math.inf) if never[first] else effect
    if any(never[role] for role in others):
        certain = certain._replace(low=-math.inf)
    if any(measure.unknown(records).any() for records in runs.values()):
        certain = certain._replace(low=-math.inf, high=math.inf)
    lost = {role: int(diverged(records).sum()) for role, records in runs.items()}
    verdict = verdicts.verdict(certain, part.allowed)
    return Finding(setting, part, values, effect, lost, never, verdict)


def cells_of(claims: Iterable[Claim]) -> list[Cell]:
    """The cells of all settings, none twice."""
    settings = [setting for claim in claims for setting in claim.settings.values()]
    return list(dict.fromkeys(cell for setting in settings for cell in setting.values()))


def only(settings: Mapping[str, Setting], *roles: str) -> dict[str, Setting]:
    """The settings with some of their roles."""
    return {name: {role: setting[role] for role in roles} for name, setting in settings.items()}


# Measures of any laboratory.


def column(records: Runs, name: str) -> np.ndarray:
    """One array of every record: ``[S, ...]``."""
    return np.stack([record.arrays[name] for record in records])


def diverged(records: Runs) -> np.ndarray:
    """Whether each run diverged: ``[S]``."""
    return column(records, "diverged_at") > 0


def lost_of(cells: Iterable[Cell], records: Records) -> str:
    """How many runs diverged, in words."""
    lost = np.concatenate([diverged(records[cell]) for cell in cells])
    return f"{lost.sum()} of {len(lost)} runs"


def capped(records: Runs, worst: str = "worst_ratio") -> np.ndarray:
    """Curves ``[S, E]``, none above the worst value, which diverged runs get."""
    return verdicts.at_worst(column(records, "curve"), column(records, worst)[:, np.newaxis])


@lru_cache
def first_within(what: str, level: float) -> Measure:
    """The first epoch at which ``curve``, which measures ``what``, is at most a level."""
    return Measure(
        f"first epoch with a {what} of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(column(records, "curve"), level),
        lambda records: verdicts.never_within(column(records, "curve"), level),
    )
