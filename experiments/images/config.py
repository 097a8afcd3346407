"""Settings that the image laboratories share."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.common import checks
from experiments.common import settings as common_settings
from experiments.common.checks import require
from experiments.common.settings import Defaults, Recipe, Training
from jaxgan.errors import InputError, lookup
from jaxgan.networks.layers import NORMS
from jaxgan.networks.pairs import PAIRS
from jaxgan.runs.progress import say
from jaxgan.training.augment import augment
from jaxgan.training.epochs import steps_per_epoch

FEWEST = 4  # fewest images: measures compare two halves
SPREAD_IMAGES = 2048  # number of images to measure the data's spread from


class Dataset(NamedTuple):
    """Images to train on.

    Attributes:
      images: ``[N, H, W, C]`` uint8.
      key: Identifies their content.
      labels: ``[N]`` int32 classes, if they are known.
      classes: Names of the classes.
    """

    images: np.ndarray
    key: str
    labels: np.ndarray | None = None
    classes: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True)
class Config(Training):
    """Settings of an image laboratory.

    Attributes:
      model: Pair of networks, a name in ``networks.pairs.PAIRS``.
      size: Side of the images in pixels.
      width: Width of the networks; its unit depends on the pair.
      norm: Normalisation in the generator: batch, layer or none.
      critic_norm: Normalisation in the critic: batch, layer, none, or spectral (not for pairs
        of the reports). By default none with a penalty, else spectral for sngan, else batch.
      critic_width: Width of the critic; by default that of the generator.
      conditional: Train a conditional GAN: both networks get the class of every image.
      augment: Differentiable augmentation of all images that the critic sees (DiffAugment), a
        list of: color, translation, cutout.
      flip: Mirror real images left to right at random.
      precision: Number format of the networks' computations: float32 or bfloat16. Weights,
        losses and saved generators are always float32.
      epoch_size: Number of images per epoch; by default train_size, which is a full pass over
        the data. With fewer, a pass takes several epochs, with metrics and checkpoints between.
    """

    model: str
    size: int
    width: int
    norm: str
    critic_norm: str
    critic_width: int | None = None
    conditional: bool = False
    augment: tuple[str, ...] = ()
    flip: bool = False
    precision: str = "float32"
    epoch_size: int | None = None

    @property
    def steps_per_epoch(self) -> int:
        """Generator updates per epoch."""
        images = self.train_size if self.epoch_size is None else self.epoch_size
        return steps_per_epoch(images, self.batch_size, self.critic_steps)


PRECISIONS: dict[str, Any] = {"float32": jnp.float32, "bfloat16": jnp.bfloat16}


def identity(config: Config) -> dict[str, Any]:
    """Return the settings that identify a run."""
    settings = common_settings.identity(config)
    if config.model == "dcgan" and config.size in PAIRS["report_dcgan"].sizes:
        settings["networks"] = (
            2  # older runs with this name and size have the networks of the report
        )
    return settings


def configure(
    defaults: Defaults, recipe: Recipe, overrides: Mapping[str, Any], dataset: Dataset
) -> list[Config]:
    """Resolve settings into programs: one per model, variant and optimizer.

    A default batch size that is too large for the data is reduced, and a line says so.

    Raises:
      InputError: If a name is unknown, a number is out of range, or all images are equal.
    """
    models = overrides.get("model", recipe.settings.get("model", defaults.common["model"]))
    if not models:
        raise InputError("--model needs a value")
    configs = []
    programs, notes = common_settings.resolve(defaults, recipe, overrides)
    for settings in programs:
        settings = {"train_size": len(dataset.images), **settings}
        room = common_settings.room_for_batch(settings)
        notes += common_settings.fit_batch(settings, {**recipe.settings, **overrides}, "images")
        for model in models:
            norm = _critic_norm(model, settings["penalty"])
            config = Config(**{"critic_norm": norm, **settings, "model": model})
            if config.critic_width == config.width:  # the default, so the run is the same
                config = dataclasses.replace(config, critic_width=None)
            if config.epoch_size == config.train_size:
                config = dataclasses.replace(config, epoch_size=None)
            try:
                _check(config, dataset)
            except InputError as error:
                if room < 1 or config.batch_size <= room:
                    raise
                raise InputError(f"{error}; --batch_size={room} fits") from error
            configs.append(config)
    _require_different(dataset.images[: min(config.train_size for config in configs)])
    for note in dict.fromkeys(notes):
        say(note)
    return common_settings.require_distinct(configs)


def _critic_norm(model: str, penalty: str) -> str:
    """Return the default norm of a pair's critic; penalties do not allow batch norm."""
    norms = lookup("model", model, PAIRS).critic_norms
    return "none" if penalty != "none" and "none" in norms else norms[0]


def _require_different(images: np.ndarray) -> None:
    """Check that images differ: the spread of the generator is relative to theirs."""
    first = images[:SPREAD_IMAGES]
    if len(images) < FEWEST:
        raise InputError(
            f"there are {len(images)} images to train on; at least {FEWEST} are needed"
        )
    if all(np.array_equal(first[0], image) for image in first[1:]):
        which = "all" if len(first) == len(images) else "the first"
        raise InputError(
            f"{which} {len(first)} images to train on are the same picture; a generator "
            "learns from pictures that differ"
        )


def _check(config: Config, dataset: Dataset) -> None:
    pair = lookup("model", config.model, PAIRS)
    sizes = ", ".join(map(str, pair.sizes))
    text = f"its networks make images of {sizes} pixels, and these have {config.size}"
    require(config, config.size in pair.sizes, "model", text)
    limits = {"width": 1024, "train_size": len(dataset.images)}
    if config.critic_width is not None:
        limits["critic_width"] = 1024
    if config.epoch_size is not None:
        limits["epoch_size"] = config.train_size
    checks.require_whole(config, limits)
    for name, norms in (("norm", NORMS), ("critic_norm", pair.critic_norms)):
        text = f"must be one of {', '.join(norms)}"
        require(config, getattr(config, name) in norms, name, text)
    text = ", ".join(norm for norm in pair.critic_norms if norm != "batch")
    require(
        config,
        config.penalty == "none" or config.critic_norm != "batch",
        "critic_norm",
        f"the penalty {config.penalty!r} is per example, and batch norm mixes examples; "
        f"choose from {text}",
    )
    if config.conditional:
        _check_labels(config, dataset)
    augment(config.augment)
    lookup("precision", config.precision, PRECISIONS)
    able = f"the networks of --model={config.model} compute with float32 alone; {_with_forms()}"
    require(config, config.precision == "float32" or pair.conditional, "precision", able)
    if config.epoch_size is None:
        checks.check(config, config.train_size)
    else:
        checks.check(config, config.epoch_size, " in an epoch")


def _check_labels(config: Config, dataset: Dataset) -> None:
    """Check that a conditional run has labels, and networks that take them."""
    no_labels = f"the networks of --model={config.model} take no labels; {_with_forms()}"
    for holds, reason in (
        (dataset.labels is not None, "no labels of these images are known"),
        (PAIRS[config.model].conditional, no_labels),
        (config.norm == "batch", f"labels need --norm=batch, not {config.norm}"),
        (config.pack == 1, f"--pack={config.pack} would mix classes"),
    ):
        if not holds:
            raise InputError(f"--conditional: {reason}")


def _with_forms() -> str:
    """Return a hint to the networks that take labels and other number formats."""
    names = [f"--model={name}" for name, pair in PAIRS.items() if pair.conditional]
    return f"use {' or '.join(names)}"
