"""Claims about runs, and how each is decided on the records of its cells.

A claim is a sentence, what it says in numbers (``Part``), and the settings under which it is
tested, where the sentence leaves some open. Parts see records, of any laboratory, and a
measure knows what the arrays of a record mean.

    >>> from jaxgan.runs.records import Laboratory
    >>> laboratory = Laboratory("toy", 1, lambda name: {"name": name}, lambda lanes, work: [])
    >>> cells = {name: Cell(laboratory, name) for name in ("old", "new")}
    >>> def runs(mean):
    ...     losses = np.random.default_rng(0).normal(mean, size=8)
    ...     return [Record({"loss": x, "diverged_at": np.array(0)}, {}) for x in losses]
    >>> loss = Measure("final loss", "", lambda records: column(records, "loss"))
    >>> part = Part("new ends more than 2 below old", loss, ("old", "new"), Range(low=2))
    >>> claim = Claim("X1", "New is better.", (part,), {"only": cells}, "A toy.")
    >>> decide(claim, {cells["old"]: runs(5.0), cells["new"]: runs(1.0)}).overall.verdict
    'holds'
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

import numpy as np

from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval, bootstrap_t
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.records import Cell, Record, Records

Runs = Sequence[Record]  # of one role, by seed
Setting = Mapping[str, Cell]  # role to cell; a role is a name that a claim uses for a cell
# (setting name to setting, records) -> what a page shows of them
Draw = Callable[[Mapping[str, Setting], Records], Sequence[Any]]


def _nowhere(runs: Runs) -> np.ndarray:
    return np.zeros(len(runs), bool)


class Measure(NamedTuple):
    """A per-run statistic.

    Attributes:
      name: What it measures.
      unit: Of it and of differences; empty for a ratio.
      values: ``runs -> [S]``; finite for a run that diverged too.
      unbounded: ``runs -> [S]``: where the value is only a lower bound.
      unknown: ``runs -> [S]``: where the value means nothing, since a run diverged and no
        value is the worst.
      apart: ``(runs of one role, of another) -> [S]``: how far apart two runs are, where
        that is not the difference of their values.
    """

    name: str
    unit: str
    values: Callable[[Runs], np.ndarray]
    unbounded: Callable[[Runs], np.ndarray] = _nowhere
    unknown: Callable[[Runs], np.ndarray] = _nowhere
    apart: Callable[[Runs, Runs], np.ndarray] | None = None


class Part(NamedTuple):
    """One thing that a claim says: a number, or a difference of two, lies in a range.

    Attributes:
      rule: The part in words.
      measure: Of the number.
      roles: One role; or two, of which the second's number is taken from the first's, seed
        by seed, unless the measure says how far apart they are.
      allowed: Where the mean over seeds lies if the part is true.
      levels: Other levels, where the part depends on one that was set by eye.
    """

    rule: str
    measure: Measure
    roles: tuple[str, ...]
    allowed: Range
    levels: "Levels | None" = None


class Levels(NamedTuple):
    """A part at other levels than its own.

    Attributes:
      meaning: What the level is, a sentence.
      others: Levels.
      again: ``level -> part``.
    """

    meaning: str
    others: tuple[float, ...]
    again: Callable[[float], Part]


class Origins(NamedTuple):
    """Who chose the settings of a cell; each a name and a value, in words.

    Attributes:
      report: Settings that are in the report that makes the claim.
      ours: Those that were filled in, or that differ from the report's.
    """

    report: dict[str, str]
    ours: dict[str, str]


class Claim(NamedTuple):
    """A sentence, and how it is tested.

    Attributes:
      name: Short, such as ``A1``.
      sentence: What is claimed.
      parts: The claim holds if each holds; a setting is tested on those whose roles it has.
      settings: Ways to fill in what the sentence leaves open, by name.
      note: What was filled in, and why.
      draw: Makes pictures of the settings.
      origins: Tells who chose the settings of a cell.
    """

    name: str
    sentence: str
    parts: tuple[Part, ...]
    settings: Mapping[str, Setting]
    note: str
    draw: Draw = lambda settings, records: []
    origins: Callable[[Cell], Origins] = lambda cell: Origins({}, {})


class Finding(NamedTuple):
    """The result of one part under one setting.

    Attributes:
      setting: Its name.
      part: The part.
      values: Role to numbers by seed.
      effect: The number or the difference, with its interval over seeds.
      diverged: Role to the number of seeds that diverged.
      never: Role to the number of seeds whose value is only a lower bound.
      verdict: Of this part under this setting.
    """

    setting: str
    part: Part
    values: dict[str, np.ndarray]
    effect: Interval
    diverged: dict[str, int]
    never: dict[str, int]
    verdict: str


class Outcome(NamedTuple):
    """The result of a claim.

    Attributes:
      claim: The claim.
      findings: Of every part under every setting.
      by_setting: Setting to the verdict over all parts.
      overall: The verdict over all settings.
      by_level: The same at other levels, where a part has some.
    """

    claim: Claim
    findings: list[Finding]
    by_setting: dict[str, str]
    overall: verdicts.Overall
    by_level: dict[float, verdicts.Overall]


def decide(claim: Claim, records: Records) -> Outcome:
    """Test a claim on the records of its cells.

    Args:
      claim: The claim.
      records: Of every cell, by the same seeds in the same order. Each has
        ``diverged_at``, the epoch in which the run diverged, or 0.
    """
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
        if setting.keys() >= set(part.roles)
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


# Arrays and measures that any laboratory may have.


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
    """Arrays ``curve`` ``[S, E]``, none above the worst value, which diverged runs get."""
    return verdicts.at_worst(column(records, "curve"), column(records, worst)[:, np.newaxis])


def middle(records: Runs, values: np.ndarray) -> Record:
    """The run with the median value; those that diverged are last."""
    order = np.lexsort([values, diverged(records)])
    return records[order[(len(order) - 1) // 2]]


@lru_cache
def first_within(what: str, level: float) -> Measure:
    """The first epoch at which ``curve``, which measures ``what``, is at most a level."""
    return Measure(
        f"first epoch with a {what} of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(column(records, "curve"), level),
        lambda records: verdicts.never_within(column(records, "curve"), level),
    )
