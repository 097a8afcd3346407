"""Check the settings that all laboratories share."""

import math
from collections.abc import Mapping

import numpy as np

from experiments.common.settings import Training
from jaxgan.errors import InputError, lookup
from jaxgan.training.optimizers import OPTIMIZERS, SCHEDULES, pair


def require(config: Training, holds: bool, name: str, rule: str) -> None:
    """Raise ``InputError`` with the flag, its value and what is allowed, unless ``holds``."""
    if not holds:
        value = getattr(config, name)
        text = ",".join(map(str, value)) if isinstance(value, tuple) else value
        raise InputError(f"--{name}={text}: {rule}")


def require_whole(config: Training, limits: Mapping[str, int]) -> None:
    """Require settings to be whole numbers from 1 to their limits."""
    for name, limit in limits.items():
        rule = f"must be a whole number from 1 to {limit}"
        require(config, 0 < getattr(config, name) <= limit, name, rule)


def check(config: Training, count: int, within: str = "") -> None:
    """Check that a program can be trained with these settings.

    Args:
      config: Resolved settings.
      count: Number of training examples.
      within: Where these examples are, for messages, if they are not the whole data.

    Raises:
      InputError: If a setting is invalid; it names the setting, its value and what is allowed.
    """
    for name in ("learning_rate", "penalty_weight", "clip", "critic_learning_rate"):
        value = getattr(config, name)
        values = value if isinstance(value, tuple) else (1.0 if value is None else value,)
        rule = "must be positive and finite, in float32 too"
        if name == "penalty_weight":
            rule += "; --penalty=none trains without"
        with np.errstate(over="ignore"):
            singles = [np.float32(x) for x in values]
        require(config, all(0 < x < math.inf for x in singles), name, rule)
        require(config, len(set(values)) == len(values), name, "has a value twice")
    require(config, len(config.learning_rate) > 0, "learning_rate", "needs a value")
    limits = {
        "critic_steps": 1000,
        "latent_dim": 4096,
        "batch_size": 10**6,
        "epochs": 10**6,
        "seeds": 4096,
        "frame_every": 10**6,
        "checkpoint_every": 10**6,
    }
    require_whole(config, limits)
    require(
        config,
        config.pack > 0 and config.batch_size % config.pack == 0,
        "pack",
        f"must be a whole number from 1 that divides the batch of {config.batch_size}",
    )
    require(config, 0 <= config.seed < 2**31 - 4096, "seed", "must be from 0 to 2147479551")
    require(config, 0 <= config.ema < 1, "ema", "must be at least 0 and below 1")
    require(
        config,
        (config.betas == () and config.optimizer not in OPTIMIZERS)
        or (len(config.betas) == 2 and all(0 <= beta < 1 for beta in config.betas)),
        "betas",
        "must be two numbers, each at least 0 and below 1",
    )
    rates = (rate(1.0, 1) for rate in lookup("schedule", config.schedule, SCHEDULES))
    for rate in rates:
        pair(config.optimizer, rate, betas=config.betas)  # refuses settings that cannot train
    examples = config.batch_size * config.critic_steps
    require(
        config,
        examples <= count,
        "batch_size",
        f"one generator update takes {config.critic_steps} batches, {examples} examples, "
        f"and there are {count} to train on{within}",
    )
    require(
        config,
        config.checkpoint_every % config.frame_every == 0,
        "checkpoint_every",
        f"must be a multiple of --frame_every={config.frame_every}",
    )
