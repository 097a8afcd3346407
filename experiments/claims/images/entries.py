"""The claims about images, each with its rule."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from experiments.claims.cells import Cell, Record
from experiments.claims.images import pictures
from experiments.claims.images.cells import (
    FACES,
    FASHION,
    TRAVERSED,
    TRAVERSED_BY,
    Faces,
    capped,
    garments,
)
from experiments.claims.page.pictures import Draw, no_pictures
from experiments.claims.rules import (
    Claim,
    Levels,
    Measure,
    Part,
    Setting,
    column,
    diverged,
    first_within,
)
from experiments.common.settings import Defaults, Recipe
from experiments.faces import config as faces
from experiments.fashion_mnist import config as fashion_mnist
from experiments.images import config as images_config
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.errors import InputError
from jaxgan.metrics.verdicts import Range

# What is trained. "small" is what two CPU cores can do; "report" has the reports' sizes.
SCALES: dict[str, dict[str, dict[str, Any]]] = {
    "small": {
        "faces": {"size": 32, "width": 16, "batch_size": 32, "train_size": 2048},
        "dense": {"width": 128, "train_size": 60_000},
        "conv": {"width": 16, "train_size": 12_800},
    },
    "report": {
        "faces": {"size": 64, "width": 64, "batch_size": 512, "train_size": 20_480},
        "dense": {"width": 128, "train_size": 60_000},
        "conv": {"width": 128, "train_size": 60_000},
    },
}

RECOGNISABLE = 20.0  # largest Fréchet ratio at which a face can be told
OTHER_LEVELS = (15.0, 22.0)  # what that could be instead
CLEARLY = math.log(1.5)  # a difference of the logarithms of two ratios
SOONER = 0.05  # a difference of epochs that matters, as a share of all epochs
FASTER = 0.95  # share of another's time from which on an update is faster
ONE_HUE = 1.0  # bits: as few as two hues that are equally frequent
MORE_HUES = 0.5  # bits more
CONSTANT = math.log(1.25)
VISIBLE = 1.0  # deviations of the data that a factor changes by where one can see it
MOVES = 0.25  # share of the samples that change their class
AGREES = 0.5  # cosine


# Measures and parts.


def _mean(records: Sequence[Record], name: str, first: int, last: int) -> np.ndarray:
    """Means over epochs, ends included; 0 where a run diverged."""
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


QUALITY = Measure(
    "logarithm of the Fréchet ratio at the end",
    "ln",
    lambda records: np.log(capped(records)[:, -1]),
)
COST = Measure(
    "time of an update over that of GAN", "", lambda records: column(records, "relative_cost")
)
HUES = Measure(
    "mean entropy of the samples' hues from epoch 21 on",
    "bits",
    lambda records: _mean(records, "hue_bits", 21, len(records[0].arrays["hue_bits"])),
    unknown=diverged,
)


@lru_cache
def _change(loss: str) -> Measure:
    """From the first third of all epochs to the last."""

    def values(records):
        epochs = len(records[0].arrays[loss])
        third = epochs // 3
        late = _mean(records, loss, epochs - third + 1, epochs)
        return late - _mean(records, loss, 1, third)

    name = f"{loss.replace('_', ' ')}, last third less first third"
    return Measure(name, "", values, unknown=diverged)


@lru_cache
def _drift(loss: str) -> Measure:
    def values(records):
        late, early = _mean(records, loss, 8, 10), _mean(records, loss, 4, 6)
        tiny = np.finfo(np.float32).tiny
        return np.abs(np.log(np.maximum(late, tiny) / np.maximum(early, tiny)))

    return Measure(
        f"size of the logarithm of the {loss.replace('_', ' ')} in epochs 8 to 10 over that in "
        "4 to 6",
        "ln",
        values,
        unknown=diverged,
    )


def _levels(again: Callable[[float], Part]) -> Levels:
    meaning = f"recognisable meant another Fréchet ratio than {RECOGNISABLE:g}"
    return Levels(meaning, OTHER_LEVELS, again)


def seen_by(role: str, epoch: int, level: float = RECOGNISABLE) -> Part:
    """Samples are recognisable by an epoch."""
    rule = f"{role} is recognisable by epoch {epoch}"
    allowed = Range(high=epoch)
    return Part(rule, _first(level), (role,), allowed, _levels(partial(seen_by, role, epoch)))


def not_before(role: str, epoch: int, level: float = RECOGNISABLE) -> Part:
    """Samples are not recognisable before an epoch."""
    rule = f"{role} is not recognisable before epoch {epoch}"
    allowed = Range(low=epoch)
    again = _levels(partial(not_before, role, epoch))
    return Part(rule, _first(level), (role,), allowed, again)


def seen_sooner(sooner: str, later: str, epochs: int, level: float = RECOGNISABLE) -> Part:
    """Samples are recognisable after less time, by a share of that of all epochs."""
    margin = SOONER * epochs
    rule = (
        f"{later} is recognisable later than {sooner} by over the time of {margin:g} epochs "
        "of GAN"
    )
    again = _levels(partial(seen_sooner, sooner, later, epochs))
    return Part(rule, _first_in_time(level), (later, sooner), Range(low=margin), again)


def ends_better(better: str, worse: str) -> Part:
    """The final Fréchet ratio is smaller by a factor."""
    factor = math.exp(CLEARLY)
    rule = f"the final Fréchet ratio of {worse} is over {factor:g} times that of {better}"
    return Part(rule, QUALITY, (worse, better), Range(low=CLEARLY))


def constant(role: str, loss: str) -> Part:
    """A loss is about the same at the end as after a few epochs."""
    factor = math.exp(CONSTANT)
    said = loss.replace("_", " ")
    rule = f"the {said} of {role} changes by a factor of at most {factor:g} after epoch 3"
    return Part(rule, _drift(loss), (role,), Range(high=CONSTANT))


# Faces: report D.

GAN, GP = "GAN", "WGAN-GP"
WASSERSTEIN, LISTING = "Wasserstein loss", "cross-entropy"


def _face_settings(scale: str) -> dict[str, Setting]:
    size = SCALES[scale]["faces"]
    batch = size["batch_size"]
    common = size | {"epochs": 30, "latent_dim": 200, "ema": 0.0}
    # The report sums its losses over a batch, and halves the critic's.
    rates = {"learning_rate": (0.005 * batch,), "critic_learning_rate": 0.0025 * batch}
    adam = {"optimizer": ("adam",), "learning_rate": (0.001,), "betas": (0.5, 0.999)}
    penalised = adam | {"penalty_weight": (10.0,)}
    gan = _configure(
        faces.DEFAULTS, common | rates | {"variant": ("gan",), "optimizer": ("sgd",)}
    )
    wasserstein = _configure(faces.DEFAULTS, common | penalised | {"variant": ("wgan_gp",)})
    listing = common | penalised | {"variant": ("gan",), "penalty": "gradient"}
    return {
        name: {
            role: Cell(FACES, Faces(config, beside=gan))
            for role, config in ((GAN, gan), (GP, penalised_config))
        }
        for name, penalised_config in (
            (WASSERSTEIN, wasserstein),
            (LISTING, _configure(faces.DEFAULTS, listing)),
        )
    }


def _configure(defaults: Defaults, settings: Mapping[str, Any]) -> images_config.Config:
    numbered = images_config.Dataset(np.empty(settings["train_size"]), "")  # only counted
    (config,) = images_config.configure(defaults, Recipe({}), settings, numbered)
    return config


def _face_note(scale: str) -> str:
    size = SCALES[scale]["faces"]
    return (
        f"On {size['train_size']} of the built-in cartoon faces, {size['size']} pixels, width "
        f"{size['width']}, batches of {size['batch_size']}; the report: photographs, 64, 64, "
        "512. Its rates, with the sum of the losses over a batch for GAN. WGAN-GP has the "
        "Wasserstein loss in its text, and cross-entropy with the penalty in its listing; in "
        "neither has its critic batch norm here, since the penalty is per example. Not in the "
        "report: the penalty weight (10, beside means over a batch) and the critic steps (1). "
        "The Fréchet ratio is the Fréchet distance of samples to held-out cartoons over that "
        "of as many cartoons that were trained on, on features of a network that reads the "
        "factors of cartoons. It punishes lack of variety too: at 32 pixels noise scores 27, "
        "and ten sharp faces, repeated, 32."
    )


def _faces_claim(
    name: str,
    sentence: str,
    parts: tuple[Part, ...],
    note: str = "",
    draw: Draw = pictures.draw_faces,
) -> Callable[[str], Claim]:
    def build(scale: str) -> Claim:
        return Claim(
            name,
            sentence,
            parts,
            _face_settings(scale),
            f"{_face_note(scale)} {note}".strip(),
            draw,
        )

    return build


_d1 = _faces_claim(
    "D1",
    "WGAN-GP's samples are recognisable by epoch 6; GAN's are not before epoch 10.",
    (seen_by(GP, 6), not_before(GAN, 10)),
    f"Recognisable is a Fréchet ratio of at most {RECOGNISABLE:g}.",
)
_d2 = _faces_claim(
    "D2",
    "After epoch 20 GAN's samples share one dominant hue; WGAN-GP's colours are more varied.",
    (
        Part(
            f"the hues of GAN's samples have an entropy below {ONE_HUE:g} bit",
            HUES,
            (GAN,),
            Range(high=ONE_HUE),
        ),
        Part(
            f"those of WGAN-GP's have over {MORE_HUES:g} bits more",
            HUES,
            (GP, GAN),
            Range(low=MORE_HUES),
        ),
    ),
    "The entropy is that of the images' dominant hues, of 24.",
    pictures.draw_hues,
)
_d3 = _faces_claim(
    "D3", "Final sample quality: WGAN-GP clearly above GAN.", (ends_better(GP, GAN),)
)
_d4 = _faces_claim(
    "D4",
    "WGAN-GP runs faster than GAN (per update).",
    (
        Part(
            f"an update of WGAN-GP takes less than {FASTER:g} of the time of one of GAN",
            COST,
            (GP,),
            Range(high=FASTER),
        ),
    ),
    "Both are timed in turn, on one device, after the training.",
    no_pictures,
)
_d4b = _faces_claim(
    "D4b",
    "WGAN-GP runs faster than GAN (until samples are recognisable).",
    (seen_sooner(GP, GAN, 30),),
    f"Recognisable is a Fréchet ratio of at most {RECOGNISABLE:g}.",
)
_d5 = _faces_claim(
    "D5",
    "In both, the discriminator's loss falls and the generator's rises.",
    tuple(
        Part(
            f"the {loss.replace('_', ' ')} of {role} {word}",
            _change(loss),
            (role,),
            allowed,
        )
        for role in (GAN, GP)
        for loss, word, allowed in (
            ("critic_loss", "falls", Range(high=0.0)),
            ("generator_loss", "rises", Range(low=0.0)),
        )
    ),
    "Losses are compared between the first and the last third of all epochs.",
    pictures.draw_losses,
)


# Fashion-MNIST: report E.

NETWORK = "network"


def _garment_settings(scale: str) -> dict[str, Setting]:
    try:
        _, found = garments()
    except InputError as error:
        raise InputError(
            "claims E1 and E2 need Fashion-MNIST: Debian's package dataset-fashion-mnist, its "
            "folder in $JAXGAN_DATA, or a connection; --only leaves them out"
        ) from error
    if len(found.images) < SCALES[scale]["dense"]["train_size"]:
        raise InputError(
            f"claims E1 and E2 need all of Fashion-MNIST, not {len(found.images)} images"
        )
    common = {
        "epochs": 10,
        "latent_dim": 100,
        "batch_size": 64,
        "ema": 0.0,
        "variant": ("gan",),
        "optimizer": ("adam",),
        "learning_rate": (2e-4,),
    }
    return {
        name: {
            NETWORK: Cell(
                FASHION,
                _configure(
                    fashion_mnist.DEFAULTS, common | {"model": (model,)} | SCALES[scale][model]
                ),
            )
        }
        for name, model in ((DENSE, "dense"), (CONVOLUTIONAL, "conv"))
    }


def _garment_note(scale: str) -> str:
    dense, conv = SCALES[scale]["dense"], SCALES[scale]["conv"]
    return (
        f"Dense at width {dense['width']} on {dense['train_size']} images, convolutional at "
        f"width {conv['width']} on {conv['train_size']}; the report: 128 and 60000 for both. "
        "Not in the report: batches of 64 and Adam's betas, 0.5 and 0.999."
    )


DENSE, CONVOLUTIONAL = "dense", "convolutional"


def _e1(scale: str) -> Claim:
    settings = _garment_settings(scale)
    both = {name: setting[NETWORK] for name, setting in settings.items()}
    return Claim(
        "E1",
        "After 3 epochs both losses stay about constant (dense and convolutional).",
        tuple(
            constant(role, loss)
            for role in (DENSE, CONVOLUTIONAL)
            for loss in ("critic_loss", "generator_loss")
        ),
        {"as reported": both},
        _garment_note(scale),
        pictures.draw_losses,
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


def _moved(records: Sequence[Record]) -> np.ndarray:
    """Total variation distance between shares, lowered and raised, over dimensions."""
    return np.abs(_shift(records)).sum(axis=-1).mean(axis=-1) / 2


def _agreement(records: Sequence[Record]) -> np.ndarray:
    """Cosine of a seed's shifts with the mean of the other seeds', over dimensions."""
    shift = _shift(records)
    others = shift.sum(axis=0) - shift
    lengths = np.linalg.norm(shift, axis=-1) * np.linalg.norm(others, axis=-1)
    cosines = (shift * others).sum(axis=-1) / np.maximum(lengths, 1e-12)
    return cosines.mean(axis=-1)


def _towards(dimension: int) -> Part:
    before, left, after, reached = _MOVES[dimension]
    at = TRAVERSED.index(dimension)

    def values(records):
        shift = _shift(records)[:, at]
        gained = shift[:, [CLASSES.index(name) for name in reached]].sum(axis=-1)
        lost = -shift[:, [CLASSES.index(name) for name in left]].sum(axis=-1)
        return np.minimum(gained, lost)

    return Part(
        f"as dimension {dimension} is raised, {before} lose and {after} gain over {MOVES:g} of "
        "the samples",
        Measure(
            f"the smaller of what {before} lose and {after} gain in share",
            "",
            values,
            unknown=diverged,
        ),
        (NETWORK,),
        Range(low=MOVES),
    )


def _e2(scale: str) -> Claim:
    moved = Measure(
        "total variation between the shares of classes, mean of 5 dimensions",
        "",
        _moved,
        unknown=diverged,
    )
    agreement = Measure(
        "cosine of a seed's shifts with the other seeds'", "", _agreement, unknown=diverged
    )
    return Claim(
        "E2",
        f"Moving one latent dimension by ±{TRAVERSED_BY:g} moves samples towards particular "
        "classes.",
        (
            Part(
                f"the shares of classes, lowered and raised, differ by over {MOVES:g} in total "
                "variation",
                moved,
                (NETWORK,),
                Range(low=MOVES),
            ),
            Part(
                "a dimension moves the classes alike with every seed: cosine of a seed's "
                f"shifts of shares with the mean of the others' above {AGREES:g}",
                agreement,
                (NETWORK,),
                Range(low=AGREES),
            ),
            *map(_towards, TRAVERSED),
        ),
        _garment_settings(scale),
        f"{_garment_note(scale)} Classes are told by a classifier trained on the real images.",
        pictures.draw_traversal,
    )


# Semantic directions: reports A and C.

_NAMED = {
    "hair_length": "hair length",
    "turn": "the facing direction",
    "smile": "smile",
    "age": "age",
}


def _largest(records: Sequence[Record], kind: int) -> np.ndarray:
    """Largest change of each named factor by one of the directions: ``[S, factors]``."""
    chosen = [list(FACTORS).index(name) for name in _NAMED]
    return np.abs(column(records, "shifts"))[:, kind, :, chosen].max(axis=-1).T


def _s1(scale: str) -> Claim:
    def changes(i: int, said: str) -> Part:
        measure = Measure(
            f"largest change of {said} by a leading direction",
            "sd",
            lambda records: _largest(records, 0)[:, i],
            unknown=diverged,
        )
        rule = f"a leading direction changes {said} by over {VISIBLE:g} sd of the data"
        return Part(rule, measure, (GP,), Range(low=VISIBLE))

    beyond = Measure(
        "largest changes by leading directions, less those by random ones",
        "sd",
        lambda records: (_largest(records, 0) - _largest(records, 1)).mean(axis=-1),
        unknown=diverged,
    )
    more = Part(
        "the largest changes by leading directions exceed those by as many random ones",
        beyond,
        (GP,),
        Range(low=0.0),
    )
    settings = {name: {GP: setting[GP]} for name, setting in _face_settings(scale).items()}
    return Claim(
        "S1",
        "The leading SeFa directions of a face generator change hair length, gender, facing "
        "direction, age, smile.",
        (*(changes(i, said) for i, said in enumerate(_NAMED.values())), more),
        settings,
        f"{_face_note(scale)} Five directions, each sample moved from 2 standard deviations "
        "of latents below to 2 above; what changes is read off by that network. Cartoons "
        "have no gender.",
        pictures.draw_directions,
    )


BUILDERS: dict[str, Callable[[str], Claim]] = {
    "D1": _d1,
    "D2": _d2,
    "D3": _d3,
    "D4": _d4,
    "D4b": _d4b,
    "D5": _d5,
    "E1": _e1,
    "E2": _e2,
    "S1": _s1,
}


def claim(name: str, scale: str) -> Claim:
    """A claim about images.

    Args:
      name: In ``BUILDERS``.
      scale: In ``SCALES``.

    Raises:
      InputError: If it needs Fashion-MNIST, which is not there.
    """
    return BUILDERS[name](scale)
