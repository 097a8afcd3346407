"""The claims about points, each with its rule.

A claim is made by one entry of ``BUILDERS``: the sentence, what it says in numbers, and under
which settings it is tested, where the report leaves some open.
"""

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np

from experiments.claims.cells import Cell
from experiments.claims.points.cells import POINTS, ROUGH, capped, digest
from experiments.claims.points.pictures import draw_points
from experiments.claims.rules import (
    Claim,
    Levels,
    Measure,
    Part,
    Setting,
    column,
    first_within,
    only,
)
from experiments.points.config import DEFAULTS, configure
from jaxgan.errors import InputError
from jaxgan.metrics import verdicts
from jaxgan.metrics.verdicts import Range

# Measures of the points laboratory.

OTHER_LEVELS = (1.75, 3.5)  # what a rough fit could mean instead of ROUGH
WELL = 1.5  # exact fit ratio of a generator that fits well; a perfect one scores 1
BADLY = 2.5  # exact fit ratio of one that fits badly
SLIGHTLY, CLEARLY = 0.05, 0.5  # differences of exact fit ratios
SOONER = 0.05  # a difference of first epochs that matters, as a share of all epochs
ALIKE_COURSE = math.log(1.5)


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
    return Measure(
        f"sliced ratio at epoch {epoch}",
        "",
        lambda records: capped(records)[:, epoch - 1],
    )


# Parts of claims.


def _levels(again: Callable[[float], Part]) -> Levels:
    meaning = f"a rough fit meant another sliced ratio than {ROUGH:g}"
    return Levels(meaning, OTHER_LEVELS, again)


def fits_better(better: str, worse: str, margin: float = SLIGHTLY) -> Part:
    """The final fit ratio is smaller by more than a margin."""
    rule = f"{worse} ends with a fit ratio that exceeds that of {better} by over {margin:g}"
    return Part(rule, FIT, (worse, better), Range(low=margin))


def fits_alike(one: str, other: str, margin: float = CLEARLY) -> Part:
    """The final fit ratios differ by less than a margin."""
    rule = f"the final fit ratios of {one} and {other} differ by less than {margin:g}"
    return Part(rule, FIT, (one, other), verdicts.alike(margin))


def fits_well(role: str) -> Part:
    """The final fit ratio is below ``WELL``."""
    return Part(f"{role} ends with a fit ratio below {WELL:g}", FIT, (role,), Range(high=WELL))


def fits_badly(role: str) -> Part:
    """The final fit ratio is above ``BADLY``."""
    return Part(f"{role} ends with a fit ratio above {BADLY:g}", FIT, (role,), Range(low=BADLY))


def behaves_alike(one: str, other: str) -> Part:
    """The sliced ratios of every epoch differ by a small factor, whichever is larger."""
    rule = (
        f"the sliced ratios of {one} and {other} at the same epoch, the larger over the "
        "smaller, have a geometric mean over all epochs of at most 1.5"
    )
    return Part(rule, COURSE, (one, other), Range(high=ALIKE_COURSE))


def rough_sooner(sooner: str, later: str, epochs: int, level: float = ROUGH) -> Part:
    """The first rough fit comes earlier, by a share of all epochs."""
    margin = SOONER * epochs
    rule = f"{later} has its first rough fit over {margin:g} epochs after {sooner}"
    again = partial(rough_sooner, sooner, later, epochs)
    return Part(rule, _first(level), (later, sooner), Range(low=margin), _levels(again))


