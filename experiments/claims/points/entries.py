"""The claims about points, each with its rule and the settings that a report leaves open."""

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from experiments.claims.origins import origins
from experiments.claims.points.cells import POINTS, digest
from experiments.claims.points.parts import (
    CLEARLY,
    SLIGHTLY,
    barely_fits,
    behaves_alike,
    fits_alike,
    fits_badly,
    fits_better,
    fits_well,
    rough_about,
    rough_by,
    rough_sooner,
)
from experiments.claims.points.pictures import draw_points
from experiments.claims.points.settings import (
    ADAM,
    FIVE,
    GAN,
    GP,
    LONG,
    OPTIMIZERS,
    RMSPROP,
    SGD,
    USUAL,
    VARIANTS,
    WGAN,
    MakeCell,
    a_by_rate,
    a_fewer_steps,
    a_more_steps,
    a_rates,
    a_variants,
    b_long,
    b_variants,
    c_settings,
    given_by,
)
from experiments.points.config import configure
from jaxgan.errors import InputError
from jaxgan.metrics.claims import Claim, Origins, Part, Setting, only
from jaxgan.runs.records import Cell


class Entry(NamedTuple):
    """A claim on data that is still open; the fields are those of ``Claim``."""

    sentence: str
    parts: tuple[Part, ...]
    settings: Callable[[MakeCell], Mapping[str, Setting]]
    note: str


def claim(name: str, data: str, data_key: str, columns: tuple[str, ...] = ()) -> Claim:
    """A claim about points, by its name in ``CLAIMS``.

    Raises:
      InputError: If the data cannot be read, or the claim not be tested on it.
    """
    source = {"data": data, "data_key": data_key, "columns": columns}
    digest(data, data_key, columns)  # reports bad data first

    def cell(recipe: str, variant: str, optimizer: str, **settings: Any) -> Cell:
        for setting, owner in (("clip", WGAN), ("penalty_weight", GP)):
            if variant != owner:  # has no such setting
                settings.pop(setting, None)
        settings |= {"variant": (VARIANTS[variant],), "optimizer": (OPTIMIZERS[optimizer],)}
        (config,) = configure(recipe, **source, **settings)
        return Cell(POINTS, config)

    entry = CLAIMS[name]
    try:
        settings = entry.settings(cell)
    except InputError as error:
        cause = error.__cause__  # an error without its remedy, flags that are not there
        reason = cause if isinstance(cause, InputError) else error
        raise InputError(f"claim {name} cannot be tested on {data}: {reason}") from error

    def origins_of(cell: Cell) -> Origins:
        return origins(cell.config, given_by(name))

    rest = entry.note, draw_points, origins_of
    return Claim(name, entry.sentence, entry.parts, settings, *rest)


# The table.

_OURS = (
    "Chosen here, since the report does not say: latent dimension 2, and points brought to "
    "mean 0 and standard deviation 1. The report prints GAN's minimax formula; here GAN has "
    "the non-saturating loss, which is used in practice."
)
_BETAS = "Adam's betas are 0.9 and 0.999."
_SLIGHTLY = f"“Slightly” is read as over {SLIGHTLY:g}, without an upper end."
_NETWORKS = "Hidden layers have widths 256 and 64, and a batch has 64 points: both chosen here."
_OPEN_RATE = (
    f"{_OURS} {_NETWORKS} The optimizer of GAN, WGAN and WGAN-GP is RMSprop. The report "
    "leaves its learning rate, the clip bound and the penalty weight open: the settings have "
    "several, and 0.01 and 0.001 for the last two unless they say otherwise."
)
_USUAL_TEXT = ", ".join(f"{name} {rate:g}" for name, rate in USUAL.items())
_OPEN_RATES = (
    f"{_OURS} {_NETWORKS} {_BETAS} The report leaves the learning rates open: the settings "
    f"have one for all, 1e-3, or one each ({_USUAL_TEXT}). SGD trains with 20 or 30 critic "
    "steps per generator step, or with 5 as the others do. An epoch is one pass over the "
    "points, so with more critic steps the generator has fewer updates in an epoch: of 7000 "
    "points, 21 at 5 steps, 5 at 20 and 3 at 30."
)
_OPEN_BATCH = (
    f"{_OURS} The report leaves batch size and clip bound open: 64 and 0.01 unless a setting "
    "says otherwise."
)
_OPEN_MORE = (
    f"{_OURS} The report leaves most settings open. A batch size of 64, 200 epochs and a "
    "clip bound of 0.01 are chosen here. Learning rate, critic steps and penalty weight "
    "would decide the claim, so the settings have several: the first has report B's; the "
    "others have another rate, or all pairs of critic steps (of all three) and penalty "
    "weights (of WGAN-GP alone). 5 steps and weight 10 are those of the paper on WGAN-GP "
    "(arXiv 1704.00028). With 5 steps an epoch has a fifth of the generator's updates. "
    f"{_BETAS}"
)
_C_ADAM = _GAN_ADAM, _WGAN_ADAM, _GP_ADAM = tuple(f"{x} with {ADAM}" for x in VARIANTS)
_C_RMSPROP = _GAN_RMS, _WGAN_RMS, _GP_RMS = tuple(f"{x} with {RMSPROP}" for x in VARIANTS)

