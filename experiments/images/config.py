"""Settings that the image laboratories share."""

import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from experiments.common import settings as common_settings
from experiments.common.settings import Defaults, Recipe, Training, require
from jaxgan.errors import InputError, lookup
from jaxgan.networks.layers import NORMS
from jaxgan.networks.pairs import PAIRS


class Dataset(NamedTuple):
    """Images to train on.

    Attributes:
      images: ``[N, H, W, C]`` uint8.
      key: Identifies their content.
    """

    images: np.ndarray
    key: str


@dataclasses.dataclass(frozen=True)
class Config(Training):
    """Settings of an image laboratory.

    Attributes:
      model: Pair of networks, a name in ``networks.pairs.PAIRS``.
      size: Side of the images in pixels.
      width: Width of the networks, as each counts it.
      norm: Norm of the generator: batch, layer or none.
      critic_norm: Norm of the critic; by default batch, or none with a penalty.
    """

    model: str
    size: int
    width: int
    norm: str
    critic_norm: str


def configure(
    defaults: Defaults, recipe: Recipe, overrides: Mapping[str, Any], dataset: Dataset
) -> list[Config]:
    """Resolve settings into programs: one per model, variant and optimizer.

    Raises:
      InputError: If a name is unknown or a number out of range.
    """
    models = overrides.get("model", recipe.settings.get("model", defaults.common["model"]))
    if not models:
        raise InputError("--model needs a value")
    configs = []
    for settings in common_settings.resolve(defaults, recipe, overrides):
        penalised = settings["penalty"] != "none"
        settings = {
            "critic_norm": "none" if penalised else "batch",
            "train_size": len(dataset.images),
            **settings,
        }
        for model in models:
            config = Config(**{**settings, "model": model})
            _check(config, dataset)
            configs.append(config)
    return common_settings.require_distinct(configs)


def _check(config: Config, dataset: Dataset) -> None:
    lookup("model", config.model, PAIRS)
    common_settings.require_whole(config, {"width": 1024, "train_size": len(dataset.images)})
    for name in ("norm", "critic_norm"):
        norm = getattr(config, name)
        require(config, norm in NORMS, name, f"must be one of {', '.join(NORMS)}")
    require(
        config,
        config.penalty == "none" or config.critic_norm != "batch",
        "critic_norm",
        f"the penalty {config.penalty!r} is per example, and batch norm mixes examples; "
        "layer and none do not",
    )
    common_settings.check(config, config.train_size)
