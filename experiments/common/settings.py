"""Settings of all laboratories that train a GAN, and how they are resolved."""

import dataclasses
import itertools
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import InputError, lookup
from jaxgan.training.epochs import steps_per_epoch
from jaxgan.training.objectives import OBJECTIVES, PENALTIES, Objective, objective
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES, Optimizers, canonical, pair


@dataclasses.dataclass(frozen=True)
class Training:
    """Settings of one program: a variant with one optimizer, trained in several lanes.

    A lane is one training run. There is one lane for each combination of learning rate,
    penalty weight, clip bound and seed; all lanes run in one compiled program.

    Attributes:
      variant: Loss and penalty, a name in ``OBJECTIVES``.
      optimizer: A name in ``OPTIMIZERS``, or an optimizer of optax with its settings.
      learning_rate: Learning rate of the generator, or a list of several to try; by default
        it depends on the variant and the optimizer.
      critic_learning_rate: Learning rate of the critic; by default the generator's.
      schedule: Schedule of the learning rates, a name in ``SCHEDULES``.
      betas: Decay rates b1,b2 of Adam and similar optimizers, two numbers from 0 to below 1.
        Optax's optimizers have defaults of their own.
      critic_steps: Critic updates per generator update.
      penalty: A name in ``PENALTIES``.
      penalty_weight: Weight of the penalty, or a list of several to try; by default it
        depends on the variant.
      clip: Bound on the size of the critic's weights, or a list of several to try; only for
        variants that clip weights (wgan).
      ema: Decay per update of the generator's moving average (EMA), from 0 to below 1; 0 turns
        the average off.
      latent_dim: Number of latent dimensions.
      batch_size: Examples per batch.
      epochs: Number of epochs, which are passes over the training data.
      data: Built-in data or a path.
      train_size: Number of examples to train on; others may be held out.
      seed: First seed; it decides the initial weights and all random draws. Further seeds
        count up from it.
      seeds: Number of seeds per combination of settings. Each seed is a training run of its
        own (a lane); all lanes run side by side.
      frame_every: Epochs between two frames (pictures of the training).
      checkpoint_every: Epochs between two checkpoints.
      pack: Number of examples that the critic judges together (PacGAN); it must divide the
        batch size. 1 is an ordinary GAN.
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
    batch_size: int
    epochs: int
    data: str
    train_size: int
    seed: int
    seeds: int
    frame_every: int
    checkpoint_every: int
    pack: int = dataclasses.field(default=1, kw_only=True)

    @property
    def steps_per_epoch(self) -> int:
        """Generator updates per epoch."""
        return steps_per_epoch(self.train_size, self.batch_size, self.critic_steps)

    @property
    def updates(self) -> int:
        """Total number of generator updates."""
        return self.epochs * self.steps_per_epoch

    def combinations(self) -> list[dict[str, float]]:
        """List the combinations of traced settings; each is shared by ``seeds`` lanes."""
        values: dict[str, tuple[float, ...]] = {"learning_rate": self.learning_rate}
        if self.critic_learning_rate is not None:
            values["critic_learning_rate"] = (self.critic_learning_rate,)
        if self.penalty_weight:
            values["penalty_weight"] = self.penalty_weight
        if self.clip:
            values["clip"] = self.clip
        combinations = itertools.product(*values.values())
        return [dict(zip(values, combination, strict=True)) for combination in combinations]


def identity(config: Training) -> dict[str, Any]:
    """Return the settings that identify a run, without those at their class's default."""
    fields = {field.name: field.default for field in dataclasses.fields(config)}
    values = dataclasses.asdict(config)
    return {name: values[name] for name in fields if values[name] != fields[name]}


class Recipe(NamedTuple):
    """Settings of a report, and those that it uses with only one optimizer."""

    settings: dict[str, Any]
    by_optimizer: dict[str, dict[str, Any]] = {}


def recipe_of(name: str | None, recipes: Mapping[str, Recipe]) -> Recipe:
    """Look up a recipe; without a name, return an empty one.

    Raises:
      InputError: If there is no such recipe.
    """
    return Recipe({}) if name is None else lookup("recipe", name, recipes)


class Defaults(NamedTuple):
    """Defaults of the settings.

    Attributes:
      common: Values by setting; ``variant`` is a tuple of names.
      by_optimizer: Settings by optimizer.
      by_variant: Settings by variant. ``optimizer`` is the one that the variant works best
        with; its learning rates hold only for this optimizer.
    """

    common: dict[str, Any]
    by_optimizer: dict[str, dict[str, Any]]
    by_variant: dict[str, dict[str, Any]]


