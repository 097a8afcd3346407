"""Settings of the SeFa laboratory and their flags."""

import dataclasses
import shlex
from collections.abc import Callable
from typing import Any

import numpy as np

from experiments.common.flags import CommandLine
from jaxgan import sefa
from jaxgan.convert import zoo
from jaxgan.errors import InputError
from jaxgan.judges import oracles
from jaxgan.sefa import invert, supervised
from jaxgan.sefa.edit import SPACES
from jaxgan.sefa.factorize import NORMALISATIONS, TO_RGB

UNITS = ("code", "std", "image")
LIKENESSES = ("faces", "labels")


LIMITS = {
    "samples": 1000,
    "steps": 101,
    "size": 1024,
    "batch_size": 1000,
    "attribute_samples": 1000,
    "supervised_samples": 100_000,
    "photo_steps": invert.MAX_STEPS,
}
LEAST = {"steps": 3, "supervised_samples": supervised.FEWEST}  # 1 for the others


FACTORISATION_SETTINGS = {
    "layers",
    "directions",
    "like",
    "normalisation",
    "to_rgb",
    "whiten",
    "least_spread",
    "supervised",
}


SCORE_SETTINGS = {
    *("attribute_samples", "attribute_data", "attribute_labels", "attribute_eyes", "eyes"),
    *("likeness", "supervised", "supervised_samples", "condition"),
}
SUPERVISED_SETTINGS = {"supervised_samples", "condition"}
OF_PHOTOS = {"noalign", "photo_steps", "keep_photo"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run, resolved.

    Attributes:
      checkpoint: Path of the generator, or name of one that is downloaded.
      weights: Which generator to use from a file with several: its name or the end of it. By
        default the one with averaged weights.
      settings: Settings of the network that do not show in its file: name=value,... or a .json
        file with the settings of a training run.
      label: Label of all people of a conditional generator, a number from 0.
      labels: File of labels of a conditional generator, which people take in turn: .npy, a
        text file with one label per line, or dataset.json of NVlabs.
      layers: Layers to factorise and to move: all, or a list such as 0-1,6. A / separates
        groups of layers; each group gets directions of its own.
      directions: Number of directions of each group of layers.
      like: The implementation to follow, a name in ``sefa.TOOLS``.
      normalisation: A name in ``NORMALISATIONS``; by default that of ``like``.
      to_rgb: A name in ``TO_RGB``; by default that of ``like``.
      whiten: Measure steps in standard deviations of codes (whitening); by default as --like
        does.
      least_spread: Leave out directions along which codes have a standard deviation below this
        share of the mean one; 0 keeps all.
      directions_file: A directions.npz of an earlier run to use instead.
      names: Names of the directions, a list; directions without a name get a number.
      samples: Number of random people to edit.
      codes: File of codes to edit instead of random ones: .npz, .npy, or a file of torch.save,
        with z, w or w+.
      space: Space of the codes, z, w or w+, if it is ambiguous; with --photo the space to
        search, w or w+.
      photo: Photographs of people to find and edit, a list of files or folders. Only codes and
        images of the generator are stored.
      noalign: Use the centred squares of photographs instead of cropping faces as FFHQ does.
      photo_steps: Optimisation steps of the search for each person.
      keep_photo: Also show the cropped photographs on the page and in the pictures.
      distance: How far to move people to either side, in the unit of --unit.
      unit: Unit of distances. ``code``: length of the code; ``std``: standard deviations of
        codes along the direction; ``image``: image change, ``measure.CHANGE`` each.
      steps: Number of images along a direction, including both ends; odd.
      truncation: Truncation psi: factor of the distance from the mean code. 1 is none.
      truncation_layers: Truncate only the first so many layers; by default all.
      seed: Seed of the samples.
      size: Largest side of the page's images in pixels.
      batch_size: Images per batch.
      attributes: Score with other networks how directions change age, gender, pose and
        expression.
      attribute_samples: Number of people to move and score with these networks.
      attribute_data: Labelled photographs (folder or archive) to train one more network on.
      attribute_labels: Labels of these photographs: a .csv with columns image,Attribute,... and
        values 0 or 1, or CelebA's list_attr_celeba.
      attribute_eyes: Position of the eyes in the photographs' centred squares, as in --eyes.
      eyes: Position of the eyes in the generator's images: x,y,distance, which are the point
        between the eyes and their distance, as shares of the image.
      likeness: Network that measures how much people keep their identity: faces (face
        recognition, downloaded once) or labels (the network of the labelled photographs).
      supervised: Attributes to find supervised directions for, in addition to SeFa's: a list of
        attribute names, or all.
      supervised_samples: Number of people to draw and score for supervised directions.
      condition: Make each supervised direction keep the linear scores of the others.
    """

    checkpoint: str = "mobilestylegan-ffhq"
    weights: str | None = None
    settings: str | None = None
    label: int | None = None
    labels: str | None = None
    layers: str = "all"
    directions: int = 5
    like: str = "jaxgan"
    normalisation: str | None = None
    to_rgb: str | None = None
    whiten: bool | None = None
    least_spread: float = 0.0
    directions_file: str | None = None
    names: tuple[str, ...] = ()
    samples: int = 5
    codes: str | None = None
    space: str | None = None
    photo: tuple[str, ...] = ()
    noalign: bool = False
    photo_steps: int = invert.STEPS
    keep_photo: bool = False
    distance: float = 2.0
    unit: str = "std"
    steps: int = 11
    truncation: float = 0.7
    truncation_layers: int | None = None
    seed: int = 0
    size: int = 256
    batch_size: int = 5
    attributes: bool = False
    attribute_samples: int = 50
    attribute_data: str | None = None
    attribute_labels: str | None = None
    attribute_eyes: tuple[float, ...] = oracles.CELEBA
    eyes: tuple[float, ...] = oracles.FFHQ
    likeness: str = "faces"
    supervised: tuple[str, ...] = ()
    supervised_samples: int = 1000
    condition: bool = True

    @property
    def truncation_options(self) -> dict[str, Any]:
        """Options of ``Pretrained.codes``."""
        return {
            "truncation": self.truncation,
            "truncation_layers": self.truncation_layers,
        }


def check_ranges(config: Config) -> None:
    """Raise ``InputError`` if a value is out of range."""
    if not config.checkpoint:
        raise InputError("--checkpoint needs the path or name of a generator")
    for name, most in LIMITS.items():
        value, least = getattr(config, name), LEAST.get(name, 1)
        if not least <= value <= most:
            raise InputError(f"--{name}={value} must be {least} to {most}")
    if config.steps % 2 == 0:
        raise InputError(
            f"--steps={config.steps} must be odd: the unmoved image is one of them"
        )
    if not 0 < config.distance <= 1000:
        raise InputError(f"--distance={config.distance} must be above 0 and at most 1000")
    if not np.isfinite(config.truncation):
        raise InputError(f"--truncation={config.truncation} must be a finite number")
    if config.truncation_layers is not None and config.truncation_layers < 0:
        raise InputError(f"--truncation_layers={config.truncation_layers} must not be negative")
    if config.unit not in UNITS:
        raise InputError(f"--unit={config.unit} must be one of {', '.join(UNITS)}")
    if config.space is not None and config.space not in SPACES:
        raise InputError(f"--space={config.space} must be one of {', '.join(SPACES)}")
    if config.likeness not in LIKENESSES:
        raise InputError(f"--likeness={config.likeness} must be one of {', '.join(LIKENESSES)}")
    for name in ("eyes", "attribute_eyes"):
        eyes = getattr(config, name)
        if len(eyes) != 3 or not all(0 < share < 1 for share in eyes):
            text = ",".join(map(str, eyes))
            raise InputError(f"--{name}={text} must be x,y,distance: three shares, 0 to 1")
    if not 0 <= config.seed < 2**31:
        raise InputError(f"--seed={config.seed} must be 0 to {2**31 - 1}")


def check_flags(config: Config) -> None:
    """Raise ``InputError`` if a flag is given that has no use with the others."""
    if config.label is not None and config.labels is not None:
        raise InputError("--label and --labels exclude each other")
    if (config.attribute_data is None) != (config.attribute_labels is None):
        raise InputError("--attribute_data and --attribute_labels go together")
    if config.photo and config.codes is not None:
        raise InputError("--photo and --codes exclude each other")
    if config.photo and config.space == "z":
        raise InputError("--space=z must be w or w+ with --photo")
    draws = config.attributes or config.unit == "image"
    for field in dataclasses.fields(Config):
        if getattr(config, field.name) == field.default:
            continue
        if field.name == "samples" and config.photo:
            raise InputError("--samples has no meaning with --photo: each photo is a sample")
        if field.name == "seed" and config.photo and not draws:
            raise InputError("--seed has no meaning with --photo: there are no random people")
        if field.name in OF_PHOTOS and not config.photo:
            raise InputError(f"--{field.name} has no meaning without --photo")
        if field.name in FACTORISATION_SETTINGS and config.directions_file:
            raise InputError(f"--{field.name} has no meaning with --directions_file")
        if field.name == "space" and config.codes is None and not config.photo:
            raise InputError("--space has no meaning without --codes or --photo")
        if field.name in SUPERVISED_SETTINGS and not config.supervised:
            raise InputError(f"--{field.name} has no meaning without --supervised")
        if field.name in SCORE_SETTINGS and not config.attributes:
            raise InputError(f"--{field.name} has no meaning without --attributes")


def command_of(config: Config) -> list[str]:
    """Return the words of the command that repeats a run, quoted for a shell."""
    words = ["python -m experiments.sefa"]
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        if value != field.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words.append(shlex.quote(f"--{field.name}={text}"))
    return words


def define(line: CommandLine) -> Callable[[], Config]:
    """Define the flags; return a function that reads them."""
    texts = {
        "checkpoint": "Generator: a file of PyTorch, TensorFlow or OpenVINO, a run of jaxgan, "
        f"or one of {', '.join(zoo.GENERATORS)}, which is downloaded once.",
        "like": f"Implementation of SeFa to follow: {', '.join(sefa.TOOLS)}.",
        "normalisation": "Normalisation of the matrices' rows: unit (length 1) or none; by "
        "default as --like does.",
        "to_rgb": f"Which toRGB layers to include: {', '.join(TO_RGB)}; by default as --like "
        "does.",
        "unit": "Unit of distances: code (length of the code), std (standard deviations of "
        "codes along the direction) or image (root mean square change of pixels by 0.1).",
    }
    choices = {
        "checkpoint": zoo.GENERATORS,
        "like": sefa.TOOLS,
        "normalisation": NORMALISATIONS,
        "to_rgb": TO_RGB,
        "unit": UNITS,
        "space": SPACES,
        "likeness": LIKENESSES,
    }
    headings = {"size": "measures and pictures", "batch_size": "this machine"}
    read = line.define(Config, texts=texts, headings=headings, choices=choices)
    return lambda: Config(**read())
