"""What the points laboratory trains: configurations, defaults, and the reports' recipes."""

import dataclasses
import itertools
import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxgan import train
from jaxgan.data import points
from jaxgan.errors import InputError, lookup
from jaxgan.objectives import OBJECTIVES, PENALTIES
from jaxgan.optimizers import OPTIMIZERS, SCHEDULES


@dataclasses.dataclass(frozen=True)
class Config:
    """One variant with one optimizer, and the values and seeds that its lanes take.

    A lane is one training run. There is one for each combination of learning rate,
    penalty weight, clip bound and seed; all run in one compiled program.

    Attributes:
      variant: A name in ``OBJECTIVES``.
      optimizer: A name in ``OPTIMIZERS``.
      learning_rate: Of the generator.
      critic_learning_rate: Of the critic; ``None`` means as the generator's.
      schedule: A name in ``SCHEDULES``.
      betas: Of Adam and its kin.
      critic_steps: Critic updates per generator update.
      penalty: A name in ``PENALTIES``.
      penalty_weight: Empty where there is no penalty.
      clip: Bounds on the critic's weights; empty where they have none.
      ema: Decay of the generator's moving average per update; 0 is none.
      latent_dim: Latent dimensions.
      generator_widths: Hidden widths.
      critic_widths: Hidden widths.
      batch_size: Examples in a batch.
      epochs: Passes over the training points.
      data: A built-in point cloud or the path of a file.
      data_key: Variable of a ``.mat`` file.
      train_size: Points to train on; the others are held out.
      standardize: Train on points of mean 0 and standard deviation 1.
      seed: Of the first lane: its split, its weights, all its draws.
      seeds: Lanes per combination, with seeds that follow one another.
      frame_every: Epochs between two frames.
      checkpoint_every: Epochs between two checkpoints.
    """

    variant: str
    optimizer: str
    learning_rate: tuple[float, ...]
    critic_learning_rate: float | None
    schedule: str
    betas: tuple[float, ...]
    critic_steps: int
    penalty: str
    penalty_weight: tuple[float, ...]
    clip: tuple[float, ...]
    ema: float
    latent_dim: int
    generator_widths: tuple[int, ...]
    critic_widths: tuple[int, ...]
    batch_size: int
    epochs: int
    data: str
    data_key: str
    train_size: int
    standardize: bool
    seed: int
    seeds: int
    frame_every: int
    checkpoint_every: int

    @property
    def steps_per_epoch(self) -> int:
        """Generator updates in one epoch."""
        return train.steps_per_epoch(self.train_size, self.batch_size, self.critic_steps)

    def cells(self) -> list[dict[str, float]]:
        """The combinations of traced values, each shared by ``seeds`` lanes."""
        values: dict[str, tuple[float, ...]] = {"learning_rate": self.learning_rate}
        if self.critic_learning_rate is not None:
            values["critic_learning_rate"] = (self.critic_learning_rate,)
        if self.penalty_weight:
            values["penalty_weight"] = self.penalty_weight
        if self.clip:
            values["clip"] = self.clip
        combinations = itertools.product(*values.values())
        return [dict(zip(values, combination, strict=True)) for combination in combinations]


DEFAULTS: dict[str, Any] = {
    "schedule": "linear",
    "betas": (0.0, 0.9),
    "critic_steps": 1,
    "ema": 0.999,
    "latent_dim": 2,
    "generator_widths": (256, 64),
    "critic_widths": (256, 64),
    "batch_size": 128,
    "epochs": 300,
    "data": "m",
    "data_key": "xx",
    "standardize": True,
    "seed": 0,
    "seeds": 1,
    "frame_every": 10,
    "checkpoint_every": 20,
}