def resolve(
    defaults: Defaults, recipe: Recipe, overrides: Mapping[str, Any]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Resolve the settings of each program: one per variant and optimizer.

    The order of precedence is: overrides, recipe, defaults of the variant, defaults of the
    optimizer, common defaults. A penalty weight or clip bound applies only to variants that
    have one.

    Returns:
      The settings, and notes to print once everything is checked; notes may repeat.

    Raises:
      InputError: If a name is unknown or missing, or a setting applies to no variant.
    """
    explicit = {**recipe.settings, **overrides}
    for name in ("variant", "optimizer"):
        if name in explicit and not explicit[name]:
            raise InputError(f"--{name} needs a value")
    programs, notes = [], []
    for variant in explicit.get("variant", defaults.common["variant"]):
        entry = lookup("variant", variant, OBJECTIVES)
        own = dict(defaults.by_variant.get(variant, {}))
        favourite = own.get("optimizer", defaults.common["optimizer"])
        for optimizer in explicit.get("optimizer", (favourite,)):
            optimizer = canonical(optimizer)
            usual = _of_optimizer(defaults, optimizer)
            settings = defaults.common | usual | own
            stronger = (
                recipe.settings | recipe.by_optimizer.get(optimizer, {}) | dict(overrides)
            )
            if optimizer != favourite:
                settings |= usual
            if optimizer != favourite or "learning_rate" in stronger:
                settings["critic_learning_rate"] = (
                    None  # the default is for the other optimizer
                )
            if optimizer not in OPTIMIZERS and "learning_rate" not in stronger:
                (rate,) = settings["learning_rate"]
                notes.append(
                    f"{optimizer}: learning_rate={rate:g}, that of adam, as none is given"
                )
            settings |= stronger | {"variant": variant, "optimizer": optimizer}
            settings.setdefault("penalty", entry.penalty)
            weight = (lookup("penalty", settings["penalty"], PENALTIES).weight,)
            if settings["penalty"] == "none":
                settings["penalty_weight"] = ()
            settings.setdefault("penalty_weight", weight)
            if entry.clip is None:
                settings["clip"] = ()
            settings.setdefault("clip", (entry.clip,))
            settings.setdefault("critic_learning_rate", None)
            programs.append(settings)
    for name in ("penalty_weight", "clip"):
        if name in overrides and not any(settings[name] for settings in programs):
            raise InputError(f"--{name} has no effect: no variant given has one")
    return programs, notes


def _of_optimizer(defaults: Defaults, optimizer: str) -> dict[str, Any]:
    """Return the defaults of an optimizer; optax's get Adam's learning rate, not its betas."""
    if optimizer in OPTIMIZERS:
        return defaults.by_optimizer[optimizer]
    return defaults.by_optimizer["adam"] | {"betas": ()}


def fit_batch(
    settings: dict[str, Any], overrides: Mapping[str, Any], examples: str
) -> list[str]:
    """Reduce a default batch size that is too large for the data; return a note about it."""
    room = room_for_batch(settings)
    if "batch_size" in overrides or not 0 < room < settings["batch_size"]:
        return []
    settings["batch_size"] = room
    return [
        f"batch_size={room}: one update takes {settings['critic_steps']} batches, and "
        f"there are {_in_epoch(settings)} {examples} to train on"
        + (" in an epoch" if settings.get("epoch_size") else "")
    ]


def room_for_batch(settings: Mapping[str, Any]) -> int:
    """Return the largest batch size that the data allow; 0 if there is none."""
    room = _in_epoch(settings) // max(1, settings["critic_steps"])
    return room - room % max(1, settings.get("pack", 1))


def _in_epoch(settings: Mapping[str, Any]) -> int:
    """Return the number of examples in an epoch."""
    return settings.get("epoch_size") or settings["train_size"]


def require_distinct(configs: list[Any]) -> list[Any]:
    """Return the configurations, after a check for repeats.

    Raises:
      InputError: If one appears twice.
    """
    if len(set(configs)) < len(configs):
        raise InputError("a variant or an optimizer is given twice")
    return configs


def with_updates(config: Training, values: Mapping[str, Any]) -> dict[str, Any]:
    """Add the number of updates to the values ``[S]`` of all lanes.

    It is traced like them, so that one program serves any number of epochs.
    """
    lanes = len(values["learning_rate"])
    return {**values, "updates": np.full(lanes, config.updates, np.int32)}


def parts(config: Training, values: Mapping[str, Any]) -> tuple[Objective, Optimizers]:
    """Build objective and optimizers of one lane from values, which may be traced."""
    rate = values["learning_rate"]
    updates = values.get("updates", config.updates)
    loss = objective(
        config.variant,
        penalty=config.penalty,
        penalty_weight=values.get("penalty_weight"),
        clip=values.get("clip"),
    )
    schedule = SCHEDULES[config.schedule]
    critic_rate = values.get("critic_learning_rate", rate)
    return loss, pair(
        config.optimizer,
        schedule.generator(rate, updates),
        critic_learning_rate=schedule.critic(critic_rate, updates * config.critic_steps),
        betas=config.betas,
    )
