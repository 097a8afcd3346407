"""The settings that the page can change, and the effect of each."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from experiments.points.config import Config, check, resolve
from jaxgan.data.points import POINT_CLOUDS, PointCloud
from jaxgan.errors import InputError, lookup
from jaxgan.training.gan import LATENTS
from jaxgan.training.objectives import OBJECTIVES
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES

CLOUDS = tuple(POINT_CLOUDS)
# Settings that decide the training points and their modes; they stay with the cloud.
OF_DATA = ("data", "data_key", "columns", "train_size", "standardize", "modes", "seed")
SPEEDS = ("fast", "each update", "slow motion")


def _one(value: float) -> tuple[float, ...]:
    return (value,)


def _number(name: str, value: Any) -> float:
    try:
        number = math.nan if isinstance(value, bool) else float(value)
    except (TypeError, ValueError, OverflowError):
        number = math.nan
    if not math.isfinite(number):
        raise InputError(f"{name}={str(value)[:40]!r} must be a number")
    return number


def _whole(name: str, value: Any) -> int:
    number = _number(name, value)
    if number != int(number) or abs(number) > 2**31:
        raise InputError(f"{name}={str(value)[:40]} must be a whole number")
    return int(number)


def _widths(name: str, value: Any) -> tuple[int, ...]:
    parts = str(value).replace(" ", "").split(",")
    if len(parts) > 8:
        raise InputError(f"{name} has {len(parts)} layers; up to 8 are allowed")
    widths = tuple(_whole(name, part) for part in parts)
    if max(widths) > 1024:
        raise InputError(f"{name}={value}: up to 1024 units a layer are allowed")
    return widths


class Setting(NamedTuple):
    """A setting of the page.

    Attributes:
      read: Converts ``(name, input of the page)`` to a value; raises ``InputError``.
      field: Converts this value to that of the configuration.
      anew: Whether a change restarts the training.
      choices: The allowed values, if they are names.
    """

    read: Callable[[str, Any], Any]
    field: Callable[[Any], Any] = lambda value: value
    anew: bool = False
    choices: tuple[str, ...] = ()


def _choice(choices: Mapping[str, Any]) -> Setting:
    def read(name: str, value: Any) -> str:
        lookup(name.replace("_", " "), str(value)[:40], choices)
        return str(value)

    return Setting(read, choices=tuple(choices))


SETTINGS: dict[str, Setting] = {
    "variant": _choice(OBJECTIVES),
    "optimizer": _choice(OPTIMIZERS),
    "learning_rate": Setting(_number, _one),
    "critic_learning_rate": Setting(_number),
    "schedule": _choice(SCHEDULES),
    "critic_steps": Setting(_whole),
    "penalty_weight": Setting(_number, _one),
    "clip": Setting(_number, _one),
    "batch_size": Setting(_whole),
    "epochs": Setting(_whole),
    "latent": _choice(LATENTS),
    "latent_dim": Setting(_whole),
    "generator_widths": Setting(_widths),
    "critic_widths": Setting(_widths),
    "seed": Setting(_whole, anew=True),
}


def changed(config: Config, changes: Mapping[str, Any], cloud: PointCloud) -> Config:
    """Apply changes of settings that the page requests.

    A new variant brings its own penalty and the default weight and clip bound. All other
    settings stay.

    Raises:
      InputError: If there is no such setting, or its value is not allowed.
    """
    for name in changes:
        if name not in SETTINGS:
            raise InputError(f"no setting {name[:40]!r} can be changed on the page")
    values = {
        name: SETTINGS[name].field(SETTINGS[name].read(name, value))
        for name, value in changes.items()
    }
    if values.get("variant", config.variant) != config.variant:
        usual = usual_of(config, values["variant"], cloud)
        own = {name: getattr(usual, name) for name in ("penalty", "penalty_weight", "clip")}
        config, values = replace(config, **own), own | values
    for name in ("penalty_weight", "clip"):
        if name in changes and not getattr(config, name):
            raise InputError(f"{name} has no effect: the variant has none")
    if "learning_rate" in values and config.critic_learning_rate is None:
        values = {
            "critic_learning_rate": config.learning_rate[0]
        } | values  # the critic keeps its rate
    if "optimizer" in values and config.optimizer not in OPTIMIZERS:
        values["betas"] = usual_of(
            config, config.variant, cloud
        ).betas  # optax's optimizers have their own
    new = replace(config, **values)
    check(new, len(cloud.points))
    return new


def usual_of(config: Config, variant: str, cloud: PointCloud) -> Config:
    """Return the command line's settings of a variant for the points of a configuration."""
    settings = {name: getattr(config, name) for name in OF_DATA}
    ((usual,), _) = resolve(variant=(variant,), load=lambda *_: cloud, **settings)
    return usual


def page_values(config: Config) -> dict[str, Any]:
    """Return the settings for the page; ``None`` if a setting has no value."""
    values = {name: getattr(config, name) for name in SETTINGS}
    for name in ("learning_rate", "penalty_weight", "clip"):
        values[name] = values[name][0] if values[name] else None
    if values["critic_learning_rate"] is None:
        values["critic_learning_rate"] = values["learning_rate"]
    for name in ("generator_widths", "critic_widths"):
        values[name] = ",".join(map(str, values[name]))
    return values
