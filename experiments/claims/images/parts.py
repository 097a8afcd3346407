"""Measures and parts of claims about images."""

import math
from collections.abc import Sequence
from functools import lru_cache, partial

import numpy as np

from jaxgan.metrics.claims import (
    Levels,
    Measure,
    Part,
    capped,
    column,
    diverged,
    first_within,
)
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.records import Record

RECOGNISABLE = 20.0  # largest Fréchet ratio at which a face can be told
OTHER_LEVELS = (15.0, 22.0)  # what that could be instead
CLEARLY = math.log(1.5)  # a difference of the logarithms of two ratios
SOONER = 0.05  # a difference of epochs that matters, as a share of all epochs
CONSTANT = math.log(1.25)

TERMS = {
    "Fréchet ratio": "How far generated pictures are from held-out ones: the Fréchet distance "
    "between features that a network has learnt, divided by that of as many pictures that were "
    "trained on. The network reads the factors of cartoon faces (hair, turn of the head and "
    "others), or the classes of Fashion-MNIST. Real pictures score 1.",
    "recognisable": f"Faces with a Fréchet ratio of at most {RECOGNISABLE:g}.",
    "sd": "A standard deviation: a usual difference from the mean.",
}


def mean_over(records: Sequence[Record], name: str, first: int, last: int) -> np.ndarray:
    """Means ``[S]`` over epochs, ends included; 0 where a run diverged."""
    return np.nan_to_num(column(records, name)[:, first - 1 : last].mean(axis=1))


_first = partial(first_within, "Fréchet ratio")


@lru_cache
def _first_in_time(level: float) -> Measure:
    epochs = _first(level)
    return Measure(
        f"{epochs.name}, in the time that GAN takes for one",
        "epochs of GAN",
        lambda records: epochs.values(records) * column(records, "relative_cost"),
        epochs.unbounded,
    )


_QUALITY = Measure(
    "logarithm of the Fréchet ratio at the end",
    "ln",
    lambda records: np.log(capped(records)[:, -1]),
)


@lru_cache
def change(loss: str) -> Measure:
    """The change of a loss from the first third of all epochs to the last."""

    def values(records):
        epochs = len(records[0].arrays[loss])
        third = epochs // 3
        late = mean_over(records, loss, epochs - third + 1, epochs)
        return late - mean_over(records, loss, 1, third)

    name = f"{loss.replace('_', ' ')}, last third less first third"
    return Measure(name, "", values, unknown=diverged)


@lru_cache
def _drift(loss: str) -> Measure:
    def values(records):
        late, early = mean_over(records, loss, 8, 10), mean_over(records, loss, 4, 6)
        tiny = np.finfo(np.float32).tiny
        return np.abs(np.log(np.maximum(late, tiny) / np.maximum(early, tiny)))

    name = f"size of the logarithm of the {loss.replace('_', ' ')} in epochs 8 to 10 over that "
    return Measure(f"{name}in 4 to 6", "ln", values, unknown=diverged)


_levels = partial(
    Levels,
    "That faces are recognisable at a Fréchet ratio of at most "
    f"{RECOGNISABLE:g} was decided by eye.",
    OTHER_LEVELS,
)


def seen_by(role: str, epoch: int, level: float = RECOGNISABLE) -> Part:
    """Samples are recognisable by an epoch."""
    rule = f"{role}'s faces are recognisable by epoch {epoch}"
    levels = _levels(partial(seen_by, role, epoch))
    return Part(rule, _first(level), (role,), Range(high=epoch), levels)


def not_before(role: str, epoch: int, level: float = RECOGNISABLE) -> Part:
    """Samples are not recognisable before an epoch."""
    rule = f"{role}'s faces are not recognisable before epoch {epoch}"
    levels = _levels(partial(not_before, role, epoch))
    return Part(rule, _first(level), (role,), Range(low=epoch), levels)


def seen_sooner(sooner: str, later: str, epochs: int, level: float = RECOGNISABLE) -> Part:
    """Samples are recognisable after less time, by a share of that of all epochs."""
    margin = SOONER * epochs
    rule = (
        f"{sooner}'s faces are recognisable sooner than {later}'s, by over the time of "
        f"{margin:g} epochs of GAN"
    )
    levels = _levels(partial(seen_sooner, sooner, later, epochs))
    return Part(rule, _first_in_time(level), (later, sooner), Range(low=margin), levels)


def ends_better(better: str, worse: str) -> Part:
    """The final Fréchet ratio is smaller by a factor."""
    factor = math.exp(CLEARLY)
    rule = (
        f"{better} ends with better faces than {worse}, whose Fréchet ratio is over {factor:g} "
        "times as large"
    )
    return Part(rule, _QUALITY, (worse, better), Range(low=CLEARLY))


def constant(role: str, loss: str) -> Part:
    """A loss is about the same at the end as after a few epochs."""
    factor, words = math.exp(CONSTANT), loss.replace("_", "'s ")
    rule = (
        f"{role} networks: the {words} changes by a factor of at most {factor:g} after epoch 3"
    )
    return Part(rule, _drift(loss), (role,), Range(high=CONSTANT))
