"""The claims about Fashion-MNIST: report E."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from experiments.claims.images import fashion, pictures
from experiments.claims.images.fashion import DIMENSIONS, DISTANCE, FASHION
from experiments.claims.images.parts import constant
from experiments.claims.origins import ANY, ReportValues, origins
from experiments.common.settings import Recipe
from experiments.fashion_mnist.config import DEFAULTS
from experiments.images.config import Dataset, configure
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.errors import InputError
from jaxgan.metrics.claims import Claim, Measure, Origins, Part, Setting, column, diverged
from jaxgan.metrics.verdicts import Range
from jaxgan.runs.records import Cell, Record

MOVES = 0.25  # share of the samples that change their class
AGREES = 0.5  # cosine

NETWORK = "network"
DENSE, CONVOLUTIONAL = "dense", "convolutional"

Sizes = Mapping[str, Mapping[str, Any]]  # model to width and train_size


def _settings(sizes: Sizes) -> dict[str, Setting]:
    try:
        _, dataset = fashion.garments()
    except InputError as error:
        raise InputError(
            "claims E1 and E2 need Fashion-MNIST: Debian's package dataset-fashion-mnist, its "
            "folder in $JAXGAN_DATA, or a connection; --only leaves them out"
        ) from error
    if len(dataset.images) < sizes["report_dense"]["train_size"]:
        raise InputError(
            f"claims E1 and E2 need all of Fashion-MNIST, not {len(dataset.images)} images"
        )

    def cell(model: str) -> Cell:
        settings = {
            "epochs": 10,
            "latent_dim": 100,
            "batch_size": 64,
            "ema": 0.0,
            "variant": ("gan",),
            "optimizer": ("adam",),
            "learning_rate": (2e-4,),
            "model": (model,),
            **sizes[model],
        }
        images = Dataset(np.arange(settings["train_size"]), "")  # stand for images
        return Cell(FASHION, configure(DEFAULTS, Recipe({}), settings, images)[0])

    return {
        DENSE: {NETWORK: cell("report_dense")},
        CONVOLUTIONAL: {NETWORK: cell("report_conv")},
    }


def _origins(cell: Cell) -> Origins:
    report: ReportValues = {
        **dict.fromkeys(("variant", "model", "size", "norm", "critic_norm"), ANY),
        "optimizer": ("adam",),
        "learning_rate": ((2e-4,),),
        "epochs": (10,),
        "latent_dim": (100,),
        "width": (128,),
        "train_size": (60_000,),
    }
    return origins(cell.config, report)


def _note(sizes: Sizes) -> str:
    dense, conv = sizes["report_dense"], sizes["report_conv"]
    return (
        f"The dense networks have width {dense['width']} and train on {dense['train_size']} "
        f"images of Fashion-MNIST, the convolutional ones have width {conv['width']} and "
        f"train on {conv['train_size']}; the report has 128 and 60000 for both. Chosen here, "
        "since the report does not say: batches of 64, and 0.5 and 0.999 for Adam's betas."
    )


def _e1(sizes: Sizes) -> Claim:
    return Claim(
        "E1",
        "After 3 epochs both losses stay about constant, with dense networks and with "
        "convolutional ones.",
        tuple(
            constant(role, loss)
            for role in (DENSE, CONVOLUTIONAL)
            for loss in ("critic_loss", "generator_loss")
        ),
        {"as reported": {name: x[NETWORK] for name, x in _settings(sizes).items()}},
        _note(sizes),
        pictures.draw_losses,
        _origins,
    )


_TOPS = ("T-shirt/top", "Pullover", "Coat", "Shirt")
_SHOES = ("Sandal", "Sneaker", "Ankle boot")
# Dimension: what it moves from, and to, in the words of the report and in classes.
_MOVES = {
    20: ("trousers", ("Trouser",), "sandals or heels", ("Sandal", "Ankle boot")),
    50: ("tops", _TOPS, "shoes", _SHOES),
    60: ("shoes", _SHOES, "dresses", ("Dress",)),
    70: ("tops", _TOPS, "trousers", ("Trouser",)),
    90: ("tops", _TOPS, "boots", ("Ankle boot",)),
}


def _shift(records: Sequence[Record]) -> np.ndarray:
    """Shares of classes with each dimension raised, less those lowered: ``[S, T, 10]``."""
    shares = column(records, "shares")
    return shares[:, :, 2] - shares[:, :, 0]


def _distance(records: Sequence[Record]) -> np.ndarray:
    """Total variation distance between shares, lowered and raised, over dimensions."""
    return np.abs(_shift(records)).sum(axis=-1).mean(axis=-1) / 2


def _agreement(records: Sequence[Record]) -> np.ndarray:
    """Cosine of a seed's shifts with the mean of the other seeds', over dimensions."""
    shift = _shift(records)
    others = shift.sum(axis=0) - shift
    lengths = np.linalg.norm(shift, axis=-1) * np.linalg.norm(others, axis=-1)
    cosines = (shift * others).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return cosines.mean(axis=-1)


def _above(least: float, rule: str, name: str, values) -> Part:
    measure = Measure(name, "", values, unknown=diverged)
    return Part(rule, measure, (NETWORK,), Range(low=least))


def _towards(dimension: int) -> Part:
    before, sources, after, targets = _MOVES[dimension]
    at = DIMENSIONS.index(dimension)

    def values(records):
        shift = _shift(records)[:, at]
        gain = shift[:, [CLASSES.index(name) for name in targets]].sum(axis=-1)
        loss = -shift[:, [CLASSES.index(name) for name in sources]].sum(axis=-1)
        return np.minimum(gain, loss)

    return _above(
        MOVES,
        f"as dimension {dimension} is raised, {before} lose and {after} gain over {MOVES:g} of "
        "the samples",
        f"the smaller of what {before} lose and {after} gain in share",
        values,
    )


def _e2(sizes: Sizes) -> Claim:
    return Claim(
        "E2",
        f"Moving one latent dimension by ±{DISTANCE:g} moves pictures of clothes towards "
        "particular classes.",
        (
            _above(
                MOVES,
                "lowering and raising a dimension gives different classes: their shares differ "
                f"by over {MOVES:g} in total variation, half the sum of all differences",
                "total variation between the shares of classes, mean of 5 dimensions",
                _distance,
            ),
            _above(
                AGREES,
                "a dimension moves the classes alike with every seed: the cosine between a "
                f"seed's shifts of shares and the mean of the others' is above {AGREES:g}",
                "cosine of a seed's shifts with the other seeds'",
                _agreement,
            ),
            *map(_towards, DIMENSIONS),
        ),
        _settings(sizes),
        f"{_note(sizes)} A classifier that is trained on the real images tells the classes.",
        pictures.draw_traversal,
        _origins,
    )


CLAIMS = {"E1": _e1, "E2": _e2}


def claim(name: str, sizes: Sizes) -> Claim:
    """A claim about Fashion-MNIST, by its name in ``CLAIMS``.

    Raises:
      InputError: If Fashion-MNIST is not there, or not all of it.
    """
    return CLAIMS[name](sizes)