CLAIMS = {
    "A1": Entry(
        "GAN shows the M by epoch 30 and fits it well by epoch 100.",
        (rough_by(GAN, 30), fits_well(GAN)),
        lambda cell: only(a_rates(cell), GAN),
        _OPEN_RATE,
    ),
    "A2": Entry(
        "WGAN fits more slowly than GAN; its final fit is slightly better.",
        (rough_sooner(GAN, WGAN, 100), fits_better(WGAN, GAN)),
        lambda cell: only(a_variants(cell), GAN, WGAN),
        f"{_OPEN_RATE} {_SLIGHTLY}",
    ),
    "A3": Entry(
        "WGAN-GP behaves about like GAN while training; its final fit is slightly better than "
        "GAN's.",
        (behaves_alike(GP, GAN), fits_better(GP, GAN)),
        lambda cell: only(a_variants(cell), GAN, GP),
        f"{_OPEN_RATE} {_SLIGHTLY}",
    ),
    "A4": Entry(
        "SGD is the slowest optimizer for GAN, with its first rough fit at about epoch 135, "
        "and it needs 20 to 30 critic steps per generator step.",
        (
            rough_sooner(ADAM, SGD, 200),
            rough_sooner(RMSPROP, SGD, 200),
            rough_about(SGD, 135),
            fits_better(SGD, FIVE, CLEARLY),
        ),
        a_more_steps,
        f"{_OPEN_RATES} That SGD needs 20 to 30 critic steps is read as: with 5 it ends "
        "clearly worse. With 20 steps and 800 epochs it has about as many generator updates as "
        "with 5 steps and 200 epochs.",
    ),
    "A5": Entry(
        "Adam converges faster than SGD with 5 critic steps, but ends worse than SGD.",
        (rough_sooner(ADAM, SGD, 200), fits_better(SGD, ADAM)),
        a_fewer_steps,
        f"{_OPEN_RATES} The report's 5 critic steps may be Adam's alone, or those of both.",
    ),
    "A6": Entry(
        "RMSprop is the best of the three optimizers, in speed and in final fit.",
        (
            rough_sooner(RMSPROP, SGD, 200),
            rough_sooner(RMSPROP, ADAM, 200),
            fits_better(RMSPROP, SGD),
            fits_better(RMSPROP, ADAM),
        ),
        lambda cell: only(a_by_rate(cell), SGD, ADAM, RMSPROP),
        _OPEN_RATES,
    ),
    "B1": Entry(
        "After 200 epochs with RMSprop at a learning rate of 1e-4, WGAN-GP is best, then WGAN, "
        "then GAN.",
        (fits_better(GP, WGAN), fits_better(WGAN, GAN)),
        b_variants,
        _OPEN_BATCH,
    ),
    "B2": Entry(
        "GAN and WGAN reach a rough fit at about epoch 70, WGAN-GP at about epoch 30.",
        (rough_about(GAN, 70), rough_about(WGAN, 70), rough_about(GP, 30)),
        b_variants,
        _OPEN_BATCH,
    ),
    "B3": Entry(
        "GAN with SGD has barely fitted at epoch 200, and at epoch 2000 it is still worse than "
        "GAN with RMSprop at epoch 200.",
        (barely_fits(LONG, 200), fits_better(RMSPROP, LONG)),
        b_long,
        f"{_OURS} The report leaves the batch size open. The learning rate is 1e-4.",
    ),
    "C1": Entry(
        "With Adam, GAN and WGAN do badly, and WGAN-GP does clearly better.",
        (
            fits_badly(_GAN_ADAM),
            fits_badly(_WGAN_ADAM),
            fits_better(_GP_ADAM, _GAN_ADAM, CLEARLY),
            fits_better(_GP_ADAM, _WGAN_ADAM, CLEARLY),
        ),
        lambda cell: only(c_settings(cell), *_C_ADAM),
        _OPEN_MORE,
    ),
    "C2": Entry(
        "With RMSprop, GAN, WGAN and WGAN-GP all do clearly better than with Adam.",
        (
            fits_better(_GAN_RMS, _GAN_ADAM, CLEARLY),
            fits_better(_WGAN_RMS, _WGAN_ADAM, CLEARLY),
            fits_better(_GP_RMS, _GP_ADAM, CLEARLY),
        ),
        c_settings,
        _OPEN_MORE,
    ),
    "C3": Entry(
        "With RMSprop, GAN and WGAN are alike, and WGAN-GP is best.",
        (
            fits_alike(_GAN_RMS, _WGAN_RMS),
            fits_better(_GP_RMS, _GAN_RMS),
            fits_better(_GP_RMS, _WGAN_RMS),
        ),
        lambda cell: only(c_settings(cell), *_C_RMSPROP),
        _OPEN_MORE,
    ),
}
