"""The claims of the reports, each with the rule that was fixed before anything was run.

A claim is one entry of ``claims``: the sentence, what it says in numbers (``Part``), and
under which settings it is tested, where the report leaves some open. A cell may be of any
laboratory: parts see records, and what a number means is the measure's business.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, NamedTuple

import numpy as np

from experiments import claims_pictures
from experiments.claims_cells import Cell, Record
from experiments.claims_points import POINTS, ROUGH
from experiments.points_config import DEFAULTS, configure
from jaxgan.metrics import verdicts
from jaxgan.metrics.intervals import Interval
from jaxgan.metrics.verdicts import Range


class Measure(NamedTuple):
    """A number of each run.

    Attributes:
      name: What it is.
      unit: Of it and of differences; empty for a ratio.
      values: ``records -> [S]``; finite for a run that diverged too.
      unbounded: ``records -> [S]``: where the value is a lower bound only.
    """

    name: str
    unit: str
    values: Callable[[Sequence[Record]], np.ndarray]
    unbounded: Callable[[Sequence[Record]], np.ndarray] = lambda records: np.full(
        len(records), False
    )


class Part(NamedTuple):
    """One thing that a claim says: a number, or a difference of two, lies in a range.

    Attributes:
      rule: The whole of it in words.
      measure: Of the number.
      roles: One role; or two, of which the second's number is taken from the first's, seed
        by seed.
      allowed: Where the mean over seeds lies if the part is true.
      at_level: The same part with another meaning of a rough fit, where it speaks of one.
    """

    rule: str
    measure: Measure
    roles: tuple[str, ...]
    allowed: Range
    at_level: "Callable[[float], Part] | None" = None


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
      draw: Makes pictures; see ``claims_pictures``.
    """

    name: str
    sentence: str
    parts: tuple[Part, ...]
    settings: Mapping[str, Setting]
    note: str
    draw: claims_pictures.Draw = claims_pictures.draw_points


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
      by_level: The same with other meanings of a rough fit, where the claim speaks of one.
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
    if any(part.at_level for part in claim.parts):
        for level in OTHER_LEVELS:
            parts = [part.at_level(level) if part.at_level else part for part in claim.parts]
            by_level[level] = verdicts.overall(test(parts)[1].values())
    overall = verdicts.overall(by_setting.values())
    return Outcome(claim, findings, by_setting, overall, by_level)


def _find(name: str, part: Part, setting: Setting, records) -> Finding:
    runs = {role: records[setting[role]] for role in part.roles}
    values = {role: part.measure.values(x) for role, x in runs.items()}
    never = {role: int(part.measure.unbounded(x).sum()) for role, x in runs.items()}
    first, *others = values.values()
    effect = verdicts.mean_interval(first - others[0] if others else first)
    # A lower bound says nothing about how large the effect may be.
    judged = effect._replace(high=math.inf) if never[part.roles[0]] else effect
    return Finding(
        name,
        part,
        values,
        effect,
        {role: sum(int(r.arrays["diverged_at"]) > 0 for r in x) for role, x in runs.items()},
        never,
        verdicts.verdict(judged, part.allowed),
    )


# Measures of the points laboratory.

OTHER_LEVELS = (1.75, 3.5)  # what a rough fit could mean instead of ROUGH
WELL = 1.5  # exact fit ratio of a generator that fits well; a perfect one scores 1
BADLY = 2.5  # exact fit ratio of one that fits badly
SLIGHTLY, CLEARLY = 0.05, 0.5  # differences of exact fit ratios
SOONER = 0.05  # a difference of first epochs that matters, as a share of all epochs
ALIKE_COURSE = math.log(1.5)


def _stack(records: Sequence[Record], name: str) -> np.ndarray:
    return np.stack([record.arrays[name] for record in records])


def _fits(records):
    return verdicts.at_worst(_stack(records, "fit_ratio"), _stack(records, "worst_ratio"))


def _capped(records):
    return verdicts.at_worst(
        _stack(records, "curve"), _stack(records, "worst_ratio")[:, np.newaxis]
    )


FIT = Measure("exact fit ratio at the end", "", _fits)


@lru_cache
def _first(level: float) -> Measure:
    return Measure(
        f"first epoch with a sliced ratio of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(_stack(records, "curve"), level),
        lambda records: verdicts.never_within(_stack(records, "curve"), level),
    )


FIRST = _first(ROUGH)
COURSE = Measure(
    "mean over epochs of the logarithm of the sliced ratio",
    "ln",
    lambda records: np.log(_capped(records)).mean(axis=1),
)


def _at(epoch: int) -> Measure:
    return Measure(
        f"sliced ratio at epoch {epoch}",
        "",
        lambda records: _capped(records)[:, epoch - 1],
    )


# Parts of claims.


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
    """The sliced ratios over the training differ by less than a factor."""
    rule = (
        f"the sliced ratios of {one} and {other} differ by less than a factor of 1.5, as a "
        "geometric mean over all epochs"
    )
    return Part(rule, COURSE, (one, other), verdicts.alike(ALIKE_COURSE))