# What works best for a variant on the M. The learning rate holds for that optimizer.
_PENALISED = {
    "optimizer": "adam",
    "learning_rate": (3e-4,),
    "penalty_weight": (0.1,),
    "critic_steps": 3,
    "batch_size": 64,
    "epochs": 600,
}
VARIANT_DEFAULTS: dict[str, dict[str, Any]] = {
    "wgan": {"learning_rate": (1e-4,), "clip": (0.1,)},
    "wgan_gp": _PENALISED,
    "wgan_lp": _PENALISED,
    "dragan": _PENALISED,
    "r1": _PENALISED,
    "rpgan": _PENALISED,
}
OPTIMIZER_DEFAULTS: dict[str, dict[str, Any]] = {
    "sgd": {"learning_rate": (1e-2,)},
    "adam": {"learning_rate": (2e-4,)},
    "rmsprop": {"learning_rate": (2e-4,)},
    "optimistic_adam": {"learning_rate": (2e-4,)},
}


class Recipe(NamedTuple):
    """A report's own values, and those that it uses with one optimizer only."""

    settings: dict[str, Any]
    by_optimizer: dict[str, dict[str, Any]] = {}


# Where a report is silent, the value is ours and says so. The reports print the formula of
# gan_minimax; gan is the loss that is trained in practice (--variant=gan_minimax has the
# other).
_REPORT = {
    "variant": ("gan", "wgan", "wgan_gp"),
    "optimizer": ("rmsprop",),
    "schedule": "constant",
    "betas": (0.9, 0.999),  # ours: PyTorch's default
    "clip": (0.01,),  # ours: the paper's
    "batch_size": 64,  # ours
    "latent_dim": 2,  # ours
    "standardize": True,  # ours
    "ema": 0.999,  # ours: reported beside the generator, trains nothing
}
RECIPES: dict[str, Recipe] = {
    "report_a": Recipe(
        _REPORT
        | {
            "epochs": 100,
            "critic_steps": 5,
            "generator_widths": (256, 64),  # ours: those of report B
            "critic_widths": (256, 64),  # ours: those of report B
            "learning_rate": (1e-4,),  # ours: that of report B
            "penalty_weight": (0.001,),  # ours: that of report B
        },
        {"sgd": {"critic_steps": 20}},
    ),
    "report_b": Recipe(
        _REPORT
        | {
            "epochs": 200,
            "critic_steps": 1,
            "learning_rate": (1e-4,),
            "penalty_weight": (0.001,),
            "train_size": 7000,
            "generator_widths": (256, 64),
            "critic_widths": (256, 64),
        }
    ),
    "report_c": Recipe(
        _REPORT
        | {
            "optimizer": ("adam", "rmsprop"),
            "generator_widths": (512, 256),
            "critic_widths": (256, 256),
            "epochs": 200,  # ours: that of report B
            "critic_steps": 1,  # ours: that of report B
            "learning_rate": (1e-4,),  # ours: that of report B
            "penalty_weight": (0.001,),  # ours: that of report B
        }
    ),
}


