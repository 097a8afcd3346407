import numpy as np
import pytest

from experiments.claims.points import parts as points_parts
from experiments.claims.points.parts import (
    ROUGH,
    behaves_alike,
    fits_alike,
    fits_better,
    fits_well,
    rough_about,
    rough_by,
    rough_sooner,
)
from jaxgan.metrics.claims import Claim, decide
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED
from jaxgan.runs.records import Cell
from tests.records import LAB, Config, record, several


def outcome_of(parts, **runs):
    """The outcome of a claim with one setting; roles to records."""
    cells = {role: Cell(LAB, Config(role)) for role in runs}
    claim = Claim("X1", "A sentence.", tuple(parts), {"only": cells}, "")
    return decide(claim, {cells[role]: records for role, records in runs.items()})


def verdict_of(parts, **runs):
    return outcome_of(parts, **runs).overall.verdict


def test_fits_are_compared():
    good, bad, same = several(fit=1.2), several(fit=2.2), several(fit=1.3, spread=0.5)
    part = [fits_better("good", "bad")]
    assert verdict_of(part, good=good, bad=bad) == HOLDS
    assert verdict_of(part, good=bad, bad=good) == FAILS
    assert verdict_of(part, good=good, bad=same) == UNDECIDED
    assert verdict_of([fits_alike("a", "b")], a=good, b=good) == HOLDS
    assert verdict_of([fits_alike("a", "b")], a=good, b=bad) == FAILS
    assert verdict_of([fits_well("a")], a=good) == HOLDS
    assert verdict_of([fits_well("a")], a=bad) == FAILS


def test_first_rough_fits_are_compared():
    early, late, never = several(first=10), several(first=60), several(first=1000)
    assert verdict_of([rough_sooner("a", "b", 100)], a=early, b=late) == HOLDS
    assert verdict_of([rough_sooner("a", "b", 100)], a=late, b=early) == FAILS
    assert verdict_of([rough_sooner("a", "b", 100)], a=early, b=never) == HOLDS
    assert verdict_of([rough_sooner("a", "b", 100)], a=never, b=early) == FAILS
    assert verdict_of([rough_about("a", 70)], a=late) == HOLDS
    assert verdict_of([rough_about("a", 70)], a=early) == FAILS
    assert verdict_of([rough_by("a", 30)], a=early) == HOLDS
    assert verdict_of([rough_by("a", 30)], a=never) == FAILS


def test_what_never_came_is_no_evidence_that_it_came_late():
    never, late = several(first=1000), several(first=98)
    # Neither got there, or the later one might have come any time later.
    assert verdict_of([rough_sooner("a", "b", 100)], a=never, b=never) == UNDECIDED
    assert verdict_of([rough_sooner("a", "b", 100)], a=late, b=never) == UNDECIDED
    assert verdict_of([rough_about("a", 100)], a=never) == UNDECIDED
    # Late by all that was seen, but the sooner one has a seed whose epoch is not known.
    one_never = [record(first=1000, seed=9), *several(first=1)[1:]]
    later = several(first=95)
    (finding,) = outcome_of([rough_sooner("a", "b", 100)], a=one_never, b=later).findings
    assert finding.effect.low > 5
    assert finding.verdict == UNDECIDED


def test_courses_that_cross_are_not_alike():
    def course(curve):
        arrays = {"curve": np.repeat(curve, 50)}
        return [r._replace(arrays=r.arrays | arrays) for r in several()]

    part = [behaves_alike("a", "b")]
    assert verdict_of(part, a=course([8.0, 2.0]), b=course([6.0, 2.5])) == HOLDS
    # The same mean of logarithms, and nothing else in common.
    assert verdict_of(part, a=course([8.0, 2.0]), b=course([2.0, 8.0])) == FAILS


def test_a_diverged_curve_counts_as_the_worst_of_sliced_ratios():
    curves = points_parts.capped([record(diverged=20), record()])
    assert curves[0, [0, 9, 18, 19, 99]].tolist() == [9, 2, 2, 11, 11]
    assert curves[1].max() == 9


def test_a_diverged_seed_counts():
    good, bad = several(fit=1.2), several(fit=2.2)
    worse = [record(diverged=20), *good[1:]]
    outcome = outcome_of([fits_better("a", "b")], a=worse, b=bad)
    (finding,) = outcome.findings
    assert finding.values["a"][0] == 13
    assert finding.diverged == {"a": 1, "b": 0}
    assert outcome.overall.verdict == UNDECIDED
    all_of_it = [record(diverged=20)] * 8
    assert verdict_of([fits_better("a", "b")], a=good, b=all_of_it) == HOLDS


def test_parts_and_settings_join():
    good, bad = several(fit=1.2), several(fit=2.2)
    both = [fits_well("a"), fits_better("a", "b")]
    assert verdict_of(both, a=good, b=bad) == HOLDS
    assert verdict_of(both, a=good, b=several(fit=1.3, spread=0.5)) == UNDECIDED
    assert verdict_of(both, a=bad, b=good) == FAILS
    cells = [Cell(LAB, Config(name)) for name in "abcd"]
    settings = {"1": {"a": cells[0], "b": cells[1]}, "2": {"a": cells[2], "b": cells[3]}}
    claim = Claim("X", "", (fits_better("a", "b"),), settings, "")
    runs = dict(zip(cells, (good, bad, bad, good), strict=True))
    outcome = decide(claim, runs)
    assert outcome.by_setting == {"1": HOLDS, "2": FAILS}
    assert outcome.overall == (UNDECIDED, True)


def test_another_meaning_of_a_rough_fit_is_tried():
    """The curves fall from 9 to 2: rough at 2.5 and 3.5, never at 1.75."""
    late = several(first=60)
    outcome = outcome_of([rough_about("a", 70)], a=late)
    assert outcome.overall.verdict == HOLDS
    assert {x: each.verdict for x, each in outcome.by_level.items()} == {
        1.75: FAILS,
        3.5: HOLDS,
    }
    assert outcome_of([fits_well("a")], a=late).by_level == {}


def test_too_few_seeds_decide_nothing():
    good, bad = several(count=3, fit=1.2), several(count=3, fit=2.2)
    assert verdict_of([fits_better("a", "b")], a=good, b=bad) == UNDECIDED


@pytest.mark.parametrize("level", [ROUGH, *points_parts.OTHER_LEVELS])
def test_rough_means_the_same_everywhere(level):
    for part in (rough_by("a", 9), rough_about("a", 9), rough_sooner("a", "b", 9)):
        again = part if level == ROUGH else part.levels.again(level)
        assert again.measure is points_parts.first_within("sliced ratio", level)
        assert f"{level:g}" in again.measure.name
