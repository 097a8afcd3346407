"""What a claim is, and how it is judged on the records of its cells.

A claim is a sentence, what it says in numbers (``Part``), and under which settings it is
tested, where a report leaves some open. A cell may be of any laboratory: parts see records,
and what a number means is the measure's business.
"""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np

from experiments.claims.cells import Cell, Record
from experiments.claims.page.pictures import Draw, no_pictures
from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval, bootstrap_t
from jaxgan.metrics.verdicts import Range


class Measure(NamedTuple):
    """A number of each run.

    Attributes:
      name: What it is.
      unit: Of it and of differences; empty for a ratio.
      values: ``records -> [S]``; finite for a run that diverged too.
      unbounded: ``records -> [S]``: where the value is a lower bound only.
      unknown: ``records -> [S]``: where the value means nothing, since a run diverged and
        what is measured has no worst.
      apart: ``(records of one role, of another) -> [S]``: how far they are apart, where
        that is not the difference of their numbers.
    """

    name: str
    unit: str
    values: Callable[[Sequence[Record]], np.ndarray]
    unbounded: Callable[[Sequence[Record]], np.ndarray] = lambda records: np.full(
        len(records), False
    )
    unknown: Callable[[Sequence[Record]], np.ndarray] = lambda records: np.full(
        len(records), False
    )
    apart: Callable[[Sequence[Record], Sequence[Record]], np.ndarray] | None = None


class Part(NamedTuple):
    """One thing that a claim says: a number, or a difference of two, lies in a range.

    Attributes:
      rule: The whole of it in words.
      measure: Of the number.
      roles: One role; or two, of which the second's number is taken from the first's, seed
        by seed, or whatever the measure says of the two.
      allowed: Where the mean over seeds lies if the part is true.
      levels: Where the part turns on a level that was set by eye, others for it.
    """

    rule: str
    measure: Measure
    roles: tuple[str, ...]
    allowed: Range
    levels: "Levels | None" = None


class Levels(NamedTuple):
    """What a part would be at other levels than its own.

    Attributes:
      meaning: Of the level, after "had".
      others: Levels.
      again: ``level -> part``.
    """

    meaning: str
    others: tuple[float, ...]
    again: Callable[[float], Part]


# Role to cell. A role is a name such as "WGAN" that a claim uses for one of its cells.
Setting = Mapping[str, Cell]


class Claim(NamedTuple):
    """A sentence of a report, and how it is tested.

    Attributes:
      name: As in ``A1``.
      sentence: What the report says.
      parts: The claim holds if each holds.
      settings: What the report leaves open, filled in in at least two ways: a name to the
        cells of every role.
      note: What was filled in, and why so.
      draw: Makes pictures of settings; see ``claims_pictures``.
    """

    name: str
    sentence: str
    parts: tuple[Part, ...]
    settings: Mapping[str, Setting]
    note: str
    draw: Draw = no_pictures


class Finding(NamedTuple):
    """What the runs say about one part under one setting.

    Attributes:
      setting: Its name.
      part: What was tested.
      values: Role to numbers by seed.
      effect: The number or the difference, with its interval over seeds.
      diverged: Role to the number of seeds that diverged; they count as the worst.
      never: Role to the number of seeds whose value is a lower bound only.
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
    """What the runs say about a claim.

    Attributes:
      claim: What was tested.
      findings: Of every part under every setting.
      by_setting: Setting to verdict over all parts.
      overall: Over the settings.
      by_level: The same at other levels, where parts turn on one.
    """

    claim: Claim
    findings: list[Finding]
    by_setting: dict[str, str]
    overall: verdicts.Overall
    by_level: dict[float, verdicts.Overall]


def judge(claim: Claim, records: Mapping[Cell, Sequence[Record]]) -> Outcome:
    """Test a claim on the records of its cells, seed by seed in the same order."""

    def test(parts: Sequence[Part]) -> tuple[list[Finding], dict[str, str]]:
        found = [
            _find(name, part, setting, records)
            for name, setting in claim.settings.items()
            for part in parts
        ]
        return found, {
            name: verdicts.joint(x.verdict for x in found if x.setting == name)
            for name in claim.settings
        }

    findings, by_setting = test(claim.parts)
    by_level = {}
    for level in next((part.levels.others for part in claim.parts if part.levels), ()):
        parts = [part.levels.again(level) if part.levels else part for part in claim.parts]
        by_level[level] = verdicts.overall(test(parts)[1].values())
    overall = verdicts.overall(by_setting.values())
    return Outcome(claim, findings, by_setting, overall, by_level)


def _find(name: str, part: Part, setting: Setting, records) -> Finding:
    runs = {role: records[setting[role]] for role in part.roles}
    values = {role: part.measure.values(x) for role, x in runs.items()}
    never = {role: int(part.measure.unbounded(x).sum()) for role, x in runs.items()}
    effect = bootstrap_t(_effects(part.measure, list(runs.values())))
    # A lower bound says nothing about how large a number may be: how large the effect, or,
    # of the number that is taken away, how small.
    judged = effect._replace(high=math.inf) if never[part.roles[0]] else effect
    if any(never[role] for role in part.roles[1:]):
        judged = judged._replace(low=-math.inf)
    if any(part.measure.unknown(x).any() for x in runs.values()):
        judged = judged._replace(low=-math.inf, high=math.inf)
    return Finding(
        name,
        part,
        values,
        effect,
        {role: sum(int(r.arrays["diverged_at"]) > 0 for r in x) for role, x in runs.items()},
        never,
        verdicts.verdict(judged, part.allowed),
    )


def _effects(measure: Measure, runs: Sequence[Sequence[Record]]) -> np.ndarray:
    """The numbers of one role, or what sets two apart: ``[S]``."""
    if len(runs) == 2 and measure.apart:
        return measure.apart(*runs)
    first, *others = (measure.values(records) for records in runs)
    return first - others[0] if others else first


def cells_of(claims: Iterable[Claim]) -> list[Cell]:
    """The cells of all settings, none twice."""
    settings = [setting for claim in claims for setting in claim.settings.values()]
    return list(dict.fromkeys(cell for setting in settings for cell in setting.values()))


def only(
    settings: Mapping[str, Setting], roles: tuple[str, ...], count: int | None = None
) -> dict[str, Setting]:
    """Some roles of the first settings."""
    chosen = list(settings.items())[:count]
    return {name: {role: setting[role] for role in roles} for name, setting in chosen}


def column(records: Sequence[Record], name: str) -> np.ndarray:
    """One array of every record: ``[S, ...]``."""
    return np.stack([record.arrays[name] for record in records])


@lru_cache
def first_within(what: str, level: float) -> Measure:
    """The first epoch at which what records call ``curve`` is at most a level."""
    return Measure(
        f"first epoch with a {what} of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(column(records, "curve"), level),
        lambda records: verdicts.never_within(column(records, "curve"), level),
    )


def diverged(records: Sequence[Record]) -> np.ndarray:
    """Which runs diverged: ``[S]``."""
    return column(records, "diverged_at") > 0