def configure(recipe: str | None = None, **given: Any) -> list[Config]:
    """Resolve settings into programs: one per variant and optimizer.

    What is given wins over the recipe, the recipe over the defaults of the variant,
    those over the defaults of the optimizer, those over the common defaults.

    Args:
      recipe: A name in ``RECIPES``.
      **given: Fields of ``Config``; ``variant`` and ``optimizer`` are lists of names.
        ``None`` means not given. A penalty weight or clip bound goes to the variants
        that have one.

    Raises:
      InputError: If a name is unknown, a number out of range, the data unreadable.
    """
    given = {name: value for name, value in given.items() if value is not None}
    base = Recipe({}) if recipe is None else lookup("recipe", recipe, RECIPES)
    chosen = base.settings | given
    for name in ("variant", "optimizer"):
        if name in chosen and not chosen[name]:
            raise InputError(f"--{name} needs a value")
    configs = []
    for variant in chosen.pop("variant", ("wgan_gp",)):
        entry = lookup("variant", variant, OBJECTIVES)
        own = VARIANT_DEFAULTS.get(variant, {})
        favourite = own.get("optimizer", "rmsprop")
        for optimizer in chosen.get("optimizer", (favourite,)):
            lookup("optimizer", optimizer, OPTIMIZERS)
            settings = DEFAULTS | OPTIMIZER_DEFAULTS[optimizer]
            settings |= own if optimizer == favourite else _without_rate(own)
            settings |= base.settings | base.by_optimizer.get(optimizer, {}) | given
            settings |= {"variant": variant, "optimizer": optimizer}
            settings.setdefault("penalty", entry.penalty)
            weight = (lookup("penalty", settings["penalty"], PENALTIES).weight,)
            if settings["penalty"] == "none":
                settings["penalty_weight"] = ()
            settings.setdefault("penalty_weight", weight)
            if entry.clip is None:
                settings["clip"] = ()
            settings.setdefault("clip", (entry.clip,))
            settings.setdefault("critic_learning_rate", None)
            configs.append(settings)
    for name in ("penalty_weight", "clip"):
        if name in given and not any(settings[name] for settings in configs):
            raise InputError(f"--{name} has no effect: no variant given has one")
    cloud = points.load(configs[0]["data"], configs[0]["data_key"]).points
    size = 7000 if len(cloud) >= 8000 else int(0.8 * len(cloud))
    configs = [Config(**{"train_size": size} | settings) for settings in configs]
    for config in configs:
        _check(config, len(cloud))
    if len(set(configs)) < len(configs):
        raise InputError("a variant or an optimizer is given twice")
    return configs


def _without_rate(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if name != "learning_rate"}


def _check(config: Config, count: int) -> None:
    def require(holds: bool, name: str, allowed: str) -> None:
        if not holds:
            value = getattr(config, name)
            text = ",".join(map(str, value)) if isinstance(value, tuple) else value
            raise InputError(f"--{name}={text}: {allowed}")

    for name in ("learning_rate", "penalty_weight", "clip", "critic_learning_rate"):
        value = getattr(config, name)
        values = value if isinstance(value, tuple) else (1.0 if value is None else value,)
        allowed = "must be positive and finite, in float32 too"
        if name == "penalty_weight":
            allowed += "; --penalty=none trains without"
        with np.errstate(over="ignore"):
            singles = [np.float32(x) for x in values]
        require(all(0 < x < math.inf for x in singles), name, allowed)
        require(len(set(values)) == len(values), name, "has a value twice")
    require(len(config.learning_rate) > 0, "learning_rate", "needs a value")
    for name in ("generator_widths", "critic_widths"):
        widths = getattr(config, name)
        require(
            len(widths) > 0 and all(0 < width <= 8192 for width in widths),
            name,
            "must be whole numbers from 1 to 8192",
        )
    for name, limit in {
        "critic_steps": 1000,
        "latent_dim": 4096,
        "batch_size": count,
        "epochs": 10**6,
        "seeds": 4096,
        "frame_every": 10**6,
        "checkpoint_every": 10**6,
    }.items():
        allowed = f"must be a whole number from 1 to {limit}"
        require(0 < getattr(config, name) <= limit, name, allowed)
    require(0 <= config.seed < 2**31 - 4096, "seed", "must be from 0 to 2147479551")
    require(0 <= config.ema < 1, "ema", "must be at least 0 and below 1")
    require(
        len(config.betas) == 2 and all(0 <= beta < 1 for beta in config.betas),
        "betas",
        "must be two numbers, each at least 0 and below 1",
    )
    lookup("schedule", config.schedule, SCHEDULES)
    require(
        0 < config.train_size < count,
        "train_size",
        f"must be from 1 to {count - 1}, as there are {count} points",
    )
    needed = config.batch_size * config.critic_steps
    require(
        needed <= config.train_size,
        "batch_size",
        f"one generator update takes {config.critic_steps} batches, {needed} points, "
        f"and there are {config.train_size} to train on",
    )
    require(
        config.checkpoint_every % config.frame_every == 0,
        "checkpoint_every",
        f"must be a multiple of --frame_every={config.frame_every}",
    )
