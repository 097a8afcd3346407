"""The claims about faces: report D."""

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.claims.images import pictures
from experiments.claims.images.faces import FACES, Faces
from experiments.claims.images.parts import (
    RECOGNISABLE,
    change,
    ends_better,
    mean_over,
    not_before,
    seen_by,
    seen_sooner,
)
from experiments.claims.origins import ANY, ReportValues, origins
from experiments.common.settings import Recipe
from experiments.faces.config import DEFAULTS
from experiments.images.config import Config, Dataset, configure
from jaxgan.metrics.claims import Claim, Draw, Measure, Origins, Part, Setting, column, diverged
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.records import Cell

FASTER = 0.95  # share of another's time from which on an update is faster
ONE_HUE = 1.0  # bits: as few as two hues that are equally frequent
MORE_HUES = 0.5  # bits more

GAN, GP = "GAN", "WGAN-GP"
WASSERSTEIN, LISTING = "Wasserstein loss", "cross-entropy"
ALSO_ADAM = "GAN with Adam too"  # joined to the name of a setting

# Settings.


def settings_of(size: Mapping[str, Any]) -> dict[str, Setting]:
    """GAN and WGAN-GP, with both of the report's losses and with both optimizers of GAN."""
    batch = size["batch_size"]
    # The report sums its losses over a batch, and halves the critic's.
    rates = {"learning_rate": (0.005 * batch,), "critic_learning_rate": 0.0025 * batch}
    adam = {"learning_rate": (0.001,), "betas": (0.5, 0.999), "penalty_weight": (10.0,)}

    def cell(variant: str, optimizer: str, settings: Mapping[str, Any]) -> Config:
        common = {"epochs": 30, "latent_dim": 200, "ema": 0.0}
        names = {"variant": (variant,), "optimizer": (optimizer,)}
        images = Dataset(np.arange(size["train_size"]), "")  # stand for images
        every = {**size, **common, **names, **settings}
        return configure(DEFAULTS, Recipe({}), every, images)[0]

    gan = cell("gan", "sgd", rates)
    with_adam = cell("gan", "adam", {name: adam[name] for name in ("learning_rate", "betas")})
    penalty_cells = {
        WASSERSTEIN: cell("wgan_gp", "adam", adam),
        LISTING: cell("gan", "adam", adam | {"penalty": "gradient"}),
    }

    def settings(opponent: Config, words: str) -> dict[str, Setting]:
        return {
            name + words: {
                GAN: Cell(FACES, Faces(opponent, gan)),
                GP: Cell(FACES, Faces(config, gan)),
            }
            for name, config in penalty_cells.items()
        }

    return settings(gan, "") | settings(with_adam, f", {ALSO_ADAM}")


def origins_of(cell: Cell) -> Origins:
    """Who chose the settings of a cell of faces."""
    config = cell.config.config
    rate = 0.005 * config.batch_size  # of a mean over the batch, as the report's 0.005 of a sum
    report: ReportValues = {
        **dict.fromkeys(("variant", "penalty", "model", "norm"), ANY),
        "batch_size": (512,),
        "epochs": (30,),
        "latent_dim": (200,),
        "size": (64,),
    }
    if config.penalty == "none":
        report |= {
            "optimizer": ("sgd",),
            "learning_rate": ((rate,),),
            "critic_learning_rate": (rate / 2,),
            "critic_norm": ("batch",),
        }
    else:
        report |= {
            "optimizer": ("adam",),
            "learning_rate": ((0.001,),),
            "betas": ((0.5, 0.999),),
        }
    return origins(config, report)


def note_of(size: Mapping[str, Any]) -> str:
    """What is trained, and what was filled in."""
    return (
        f"The networks have width {size['width']} and train on {size['train_size']} of the "
        f"built-in cartoon faces, of {size['size']} pixels, in batches of "
        f"{size['batch_size']}; the report has photographs of 64 pixels, width 64 and batches "
        "of 512. Learning rates are the report's; those of GAN are for losses summed over a "
        "batch, as in the report. WGAN-GP has the Wasserstein loss in the report's text, and "
        "cross-entropy with the penalty in its listing: both are tested. Its critic has no "
        "batch norm here, since the penalty is per example. Chosen here, since the report "
        "does not say: a penalty weight of 10, with losses that are means over a batch, and "
        "one critic step. The Fréchet ratio punishes lack of variety too: at 32 pixels noise "
        "scores 27, and ten sharp faces, repeated, 32."
    )


