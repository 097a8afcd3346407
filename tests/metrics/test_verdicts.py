import math

import numpy as np
import pytest

from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval, bootstrap_t
from jaxgan.metrics.verdicts import FAILS, HOLDS, UNDECIDED, Range

BETTER = Range(low=0.05)


def effects(mean, count, deviation=0.2):
    """Differences of pairs whose mean is known, spread like those of final fits."""
    noise = np.random.default_rng(3).normal(0, deviation, count)
    return mean + noise - noise.mean()


def judge(values, allowed=BETTER):
    return verdicts.verdict(bootstrap_t(values), allowed)


def test_an_effect_that_is_there():
    assert judge(effects(1.0, 8)) == HOLDS


def test_an_effect_that_is_absent():
    assert judge(effects(-1.0, 8)) == FAILS
    assert judge(effects(0.0, 400)) == FAILS  # enough seeds to tell it from the margin


def test_an_effect_too_small_for_the_number_of_seeds():
    assert judge(effects(0.15, 8)) == UNDECIDED
    assert judge(effects(0.15, 100)) == HOLDS


def test_lack_of_evidence_is_no_evidence_against():
    assert judge(effects(0.0, 8)) == UNDECIDED
    assert judge([5.0] * 3) == UNDECIDED  # too few seeds for an interval
    assert judge([1.0, 1.1, 1.2, math.inf, 1.0]) == UNDECIDED


def test_alike_needs_evidence_too():
    assert judge(effects(0.0, 8), verdicts.alike(0.5)) == HOLDS
    assert judge(effects(0.4, 8), verdicts.alike(0.5)) == UNDECIDED
    assert judge(effects(-1.0, 8), verdicts.alike(0.5)) == FAILS


def test_about_a_number():
    assert verdicts.about(70) == pytest.approx((49.5, 99.0), abs=0.01)
    assert judge(effects(70, 8, 5), verdicts.about(70)) == HOLDS
    assert judge(effects(100, 8, 5), verdicts.about(70)) == UNDECIDED
    assert judge(effects(20, 8, 5), verdicts.about(70)) == FAILS


@pytest.mark.parametrize(
    ("low", "high", "expected"),
    [(1.1, 1.9, HOLDS), (0, 0.9, FAILS), (2.1, 3, FAILS), (0.9, 1.5, UNDECIDED)],
)
def test_a_range_with_two_ends(low, high, expected):
    assert verdicts.verdict(Interval(1.5, low, high), Range(1, 2)) == expected


def test_parts_and_settings():
    assert verdicts.joint([HOLDS, HOLDS]) == HOLDS
    assert verdicts.joint([HOLDS, UNDECIDED]) == UNDECIDED
    assert verdicts.joint([HOLDS, UNDECIDED, FAILS]) == FAILS
    assert verdicts.overall([HOLDS, HOLDS]) == (HOLDS, False)
    assert verdicts.overall([FAILS, FAILS]) == (FAILS, False)
    assert verdicts.overall([HOLDS, FAILS, UNDECIDED]) == (UNDECIDED, True)
    assert verdicts.overall([HOLDS, UNDECIDED]) == (UNDECIDED, False)


def test_wrong_verdicts_are_rare():
    """A claim exactly at its margin is decided by chance alone: 5 % of the draws."""
    values = np.random.default_rng(2).normal(0.05, 0.3, (500, 8))
    decided = sum(judge(x) != UNDECIDED for x in values)
    assert decided <= 40  # 25 expected; three deviations are 15


def test_first_within():
    curves = [[9, 4, 2, 5], [9, 9, 9, 9], [1, 9, 9, 9], [9, math.nan, math.nan, math.nan]]
    assert verdicts.first_within(curves, 4).tolist() == [2, 4, 1, 4]
    assert verdicts.never_within(curves, 4).tolist() == [False, True, False, True]


def test_a_diverged_run_counts_as_the_worst():
    values = verdicts.at_worst([1.2, math.inf, math.nan, 40.0], [13, 14, 15, 16])
    assert values.tolist() == [1.2, 14, 15, 16]
