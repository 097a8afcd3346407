"""Measures and parts of claims about points."""

import math
from functools import partial

import numpy as np

from jaxgan.metrics import claims, verdicts
from jaxgan.metrics.claims import Levels, Measure, Part, column, first_within
from jaxgan.metrics.verdicts import Range

ROUGH = 2.5  # largest sliced ratio at which the strokes of the M can be told
OTHER_LEVELS = (1.75, 3.5)  # what a rough fit could mean instead of ROUGH
WELL = 1.5  # exact fit ratio of a generator that fits well; a perfect one scores 1
BADLY = 2.5  # exact fit ratio of one that fits badly
SLIGHTLY, CLEARLY = 0.05, 0.5  # differences of exact fit ratios
SOONER = 0.05  # a difference of first epochs that matters, as a share of all epochs
ALIKE_COURSE = math.log(1.5)

TERMS = {
    "fit ratio": "How far generated points are from held-out ones, at the end: their exact "
    "1-Wasserstein distance, divided by that of as many training points to the same held-out "
    f"ones. A perfect generator scores 1; below {WELL:g} is a good fit, above {BADLY:g} a bad "
    "one.",
    "sliced ratio": "The same for every epoch, with a distance that is faster to compute.",
    "rough fit": f"A sliced ratio of at most {ROUGH:g}: the strokes of the M can be told.",
}

capped = partial(claims.capped, worst="worst_sliced")


def _fits(records):
    return verdicts.at_worst(column(records, "fit_ratio"), column(records, "worst_ratio"))


FIT = Measure("exact fit ratio at the end", "", _fits)
_first = partial(first_within, "sliced ratio")
FIRST = _first(ROUGH)
COURSE = Measure(
    "mean over epochs of the logarithm of the sliced ratio",
    "ln",
    lambda records: np.log(capped(records)).mean(axis=1),
    apart=lambda one, other: np.abs(np.log(capped(one) / capped(other))).mean(axis=1),
)


def _at(epoch: int) -> Measure:
    name = f"sliced ratio at epoch {epoch}"
    return Measure(name, "", lambda records: capped(records)[:, epoch - 1])


_levels = partial(
    Levels,
    f"That a fit is rough at a sliced ratio of at most {ROUGH:g} was decided by eye.",
    OTHER_LEVELS,
)


def fits_better(better: str, worse: str, margin: float = SLIGHTLY) -> Part:
    """The final fit ratio is smaller by more than a margin."""
    rule = f"{better} ends closer than {worse}: its fit ratio is lower by over {margin:g}"
    return Part(rule, FIT, (worse, better), Range(low=margin))


def fits_alike(one: str, other: str, margin: float = CLEARLY) -> Part:
    """The final fit ratios differ by less than a margin."""
    rule = f"{one} and {other} end alike: their fit ratios differ by less than {margin:g}"
    return Part(rule, FIT, (one, other), verdicts.alike(margin))


def fits_well(role: str) -> Part:
    """The final fit ratio is below ``WELL``."""
    rule = f"{role} ends with a good fit: its fit ratio is below {WELL:g}"
    return Part(rule, FIT, (role,), Range(high=WELL))


def fits_badly(role: str) -> Part:
    """The final fit ratio is above ``BADLY``."""
    rule = f"{role} ends with a bad fit: its fit ratio is above {BADLY:g}"
    return Part(rule, FIT, (role,), Range(low=BADLY))


def behaves_alike(one: str, other: str) -> Part:
    """The sliced ratios of every epoch differ by a small factor, whichever is larger."""
    rule = (
        f"{one} and {other} train alike: their sliced ratios at the same epoch differ by a "
        "factor of at most 1.5 (geometric mean over all epochs)"
    )
    return Part(rule, COURSE, (one, other), Range(high=ALIKE_COURSE))


def rough_sooner(sooner: str, later: str, epochs: int, level: float = ROUGH) -> Part:
    """The first rough fit comes earlier, by a share of all epochs."""
    margin = SOONER * epochs
    rule = f"{sooner} has a rough fit earlier than {later}, by over {margin:g} epochs"
    levels = _levels(partial(rough_sooner, sooner, later, epochs))
    return Part(rule, _first(level), (later, sooner), Range(low=margin), levels)


def rough_about(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes about an epoch, within a factor."""
    range_ = verdicts.about(epoch)
    ends = " and ".join(f"{end:.3g}" for end in range_)
    rule = f"{role} first has a rough fit between epochs {ends}"
    levels = _levels(partial(rough_about, role, epoch))
    return Part(rule, _first(level), (role,), range_, levels)


def rough_by(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes by an epoch."""
    rule = f"{role} has a rough fit by epoch {epoch}"
    levels = _levels(partial(rough_by, role, epoch))
    return Part(rule, _first(level), (role,), Range(high=epoch), levels)


def barely_fits(role: str, epoch: int, level: float = ROUGH) -> Part:
    """No rough fit at an epoch."""
    rule = f"{role} has no rough fit at epoch {epoch}: its sliced ratio is above {level:g}"
    levels = _levels(partial(barely_fits, role, epoch))
    return Part(rule, _at(epoch), (role,), Range(low=level), levels)