# Measures and parts.

_COST = Measure(
    "time of an update over that of GAN", "", lambda records: column(records, "relative_cost")
)
_HUES = Measure(
    "mean entropy of the samples' hues from epoch 21 on",
    "bits",
    lambda records: mean_over(records, "hue_bits", 21, len(records[0].arrays["hue_bits"])),
    unknown=diverged,
)


def _trend(role: str, loss: str, word: str, range_: Range) -> Part:
    rule = f"{role}: the {loss}".replace("_", "'s ") + f" {word}"
    return Part(rule, change(loss), (role,), range_)


# The table.


class Entry(NamedTuple):
    """A claim whose scale is still open; the fields are those of ``Claim``."""

    sentence: str
    parts: tuple[Part, ...]
    note: str = ""  # added to the one about the scale
    draw: Draw = pictures.draw_faces
    also_adam: bool = False  # whether it compares what GAN and WGAN-GP make


_ALSO_ADAM = (
    "The report compares GAN with SGD to WGAN-GP with Adam. In the settings in which GAN has "
    "Adam too, with WGAN-GP's rate and betas, losses are compared and not optimizers; but "
    "GAN's critic keeps its batch norm."
)
_RECOGNISABLE = f"A face is recognisable at a Fréchet ratio of at most {RECOGNISABLE:g}."

CLAIMS = {
    "D1": Entry(
        "WGAN-GP's faces are recognisable by epoch 6, GAN's not before epoch 10.",
        (seen_by(GP, 6), not_before(GAN, 10)),
        f"{_RECOGNISABLE} {_ALSO_ADAM}",
        also_adam=True,
    ),
    "D2": Entry(
        "After epoch 20 GAN's faces share one dominant hue, while WGAN-GP's colours are more "
        "varied.",
        (
            Part(
                f"GAN's faces have few hues: their entropy is below {ONE_HUE:g} bit, which two "
                "equally frequent hues have",
                _HUES,
                (GAN,),
                Range(high=ONE_HUE),
            ),
            Part(
                f"WGAN-GP's faces have more hues: over {MORE_HUES:g} bits more",
                _HUES,
                (GP, GAN),
                Range(low=MORE_HUES),
            ),
        ),
        "The entropy says how varied the images' dominant hues are, each one of 24. "
        f"{_ALSO_ADAM}",
        pictures.draw_hues,
        also_adam=True,
    ),
    "D3": Entry(
        "WGAN-GP ends with clearly better faces than GAN.",
        (ends_better(GP, GAN),),
        _ALSO_ADAM,
        also_adam=True,
    ),
    "D4": Entry(
        "WGAN-GP runs faster than GAN, per update.",
        (
            Part(
                f"an update of WGAN-GP takes less than {FASTER:g} times as long as one of GAN",
                _COST,
                (GP,),
                Range(high=FASTER),
            ),
        ),
        "Updates of both are timed in turn, on one device, after the training.",
        lambda settings, records: [],
    ),
    "D4b": Entry(
        "WGAN-GP runs faster than GAN, until faces are recognisable.",
        (seen_sooner(GP, GAN, 30),),
        f"{_RECOGNISABLE} {_ALSO_ADAM}",
        also_adam=True,
    ),
    "D5": Entry(
        "With GAN and with WGAN-GP, the critic's loss falls and the generator's rises.",
        (
            _trend(GAN, "critic_loss", "falls", Range(high=0.0)),
            _trend(GAN, "generator_loss", "rises", Range(low=0.0)),
            _trend(GP, "critic_loss", "falls", Range(high=0.0)),
            _trend(GP, "generator_loss", "rises", Range(low=0.0)),
        ),
        "The means of a loss over the first and the last third of all epochs are compared.",
        pictures.draw_losses,
    ),
}


def claim(name: str, size: Mapping[str, Any]) -> Claim:
    """A claim about faces, by its name in ``CLAIMS`` and the entry ``faces`` of a scale."""
    sentence, parts, note, draw, also_adam = CLAIMS[name]
    settings = settings_of(size)
    if not also_adam:
        settings = {name: settings[name] for name in (WASSERSTEIN, LISTING)}
    note = f"{note_of(size)} {note}".strip()
    return Claim(name, sentence, parts, settings, note, draw, origins_of)
