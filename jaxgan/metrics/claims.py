"""Claims about training runs, and their verdicts from records of runs.

A claim is a sentence, its translation to numbers (``Part``), and the settings under which it
is tested. There are several settings if the sentence leaves details open. Within a setting,
a claim refers to its cells (configurations, see ``jaxgan.runs.records``) by roles, such as
"old" and "new". A ``Measure`` computes one number per run from the arrays of its record.

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

Runs = Sequence[Record]  # the runs of one cell, by seed
Setting = Mapping[str, Cell]  # role to cell; a role is a claim's name for a cell
# (setting name to setting, records) -> pictures for a page
Draw = Callable[[Mapping[str, Setting], Records], Sequence[Any]]


def _nowhere(runs: Runs) -> np.ndarray:
    return np.zeros(len(runs), bool)


class Measure(NamedTuple):
    """A statistic with one value per run, for S runs.

    Attributes:
      name: What it measures.
      unit: Unit of values and differences; empty for a ratio.
      values: ``runs -> [S]``; finite even for a run that diverged.
      unbounded: ``runs -> [S]``: true where the value is only a lower bound.
      unknown: ``runs -> [S]``: true where the value means nothing, because the run diverged
        and the statistic has no worst value.
      apart: ``(runs of one role, runs of another) -> [S]``: the effect of two roles; by
        default the difference of their values.
    """

    name: str
    unit: str
    values: Callable[[Runs], np.ndarray]
    unbounded: Callable[[Runs], np.ndarray] = _nowhere
    unknown: Callable[[Runs], np.ndarray] = _nowhere
    apart: Callable[[Runs, Runs], np.ndarray] | None = None


class Part(NamedTuple):
    """One statement of a claim: a number, or the difference of two, lies in a range.

    Attributes:
      rule: The statement in words.
      measure: What is measured.
      roles: One role; or two, whose effect is the first's value minus the second's, seed by
        seed, or ``measure.apart``.
      allowed: Range of the mean over seeds if the statement is true.
      levels: Other levels to test, if the statement depends on a level chosen by eye.
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
    """Where the settings of a cell come from; each is a name and a value, in words.

    Attributes:
      report: Settings given in the report that makes the claim.
      ours: Settings that the report leaves open, or that differ from the report's.
    """

    report: dict[str, str]
    ours: dict[str, str]


class Claim(NamedTuple):
    """A sentence, and how it is tested.

    Attributes:
      name: A short name, such as ``A1``.
      sentence: What is claimed.
      parts: The claim holds if every part holds. A setting tests the parts whose roles it
        has.
      settings: Settings by name, each a way to choose what the sentence leaves open.
      note: What these choices are, and the reasons.
      draw: Makes pictures of the settings.
      origins: Says where the settings of a cell come from.
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
      setting: Name of the setting.
      part: The part.
      values: Values by role, ``[S]`` each.
      effect: Mean effect with its interval over seeds.
      diverged: Number of seeds that diverged, by role.
      never: Number of seeds whose value is only a lower bound, by role.
      verdict: Verdict on the part under this setting.
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
      findings: One finding per setting and part.
      by_setting: Verdict over all parts, by setting.
      overall: Verdict over all settings.
      by_level: The same at the other levels of a part, by level.
    """

    claim: Claim
    findings: list[Finding]
    by_setting: dict[str, str]
    overall: verdicts.Overall
    by_level: dict[float, verdicts.Overall]


def decide(claim: Claim, records: Records) -> Outcome:
    """Test a claim on the records of its cells.

    The module's docstring has an example.

    Args:
      claim: The claim.
      records: Records of every cell, with the same seeds in the same order. Each has an
        array ``diverged_at``: the epoch in which the run diverged, or 0.
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
    """Return the verdict over all parts, by setting."""
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
    # A lower bound of the first value leaves the effect without an upper bound, one of the
    # second value without a lower bound.
    certain = effect._replace(high=math.inf) if never[first] else effect
    if any(never[role] for role in others):
        certain = certain._replace(low=-math.inf)
    if any(measure.unknown(records).any() for records in runs.values()):
        certain = certain._replace(low=-math.inf, high=math.inf)
    counts = {role: int(diverged(records).sum()) for role, records in runs.items()}
    verdict = verdicts.verdict(certain, part.allowed)
    return Finding(setting, part, values, effect, counts, never, verdict)


def cells_of(claims: Iterable[Claim]) -> list[Cell]:
    """Return the cells of all settings, without repetition."""
    settings = [setting for claim in claims for setting in claim.settings.values()]
    return list(dict.fromkeys(cell for setting in settings for cell in setting.values()))


def only(settings: Mapping[str, Setting], *roles: str) -> dict[str, Setting]:
    """Return the settings, reduced to some of their roles."""
    return {name: {role: setting[role] for role in roles} for name, setting in settings.items()}


def column(records: Runs, name: str) -> np.ndarray:
    """Stack one array of all records: ``[S, ...]``."""
    return np.stack([record.arrays[name] for record in records])


def diverged(records: Runs) -> np.ndarray:
    """Tell which runs diverged: ``[S]``."""
    return column(records, "diverged_at") > 0


def diverged_runs(cells: Iterable[Cell], records: Records) -> str:
    """Say how many runs diverged."""
    mask = np.concatenate([diverged(records[cell]) for cell in cells])
    return f"{mask.sum()} of {len(mask)} runs"


def capped(records: Runs, worst: str = "worst_ratio") -> np.ndarray:
    """Return the arrays ``curve`` ``[S, E]``, capped at the value of a diverged run."""
    return verdicts.at_worst(column(records, "curve"), column(records, worst)[:, np.newaxis])


def middle(records: Runs, values: np.ndarray) -> Record:
    """Return the run with the median value; diverged runs rank last."""
    order = np.lexsort([values, diverged(records)])
    return records[order[(len(order) - 1) // 2]]


@lru_cache
def first_within(what: str, level: float) -> Measure:
    """Measure the first epoch at which ``curve``, a curve of ``what``, is at most a level."""
    return Measure(
        f"first epoch with a {what} of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(column(records, "curve"), level),
        lambda records: verdicts.never_within(column(records, "curve"), level),
    )