def rough_sooner(sooner: str, later: str, epochs: int, level: float = ROUGH) -> Part:
    """The first rough fit comes earlier, by a share of all epochs."""
    margin = SOONER * epochs
    rule = f"{later} has its first rough fit over {margin:g} epochs after {sooner}"
    again = partial(rough_sooner, sooner, later, epochs)
    return Part(rule, _first(level), (later, sooner), Range(low=margin), again)


def rough_about(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes about an epoch, within a factor."""
    allowed = verdicts.about(epoch)
    ends = " and ".join(f"{end:.0f}" for end in allowed)
    rule = f"{role} has its first rough fit between epochs {ends}"
    return Part(rule, _first(level), (role,), allowed, partial(rough_about, role, epoch))


def rough_by(role: str, epoch: int, level: float = ROUGH) -> Part:
    """The first rough fit comes by an epoch."""
    rule = f"{role} has its first rough fit by epoch {epoch}"
    allowed = Range(high=epoch)
    return Part(rule, _first(level), (role,), allowed, partial(rough_by, role, epoch))


def barely_fits(role: str, epoch: int, level: float = ROUGH) -> Part:
    """No rough fit at an epoch."""
    rule = f"the sliced ratio of {role} at epoch {epoch} is above {level:g}"
    allowed = Range(low=level)
    return Part(rule, _at(epoch), (role,), allowed, partial(barely_fits, role, epoch))


# The table.

GAN, WGAN, GP = "GAN", "WGAN", "WGAN-GP"
SGD, ADAM, RMSPROP = "SGD", "Adam", "RMSprop"
_VARIANTS = {GAN: "gan", WGAN: "wgan", GP: "wgan_gp"}
_OPTIMIZERS = {SGD: "sgd", ADAM: "adam", RMSPROP: "rmsprop"}


def claims(data: str = "m", data_key: str = "xx") -> dict[str, Claim]:
    """The claims about points, by name.

    Args:
      data: Built-in data or a path.
      data_key: Variable of a ``.mat`` file.

    Raises:
      InputError: If the data cannot be read.
    """

    def cell(recipe: str, variant: str, optimizer: str, **given: Any) -> Cell:
        names = {"variant": (_VARIANTS[variant],), "optimizer": (_OPTIMIZERS[optimizer],)}
        (config,) = configure(
            recipe, data=data, data_key=data_key, **names, **_fitting(variant, given)
        )
        return Cell(POINTS, config)

    return {claim.name: claim for claim in (*_a(cell), *_b(cell), *_c(cell))}


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


def _a(cell) -> list[Claim]:
    variants = {
        "rate 1e-4": _three(cell, "report_a", **_SLOW),
        "rate 1e-3": _three(cell, "report_a", **_FAST),
        "rate 1e-3, clip and penalty weight 0.1": _three(cell, "report_a", **_FAST, **_WIDE),
    }

    five = "SGD, 5 critic steps"

    def optimizers(rates: Mapping[str, float], steps: int) -> Setting:
        def one(name: str, steps: int = 5) -> Cell:
            own = {"learning_rate": (rates[name],), "critic_steps": steps, "epochs": 200}
            return cell("report_a", GAN, name, **own)

        made = {SGD: one(SGD, steps), five: one(SGD)}
        return made | {name: one(name) for name in (ADAM, RMSPROP)}

    usual = {
        name: DEFAULTS.by_optimizer[optimizer]["learning_rate"][0]
        for name, optimizer in _OPTIMIZERS.items()
    }
    fast = dict.fromkeys(_OPTIMIZERS, 1e-3)
    text = ", ".join(f"{name} {rate:g}" for name, rate in usual.items())
    by_rate = {
        "one rate, SGD 20 steps": optimizers(fast, 20),
        "a rate each, SGD 20 steps": optimizers(usual, 20),
    }
    more = {"a rate each, SGD 30 steps": optimizers(usual, 30)}
    fewer = {
        f"{name.removesuffix('20 steps')}5 steps": {SGD: setting[five], ADAM: setting[ADAM]}
        for name, setting in by_rate.items()
    }
    networks = (
        "The report gives neither networks nor batch size: hidden widths 256 and 64, batch 64"
    )
    open_rate = (
        f"{networks}. Its learning rate, clip bound (0.01) and penalty weight (0.001) are open."
    )
    open_rates = (
        f"{networks}. Its learning rates are open: one for all, 1e-3, or one each ({text}). "
        "SGD trains with 20 or 30 critic steps per generator step, or 5 as the others do."
    )
    return [
        Claim(
            "A1",
            "GAN shows the M by epoch 30 and fits it well by epoch 100.",
            (rough_by(GAN, 30), fits_well(GAN)),
            _only(variants, (GAN,), 2),
            open_rate,
        ),
        Claim(
            "A2",
            "WGAN fits more slowly than GAN; its final fit is slightly better.",
            (rough_sooner(GAN, WGAN, 100), fits_better(WGAN, GAN)),
            _only(variants, (GAN, WGAN)),
            open_rate,
        ),
        Claim(
            "A3",
            "WGAN-GP behaves about like GAN while training; its final fit is slightly better "
            "than GAN's.",
            (behaves_alike(GP, GAN), fits_better(GP, GAN)),
            _only(variants, (GAN, GP)),
            open_rate,
        ),
        Claim(
            "A4",
            "SGD is the slowest optimizer for GAN (first rough fit about epoch 135) and needs "
            "20 to 30 critic steps per generator step.",
            (
                rough_sooner(ADAM, SGD, 200),
                rough_sooner(RMSPROP, SGD, 200),
                rough_about(SGD, 135),
                fits_better(SGD, five, CLEARLY),
            ),
            by_rate | more,
            f"{open_rates} That SGD needs 20 to 30 critic steps is read as: with 5 it ends "
            "clearly worse.",
        ),
        Claim(
            "A5",
            "Adam converges faster than SGD with 5 critic steps, but ends worse than SGD.",
            (rough_sooner(ADAM, SGD, 200), fits_better(SGD, ADAM)),
            _only(by_rate, (SGD, ADAM)) | fewer,
            f"{open_rates} The 5 critic steps may be those of Adam alone, or of both.",
        ),
        Claim(
            "A6",
            "RMSprop is the best of the three, in speed and in final fit.",
            (
                rough_sooner(RMSPROP, SGD, 200),
                rough_sooner(RMSPROP, ADAM, 200),
                fits_better(RMSPROP, SGD),
                fits_better(RMSPROP, ADAM),
            ),
            _only(by_rate, (SGD, ADAM, RMSPROP)),
            open_rates,
        ),
    ]


def _only(
    settings: Mapping[str, Setting], roles: tuple[str, ...], count: int | None = None
) -> dict[str, Setting]:
    """Some roles of the first settings."""
    chosen = list(settings.items())[:count]
    return {name: {role: setting[role] for role in roles} for name, setting in chosen}


def _b(cell) -> list[Claim]:
    variants = {
        "batch 64": _three(cell, "report_b"),
        "batch 256": _three(cell, "report_b", batch_size=256),
        "batch 64, clip 0.1": _three(cell, "report_b", clip=(0.1,)),
    }
    long = "SGD, 2000 epochs"
    sgd = {
        f"batch {size}": {
            long: cell("report_b", GAN, SGD, batch_size=size, epochs=2000),
            RMSPROP: cell("report_b", GAN, RMSPROP, batch_size=size),
        }
        for size in (64, 256)
    }
    note = "The report gives neither batch size nor clip bound."
    return [
        Claim(
            "B1",
            "After 200 epochs with RMSprop 1e-4: WGAN-GP best, then WGAN, then GAN.",
            (fits_better(GP, WGAN), fits_better(WGAN, GAN)),
            variants,
            note,
        ),
        Claim(
            "B2",
            "GAN and WGAN reach a rough fit at about epoch 70, WGAN-GP at about epoch 30.",
            (rough_about(GAN, 70), rough_about(WGAN, 70), rough_about(GP, 30)),
            variants,
            note,
        ),
        Claim(
            "B3",
            "GAN with SGD has barely fitted at epoch 200, and at epoch 2000 is still worse "
            "than RMSprop at 200.",
            (barely_fits(long, 200), fits_better(RMSPROP, long)),
            sgd,
            "The report gives no batch size; the rate is 1e-4.",
        ),
    ]


def _c(cell) -> list[Claim]:
    def six(**given) -> dict[str, Cell]:
        return {
            f"{variant}, {optimizer}": cell("report_c", variant, optimizer, **given)
            for optimizer in (ADAM, RMSPROP)
            for variant in _VARIANTS
        }

    settings = {"rate 1e-4": six(**_SLOW), "rate 1e-3": six(**_FAST)}

    def roles(optimizer: str) -> tuple[str, ...]:
        return tuple(f"{variant}, {optimizer}" for variant in _VARIANTS)

    adam, rmsprop = roles(ADAM), roles(RMSPROP)
    note = (
        "The report gives neither learning rate nor batch size, epochs, critic steps, clip "
        "bound and penalty weight: batch 64, 200 epochs, 1 critic step, 0.01, 0.001."
    )
    return [
        Claim(
            "C1",
            "With Adam, GAN and WGAN do badly and WGAN-GP clearly better.",
            (
                fits_badly(adam[0]),
                fits_badly(adam[1]),
                fits_better(adam[2], adam[0], CLEARLY),
                fits_better(adam[2], adam[1], CLEARLY),
            ),
            _only(settings, adam),
            note,
        ),
        Claim(
            "C2",
            "With RMSprop all three do clearly better than with Adam.",
            tuple(fits_better(a, b, CLEARLY) for a, b in zip(rmsprop, adam, strict=True)),
            settings,
            note,
        ),
        Claim(
            "C3",
            "With RMSprop GAN and WGAN are alike and WGAN-GP is best.",
            (
                fits_alike(rmsprop[0], rmsprop[1]),
                fits_better(rmsprop[2], rmsprop[0]),
                fits_better(rmsprop[2], rmsprop[1]),
            ),
            _only(settings, rmsprop),
            note,
        ),
    ]
