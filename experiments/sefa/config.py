"""Settings of the SeFa laboratory, and their flags."""

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
LEAST = {"steps": 3, "supervised_samples": supervised.FEWEST}  # of the others it is 1


FACTORISED = {
    "layers",
    "directions",
    "like",
    "normalisation",
    "to_rgb",
    "whiten",
    "least_spread",
    "supervised",
}


SCORED = {
    *("attribute_samples", "attribute_data", "attribute_labels", "attribute_eyes", "eyes"),
    *("likeness", "supervised", "supervised_samples", "condition"),
}
SUPERVISED = {"supervised_samples", "condition"}
OF_PHOTOS = {"noalign", "photo_steps", "keep_photo"}


@dataclasses.dataclass(frozen=True)
class Config:
    """Settings of a run, resolved.

    Attributes:
      checkpoint: Path of the generator, or name of one that is downloaded.
      weights: Name of the generator in a file that holds several, or the end of its name;
        by default the one that is averaged over training.
      settings: Settings of the network that its file does not show: name=value,... or a .json
        file of a training run's settings.
      label: Label of all people of a conditional generator, a number from 0.
      labels: File of labels of a conditional generator, which people take in turn: .npy, a
        text file with a row per line, or dataset.json of NVlabs.
      layers: Layers to factorise and to move: all, or such as 0-1,6; groups with / between.
      directions: How many directions, of each group of layers.
      like: The tool whose directions these are: a name in ``sefa.TOOLS``.
      normalisation: Instead of that tool's: a name in ``NORMALISATIONS``.
      to_rgb: Instead of that tool's: a name in ``TO_RGB``.
      whiten: Measure steps by how far codes are spread; by default as the tool does.
      least_spread: Leave out directions along which codes are spread less, as a share of
        the mean.
      directions_file: A directions.npz to use instead.
      names: Names of the directions, a list; numbers stand for those that have none.
      samples: Images to edit.
      codes: A file of codes to edit instead: .npz, .npy, or one of PyTorch, with z, w or w+.
      space: The codes' space, z, w or w+, where their names and shapes do not say it; of
        photographs the space to search, w or w+.
      photo: Photographs whose people are found and edited: files or folders, a list. Only
        codes and pictures of the generator are kept.
      noalign: Take the photographs' centred squares, not their faces framed as FFHQ's.
      photo_steps: Updates of the search for each person.
      keep_photo: Also show the framed photographs on the page and in the pictures.
      distance: How far to go either way.
      unit: Unit of distances. ``code``: of the code; ``std``: standard deviations of codes
        along the direction; ``image``: of image change, ``measure.CHANGE`` each.
      steps: Images along a direction, both ends included.
      truncation: Share of the way from the mean code that is left.
      truncation_layers: How many of the first layers are truncated; by default all.
      seed: Seed of the samples.
      size: Pixels of the page's images, at most.
      batch_size: Images made at once.
      attributes: Ask other networks what the directions do to age, gender, pose and
        expression.
      attribute_samples: People that those networks see moved.
      attribute_data: Labelled photographs for one more network, which also tells how alike
        people stay.
      attribute_labels: Labels of the photographs: a .csv of image,Attribute,... and 0 or 1, or
        CelebA's own list_attr_celeba.
      attribute_eyes: Where the eyes are in the photographs' centred squares: as --eyes.
      eyes: Where the eyes are in the generator's images: x,y of the point between them, and
        their distance, as shares of the image.
      likeness: What tells how alike people stay: faces, a face recognition network that is
        downloaded once, or labels, the network of the labelled photographs.
      supervised: Attributes that get a direction of their own, beside SeFa's, fitted to the
        oracles' scores of other people: a list of names, or all.
      supervised_samples: People that are drawn and scored for these directions.
      condition: Whether each of these directions leaves the linear scores of the others.
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
    """Raise ``InputError`` if a value is out of its range."""
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
    """Raise ``InputError`` if a value is given that nothing reads, beside the others."""
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
            raise InputError("--samples has no meaning with --photo: each photo is one")
        if field.name == "seed" and config.photo and not draws:
            raise InputError("--seed has no meaning with --photo: nobody is drawn")
        if field.name in OF_PHOTOS and not config.photo:
            raise InputError(f"--{field.name} has no meaning without --photo")
        if field.name in FACTORISED and config.directions_file:
            raise InputError(f"--{field.name} has no meaning with --directions_file")
        if field.name == "space" and config.codes is None and not config.photo:
            raise InputError("--space has no meaning without --codes or --photo")
        if field.name in SUPERVISED and not config.supervised:
            raise InputError(f"--{field.name} has no meaning without --supervised")
        if field.name in SCORED and not config.attributes:
            raise InputError(f"--{field.name} has no meaning without --attributes")


def command_of(config: Config) -> list[str]:
    """The words of the command that repeats a run, quoted for a shell."""
    words = ["python -m experiments.sefa"]
    for field in dataclasses.fields(Config):
        value = getattr(config, field.name)
        if value != field.default:
            text = ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
            words.append(shlex.quote(f"--{field.name}={text}"))
    return words


def define(line: CommandLine) -> Callable[[], Config]:
    """Define the flags; the function reads them."""
    texts = {
        "checkpoint": "Generator: a file of PyTorch, TensorFlow or OpenVINO, a run of "
        f"jaxgan's, or one of {', '.join(zoo.GENERATORS)}, which is downloaded once.",
        "like": f"Tool whose directions these are: {', '.join(sefa.TOOLS)}.",
        "normalisation": f"Scale of rows, instead of the tool's: {', '.join(NORMALISATIONS)}.",
        "to_rgb": f"Conversions to colours that take part: {', '.join(TO_RGB)}.",
        "unit": f"Unit of distances: {', '.join(UNITS)}.",
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
