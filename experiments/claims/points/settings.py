"""The settings under which claims about points are tested: what the reports leave open."""

from collections.abc import Callable, Mapping
from typing import Any

from experiments.claims import origins
from experiments.points.config import DEFAULTS
from jaxgan.metrics.claims import Setting, only
from jaxgan.runs.records import Cell

GAN, WGAN, GP = "GAN", "WGAN", "WGAN-GP"
SGD, ADAM, RMSPROP = "SGD", "Adam", "RMSprop"
VARIANTS = {GAN: "gan", WGAN: "wgan", GP: "wgan_gp"}
OPTIMIZERS = {SGD: "sgd", ADAM: "adam", RMSPROP: "rmsprop"}
FIVE, LONG = "SGD with 5 critic steps", "SGD with 2000 epochs"

MakeCell = Callable[..., Cell]  # (recipe, variant, optimizer, **settings) -> cell


_SLOW: dict[str, Any] = {"learning_rate": (1e-4,)}
_FAST: dict[str, Any] = {"learning_rate": (1e-3,)}
_WIDE: dict[str, Any] = {"clip": (0.1,), "penalty_weight": (0.1,)}
_SAME_RATE = dict.fromkeys(OPTIMIZERS, 1e-3)
USUAL = {
    name: DEFAULTS.by_optimizer[optimizer]["learning_rate"][0]
    for name, optimizer in OPTIMIZERS.items()
}


def _three(cell: MakeCell, recipe: str, **settings: Any) -> Setting:
    return {variant: cell(recipe, variant, RMSPROP, **settings) for variant in VARIANTS}


def a_rates(cell: MakeCell) -> dict[str, Setting]:
    """The variants of report A at two learning rates."""
    return {
        "rate 1e-4": _three(cell, "report_a", **_SLOW),
        "rate 1e-3": _three(cell, "report_a", **_FAST),
    }


def a_variants(cell: MakeCell) -> dict[str, Setting]:
    """The same, and with a wider clip bound and a heavier penalty."""
    wide = _three(cell, "report_a", **_FAST, **_WIDE)
    return a_rates(cell) | {"rate 1e-3, clip and penalty weight 0.1": wide}


def _a_optimizers(
    cell: MakeCell, rates: Mapping[str, float], steps: int, epochs: int = 200
) -> Setting:
    """All three, SGD with other critic steps and epochs than the others."""

    def one(name: str, steps: int = 5, epochs: int = 200) -> Cell:
        own = {"learning_rate": (rates[name],), "critic_steps": steps, "epochs": epochs}
        return cell("report_a", GAN, name, **own)

    others = {name: one(name) for name in (ADAM, RMSPROP)}
    return {SGD: one(SGD, steps, epochs), FIVE: one(SGD)} | others


def a_by_rate(cell: MakeCell) -> dict[str, Setting]:
    """The optimizers of report A, at one rate for all and at a rate each."""
    return {
        "one rate, SGD 20 steps": _a_optimizers(cell, _SAME_RATE, 20),
        "a rate each, SGD 20 steps": _a_optimizers(cell, USUAL, 20),
    }


def a_more_steps(cell: MakeCell) -> dict[str, Setting]:
    """The same, and SGD with more critic steps, or with more epochs."""
    more = {
        "a rate each, SGD 30 steps": _a_optimizers(cell, USUAL, 30),
        "a rate each, SGD 20 steps, 800 epochs": _a_optimizers(cell, USUAL, 20, 800),
    }
    return a_by_rate(cell) | more


def a_fewer_steps(cell: MakeCell) -> dict[str, Setting]:
    """SGD and Adam, SGD with 20 critic steps and with 5."""
    by_rate = a_by_rate(cell)
    return only(by_rate, SGD, ADAM) | {
        f"{name.removesuffix('20 steps')}5 steps": {SGD: setting[FIVE], ADAM: setting[ADAM]}
        for name, setting in by_rate.items()
    }


def b_variants(cell: MakeCell) -> dict[str, Setting]:
    """The variants of report B with two batch sizes, and with a wider clip bound."""
    return {
        "batch 64": _three(cell, "report_b"),
        "batch 256": _three(cell, "report_b", batch_size=256),
        "batch 64, clip 0.1": _three(cell, "report_b", clip=(0.1,)),
    }


def b_long(cell: MakeCell) -> dict[str, Setting]:
    """SGD for 2000 epochs beside RMSprop, with two batch sizes."""
    return {
        f"batch {size}": {
            LONG: cell("report_b", GAN, SGD, batch_size=size, epochs=2000),
            RMSPROP: cell("report_b", GAN, RMSPROP, batch_size=size),
        }
        for size in (64, 256)
    }


def c_settings(cell: MakeCell) -> dict[str, Setting]:
    """Variants and optimizers of report C over critic steps and penalty weights."""

    def setting(steps: int, weight: float, rate: Mapping[str, Any] = _SLOW) -> Setting:
        own = {**rate, "critic_steps": steps, "penalty_weight": (weight,)}
        return {
            f"{variant} with {optimizer}": cell("report_c", variant, optimizer, **own)
            for optimizer in (ADAM, RMSPROP)
            for variant in VARIANTS
        }

    weights = {"0.001": 0.001, "0.1": 0.1, "10": 10.0}
    grid = {
        f"rate 1e-4, critic steps {steps}, weight {name}": setting(steps, weight)
        for steps in (1, 5)
        for name, weight in weights.items()
    }
    (first, b), *rest = grid.items()
    return {
        f"{first} (report B's)": b,
        "rate 1e-3, critic steps 1, weight 0.001": setting(1, 0.001, _FAST),
        **dict(rest),
    }


def given_by(claim: str) -> origins.ReportValues:
    """What the report of a claim says of the settings, by the claim's name."""
    every = origins.ANY
    a = {"variant": every, "penalty": every, "epochs": (100, 200), "critic_steps": (5, 20, 30)}
    if claim in ("A4", "A5", "A6"):
        a |= {"optimizer": every}
    widths = ("generator_widths", "critic_widths")
    reports: dict[str, origins.ReportValues] = {
        "A": a,
        "B": {
            **dict.fromkeys(("variant", "penalty", "optimizer", *widths), every),
            "learning_rate": ((1e-4,),),
            "critic_steps": (1,),
            "epochs": (200, 2000),
            "train_size": (7000,),
            "penalty_weight": ((0.001,),),
        },
        "C": dict.fromkeys(("variant", "penalty", "optimizer", *widths), every),
    }
    return reports[claim[0]]
