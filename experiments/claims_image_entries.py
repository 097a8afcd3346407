"""The claims about images, each with the rule that was fixed before anything was run."""

import math
from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any

import numpy as np

from experiments import claims_image_pictures as pictures
from experiments import faces, fashion_mnist, images
from experiments.claims_cells import Cell, Record
from experiments.claims_images import FACES, FASHION, TRAVERSED, TRAVERSED_BY, Faces, capped
from experiments.claims_rules import Claim, Levels, Measure, Part, Setting, column
from experiments.training import Recipe
from jaxgan.data.cartoon_faces import FACTORS
from jaxgan.data.fashion_mnist import CLASSES
from jaxgan.errors import lookup
from jaxgan.metrics import verdicts
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
OTHER_LEVELS = (15.0, 28.0)  # what that could be instead
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
    """Means over epochs, ends included; a run that diverged counts until then."""
    values = column(records, name)
    kept = values[:, first - 1 : last]
    known = np.isfinite(values)
    latest = [row[k][-1] if k.any() else 0.0 for row, k in zip(values, known, strict=True)]
    filled = np.where(np.isfinite(kept), kept, np.array(latest)[:, None])
    return filled.mean(axis=1)


@lru_cache
def _first(level: float) -> Measure:
    return Measure(
        f"first epoch with a Fréchet ratio of at most {level:g}",
        "epochs",
        lambda records: verdicts.first_within(column(records, "curve"), level),
        lambda records: verdicts.never_within(column(records, "curve"), level),
    )


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
)


@lru_cache
def _change(loss: str) -> Measure:
    """From the first third of all epochs to the last."""

    def values(records):
        epochs = len(records[0].arrays[loss])
        third = epochs // 3
        late = _mean(records, loss, epochs - third + 1, epochs)
        return late - _mean(records, loss, 1, third)

    return Measure(f"{loss.replace('_', ' ')}, last third less first third", "", values)


@lru_cache
def _drift(loss: str) -> Measure:
    return Measure(
        f"logarithm of the {loss.replace('_', ' ')} in epochs 8 to 10 over that in 4 to 6",
        "ln",
        lambda records: np.log(_mean(records, loss, 8, 10) / _mean(records, loss, 4, 6)),
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
    rule = f"the {said} changes by a factor of at most {factor:g} after epoch 3"
    return Part(rule, _drift(loss), (role,), verdicts.alike(CONSTANT))


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
    gan = _configure(faces, common | rates | {"variant": ("gan",), "optimizer": ("sgd",)})
    wasserstein = _configure(faces, common | penalised | {"variant": ("wgan_gp",)})
    listing = common | penalised | {"variant": ("gan",), "penalty": "gradient"}
    return {
        name: {
            role: Cell(FACES, Faces(config, beside=gan))
            for role, config in ((GAN, gan), (GP, penalised_config))
        }
        for name, penalised_config in (
            (WASSERSTEIN, wasserstein),
            (LISTING, _configure(faces, listing)),
        )
    }


def _configure(laboratory, settings: Mapping[str, Any]) -> images.Config:
    numbered = images.Dataset(np.empty(settings["train_size"]), "")  # only counted
    (config,) = images.configure(laboratory.DEFAULTS, Recipe({}), settings, numbered)
    return config


def _face_note(scale: str) -> str:
    size = SCALES[scale]["faces"]
    return (
        f"On {size['train_size']} of the built-in cartoon faces, {size['size']} pixels, width "
        f"{size['width']}, batches of {size['batch_size']}; the report: photographs, 64, 64, "
        "512. Its rates, with the sum of the losses over a batch for GAN. WGAN-GP has the "
        "Wasserstein loss in its text, and cross-entropy with the penalty in its listing. Not "
        "in the report: the penalty weight (10) and the critic steps (1). The Fréchet ratio is "
        "the Fréchet distance of samples to held-out cartoons over that of as many cartoons "
        "that were trained on, on features of a network that reads the factors of cartoons."
    )


def _faces_claim(name: str, sentence: str, parts: tuple[Part, ...], note: str = "", draw=None):
    def build(scale: str) -> Claim:
        return Claim(
            name,
            sentence,
            parts,
            _face_settings(scale),
            f"{_face_note(scale)} {note}".strip(),
            draw or pictures.draw_faces,
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
                _configure(fashion_mnist, common | {"model": (model,)} | SCALES[scale][model]),
            )
        }
        for name, model in (("dense", "dense"), ("convolutional", "conv"))
    }


def _garment_note(scale: str) -> str:
    dense, conv = SCALES[scale]["dense"], SCALES[scale]["conv"]
    return (
        f"Dense at width {dense['width']} on {dense['train_size']} images, convolutional at "
        f"width {conv['width']} on {conv['train_size']}; the report: 128 and 60000 for both. "
        "Not in the report: batches of 64 and Adam's betas, 0.5 and 0.999."
    )


def _e1(scale: str) -> Claim:
    return Claim(
        "E1",
        "After 3 epochs both losses stay about constant (dense and convolutional).",
        (constant(NETWORK, "critic_loss"), constant(NETWORK, "generator_loss")),
        _garment_settings(scale),
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
        return (gained + lost) / 2

    return Part(
        f"raising dimension {dimension} moves over {MOVES:g} of the samples from {before} to "
        f"{after}",
        Measure(
            f"mean of what {after} gain and {before} lose as dimension {dimension} is raised",
            "",
            values,
        ),
        (NETWORK,),
        Range(low=MOVES),
    )


def _e2(scale: str) -> Claim:
    moved = Measure("share of samples that change class, mean of 5 dimensions", "", _moved)
    agreement = Measure("cosine of a seed's shifts with the other seeds'", "", _agreement)
    return Claim(
        "E2",
        f"Moving one latent dimension by ±{TRAVERSED_BY:g} moves samples towards particular "
        "classes.",
        (
            Part(
                f"over {MOVES:g} of the samples change class between lowered and raised",
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

_NAMED = {"hair_length": "hair length", "turn": "direction", "smile": "smile", "age": "age"}


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
        )
        rule = f"a leading direction changes {said} by over {VISIBLE:g} sd of the data"
        return Part(rule, measure, (GP,), Range(low=VISIBLE))

    beyond = Measure(
        "largest changes by leading directions, less those by random ones",
        "sd",
        lambda records: (_largest(records, 0) - _largest(records, 1)).mean(axis=-1),
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
      InputError: If there is no such scale, or Fashion-MNIST is not there.
    """
    lookup("scale", scale, SCALES)
    return BUILDERS[name](scale)