def rough_about(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes about an epoch, within a factor."""
    allowed = verdicts.about(epoch)
    ends = " and ".join(f"{end:.3g}" for end in allowed)
    rule = f"{role} has its first rough fit between epochs {ends}"
    return Part(
        rule, _first(level), (role,), allowed, _levels(partial(rough_about, role, epoch))
    )


def rough_by(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes by an epoch."""
    rule = f"{role} has its first rough fit by epoch {epoch}"
    allowed = Range(high=epoch)
    return Part(rule, _first(level), (role,), allowed, _levels(partial(rough_by, role, epoch)))


def barely_fits(role: str, epoch: int, level: float = ROUGH) -> Part:
    """No rough fit at an epoch."""
    rule = f"the sliced ratio of {role} at epoch {epoch} is above {level:g}"
    allowed = Range(low=level)
    return Part(rule, _at(epoch), (role,), allowed, _levels(partial(barely_fits, role, epoch)))


# The table.

GAN, WGAN, GP = "GAN", "WGAN", "WGAN-GP"
SGD, ADAM, RMSPROP = "SGD", "Adam", "RMSprop"
_VARIANTS = {GAN: "gan", WGAN: "wgan", GP: "wgan_gp"}
_OPTIMIZERS = {SGD: "sgd", ADAM: "adam", RMSPROP: "rmsprop"}


def claim(name: str, data: str, data_key: str) -> Claim:
    """A claim about points.

    Args:
      name: In ``BUILDERS``.
      data: Built-in data or a path.
      data_key: Variable of a ``.mat`` file.

    Raises:
      InputError: If the data cannot be read, or the claim not be tested on it.
    """
    digest(data, data_key)  # what is wrong with the data is told first

    def cell(recipe: str, variant: str, optimizer: str, **given: Any) -> Cell:
        names = {"variant": (_VARIANTS[variant],), "optimizer": (_OPTIMIZERS[optimizer],)}
        (config,) = configure(
            recipe, data=data, data_key=data_key, **names, **_fitting(variant, given)
        )
        return Cell(POINTS, config)

    try:
        return BUILDERS[name](cell)._replace(draw=draw_points)
    except InputError as error:
        raise InputError(f"claim {name} cannot be tested on {data}: {error}") from error


def _fitting(variant: str, given: dict[str, Any]) -> dict[str, Any]:
    """Settings without those that the variant has not."""
    unknown = {"clip"} - ({"clip"} if variant == WGAN else set())
    unknown |= {"penalty_weight"} - ({"penalty_weight"} if variant == GP else set())
    return {name: value for name, value in given.items() if name not in unknown}


def _three(cell, recipe: str, **given: Any) -> Setting:
    return {variant: cell(recipe, variant, RMSPROP, **given) for variant in _VARIANTS}


_SLOW: dict[str, Any] = {"learning_rate": (1e-4,)}
_FAST: dict[str, Any] = {"learning_rate": (1e-3,)}
_WIDE: dict[str, Any] = {"clip": (0.1,), "penalty_weight": (0.1,)}


_FILLED = (
    "Not in the report: latent dimension 2, points brought to mean 0 and standard deviation "
    "1, and for GAN the non-saturating loss, which is trained in practice, instead of the "
    "minimax formula, which it prints."
)
_BETAS = "Adam's betas are 0.9 and 0.999."
_SLIGHTLY = f'"Slightly" is over {SLIGHTLY:g}; that it has no upper end is ours too.'
_NETWORKS = "Neither networks nor batch size: hidden widths 256 and 64, batch 64."
_OPEN_RATE = (
    f"{_FILLED} {_NETWORKS} The optimizer of the variants: RMSprop. Its learning rate, the "
    "clip bound (0.01) and the penalty weight (0.001) are open."
)
_USUAL = {
    name: DEFAULTS.by_optimizer[optimizer]["learning_rate"][0]
    for name, optimizer in _OPTIMIZERS.items()
}
_USUAL_TEXT = ", ".join(f"{name} {rate:g}" for name, rate in _USUAL.items())
_OPEN_RATES = (
    f"{_FILLED} {_NETWORKS} {_BETAS} The learning rates are open: one for all, 1e-3, or one "
    f"each ({_USUAL_TEXT}). SGD trains with 20 or 30 critic steps per generator step, or 5 as "
    "the others do. An epoch is one pass over the points, so more critic steps are fewer "
    "generator updates in an epoch: of 7000 points, 21 at 5 steps, 5 at 20 and 3 at 30."
)
_FIVE = "SGD, 5 critic steps"


def _a_variants(cell) -> dict[str, Setting]:
    return {
        "rate 1e-4": _three(cell, "report_a", **_SLOW),
        "rate 1e-3": _three(cell, "report_a", **_FAST),
        "rate 1e-3, clip and penalty weight 0.1": _three(cell, "report_a", **_FAST, **_WIDE),
    }


def _a_optimizers(cell, rates: Mapping[str, float], steps: int, epochs: int = 200) -> Setting:
    """All three, SGD with other critic steps and epochs than the others."""

    def one(name: str, steps: int = 5, epochs: int = 200) -> Cell:
        own = {"learning_rate": (rates[name],), "critic_steps": steps, "epochs": epochs}
        return cell("report_a", GAN, name, **own)

    made = {SGD: one(SGD, steps, epochs), _FIVE: one(SGD)}
    return made | {name: one(name) for name in (ADAM, RMSPROP)}


def _a_by_rate(cell) -> dict[str, Setting]:
    return {
        "one rate, SGD 20 steps": _a_optimizers(cell, dict.fromkeys(_OPTIMIZERS, 1e-3), 20),
        "a rate each, SGD 20 steps": _a_optimizers(cell, _USUAL, 20),
    }


def _a1(cell) -> Claim:
    return Claim(
        "A1",
        "GAN shows the M by epoch 30 and fits it well by epoch 100.",
        (rough_by(GAN, 30), fits_well(GAN)),
        only(_a_variants(cell), (GAN,), 2),
        _OPEN_RATE,
    )


def _a2(cell) -> Claim:
    return Claim(
        "A2",
        "WGAN fits more slowly than GAN; its final fit is slightly better.",
        (rough_sooner(GAN, WGAN, 100), fits_better(WGAN, GAN)),
        only(_a_variants(cell), (GAN, WGAN)),
        f"{_OPEN_RATE} {_SLIGHTLY}",
    )


def _a3(cell) -> Claim:
    return Claim(
        "A3",
        "WGAN-GP behaves about like GAN while training; its final fit is slightly better than "
        "GAN's.",
        (behaves_alike(GP, GAN), fits_better(GP, GAN)),
        only(_a_variants(cell), (GAN, GP)),
        f"{_OPEN_RATE} {_SLIGHTLY}",
    )


def _a4(cell) -> Claim:
    more = {
        "a rate each, SGD 30 steps": _a_optimizers(cell, _USUAL, 30),
        "a rate each, SGD 20 steps, 800 epochs": _a_optimizers(cell, _USUAL, 20, 800),
    }
    return Claim(
        "A4",
        "SGD is the slowest optimizer for GAN (first rough fit about epoch 135) and needs 20 "
        "to 30 critic steps per generator step.",
        (
            rough_sooner(ADAM, SGD, 200),
            rough_sooner(RMSPROP, SGD, 200),
            rough_about(SGD, 135),
            fits_better(SGD, _FIVE, CLEARLY),
        ),
        _a_by_rate(cell) | more,
        f"{_OPEN_RATES} That SGD needs 20 to 30 critic steps is read as: with 5 it ends "
        "clearly worse. With 20 steps and 800 epochs it has about as many generator "
        "updates as with 5 and 200; its epochs are counted as before.",
    )


def _a5(cell) -> Claim:
    by_rate = _a_by_rate(cell)
    fewer = {
        f"{name.removesuffix('20 steps')}5 steps": {SGD: setting[_FIVE], ADAM: setting[ADAM]}
        for name, setting in by_rate.items()
    }
    return Claim(
        "A5",
        "Adam converges faster than SGD with 5 critic steps, but ends worse than SGD.",
        (rough_sooner(ADAM, SGD, 200), fits_better(SGD, ADAM)),
        only(by_rate, (SGD, ADAM)) | fewer,
        f"{_OPEN_RATES} The 5 critic steps may be those of Adam alone, or of both.",
    )


def _a6(cell) -> Claim:
    return Claim(
        "A6",
        "RMSprop is the best of the three, in speed and in final fit.",
        (
            rough_sooner(RMSPROP, SGD, 200),
            rough_sooner(RMSPROP, ADAM, 200),
            fits_better(RMSPROP, SGD),
            fits_better(RMSPROP, ADAM),
        ),
        only(_a_by_rate(cell), (SGD, ADAM, RMSPROP)),
        _OPEN_RATES,
    )


_OPEN_BATCH = f"{_FILLED} Neither batch size (64) nor clip bound (0.01)."
_LONG = "SGD, 2000 epochs"


def _b_variants(cell) -> dict[str, Setting]:
    return {
        "batch 64": _three(cell, "report_b"),
        "batch 256": _three(cell, "report_b", batch_size=256),
        "batch 64, clip 0.1": _three(cell, "report_b", clip=(0.1,)),
    }


def _b1(cell) -> Claim:
    return Claim(
        "B1",
        "After 200 epochs with RMSprop 1e-4: WGAN-GP best, then WGAN, then GAN.",
        (fits_better(GP, WGAN), fits_better(WGAN, GAN)),
        _b_variants(cell),
        _OPEN_BATCH,
    )


def _b2(cell) -> Claim:
    return Claim(
        "B2",
        "GAN and WGAN reach a rough fit at about epoch 70, WGAN-GP at about epoch 30.",
        (rough_about(GAN, 70), rough_about(WGAN, 70), rough_about(GP, 30)),
        _b_variants(cell),
        _OPEN_BATCH,
    )


def _b3(cell) -> Claim:
    settings = {
        f"batch {size}": {
            _LONG: cell("report_b", GAN, SGD, batch_size=size, epochs=2000),
            RMSPROP: cell("report_b", GAN, RMSPROP, batch_size=size),
        }
        for size in (64, 256)
    }
    return Claim(
        "B3",
        "GAN with SGD has barely fitted at epoch 200, and at epoch 2000 is still worse than "
        "RMSprop at 200.",
        (barely_fits(_LONG, 200), fits_better(RMSPROP, _LONG)),
        settings,
        f"{_FILLED} No batch size (64); the rate is 1e-4.",
    )


_OPEN_MORE = (
    f"{_FILLED} Neither learning rate nor batch size, epochs, critic steps, clip bound and "
    f"penalty weight: batch 64, 200 epochs, 1 critic step, 0.01, 0.001. {_BETAS}"
)
_C_ADAM, _C_RMSPROP = (
    tuple(f"{variant}, {optimizer}" for variant in _VARIANTS) for optimizer in (ADAM, RMSPROP)
)


def _c_settings(cell) -> dict[str, Setting]:
    def six(**given: Any) -> Setting:
        return {
            f"{variant}, {optimizer}": cell("report_c", variant, optimizer, **given)
            for optimizer in (ADAM, RMSPROP)
            for variant in _VARIANTS
        }

    return {"rate 1e-4": six(**_SLOW), "rate 1e-3": six(**_FAST)}


def _c1(cell) -> Claim:
    gan, wgan, penalised = _C_ADAM
    return Claim(
        "C1",
        "With Adam, GAN and WGAN do badly and WGAN-GP clearly better.",
        (
            fits_badly(gan),
            fits_badly(wgan),
            fits_better(penalised, gan, CLEARLY),
            fits_better(penalised, wgan, CLEARLY),
        ),
        only(_c_settings(cell), _C_ADAM),
        _OPEN_MORE,
    )


def _c2(cell) -> Claim:
    pairs = zip(_C_RMSPROP, _C_ADAM, strict=True)
    return Claim(
        "C2",
        "With RMSprop all three do clearly better than with Adam.",
        tuple(fits_better(rmsprop, adam, CLEARLY) for rmsprop, adam in pairs),
        _c_settings(cell),
        _OPEN_MORE,
    )


def _c3(cell) -> Claim:
    gan, wgan, penalised = _C_RMSPROP
    return Claim(
        "C3",
        "With RMSprop GAN and WGAN are alike and WGAN-GP is best.",
        (fits_alike(gan, wgan), fits_better(penalised, gan), fits_better(penalised, wgan)),
        only(_c_settings(cell), _C_RMSPROP),
        _OPEN_MORE,
    )


BUILDERS: dict[str, Callable[[Callable[..., Cell]], Claim]] = {
    "A1": _a1,
    "A2": _a2,
    "A3": _a3,
    "A4": _a4,
    "A5": _a5,
    "A6": _a6,
    "B1": _b1,
    "B2": _b2,
    "B3": _b3,
    "C1": _c1,
    "C2": _c2,
    "C3": _c3,
}
