"""Optimizers by name, the pairing of generator and critic, and weight clipping."""

from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jax import Array

from jaxgan.errors import InputError
from jaxgan.training import from_optax

Scalar = float | Array  # a number that may be traced


def clip_weights(bound: Scalar) -> optax.GradientTransformation:
    """Keep weights within ``[-bound, bound]`` after the update.

    Must be the last link of a chain. Stateless; ``update`` needs ``params``. The
    update is rounded once more when it is applied, so a weight may pass the bound by
    one unit in the last place. Normalisation scales are left alone: clipping them to a
    small bound would shrink every activation, and they are no linear map's weights.

    Args:
      bound: Positive scalar, may be traced.

    Source: Arjovsky et al., Wasserstein GAN, arXiv 1701.07875, algorithm 1.

    Examples:
      >>> import jax.numpy as jnp, jaxgan, optax
      >>> optimizer = optax.chain(optax.sgd(1.0), jaxgan.clip_weights(0.5))
      >>> params = {"kernel": jnp.array([0.25, 0.25])}
      >>> gradients = {"kernel": jnp.array([1.0, -1.0])}
      >>> updates, _ = optimizer.update(gradients, optimizer.init(params), params)
      >>> optax.apply_updates(params, updates)["kernel"].tolist()
      [-0.5, 0.5]
    """

    def update(updates, params):
        if params is None:
            raise ValueError("clip_weights needs params: update(updates, state, params)")

        def clip(path, update, param):
            if getattr(path[-1], "key", None) == "scale":
                return update
            return (param + update).clip(-bound, bound) - param

        return jax.tree_util.tree_map_with_path(clip, updates, params)

    return optax.stateless(update)


def _sgd(learning_rate, betas):
    return optax.sgd(learning_rate)


def _adam(learning_rate, betas):
    return optax.adam(learning_rate, b1=betas[0], b2=betas[1])


def _optimistic_adam(learning_rate, betas):
    return optax.optimistic_adam_v2(learning_rate, b1=betas[0], b2=betas[1], nesterov=False)


def _rmsprop(learning_rate, betas):
    # PyTorch's form: a slow average, and epsilon added to the root.
    return optax.rmsprop(learning_rate, decay=0.99, eps_in_sqrt=False)


BETAS = (0.5, 0.999)  # of Adam and its kin, unless others are given

# name -> (learning_rate, (b1, b2)) -> transformation
OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": _sgd,
    "adam": _adam,
    "rmsprop": _rmsprop,
    # Daskalakis et al., Training GANs with Optimism, arXiv 1711.00141.
    "optimistic_adam": _optimistic_adam,
}


def _constant(learning_rate, updates):
    return learning_rate


def _linear(learning_rate, updates):
    return lambda count: learning_rate * jnp.clip(2 - 2 * count / updates, 0.0, 1.0)


def _cosine(learning_rate, updates):
    return lambda count: (
        learning_rate * (1 + jnp.cos(jnp.pi * jnp.clip(count / updates, 0, 1))) / 2
    )


class Schedule(NamedTuple):
    """What becomes of the two learning rates; each ``(learning_rate, updates) -> schedule``.

    Attributes:
      generator: Of the generator.
      critic: Of the critic; ``updates`` are its own.
    """

    generator: Callable[..., optax.ScalarOrSchedule]
    critic: Callable[..., optax.ScalarOrSchedule]


# Without a penalty the two circle around each other. If the generator's steps shrink while
# the critic's do not, the critic comes to be at its best for every generator, and the
# circling dies out; if both shrink, they stop wherever on the circle they are. With a penalty
# they converge, and the smaller the steps of both are at the end, the closer they come.
SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant, _constant),
    # The generator's rate holds for the first half of the updates, then falls to 0.
    "linear": Schedule(_linear, _constant),
    # Both rates fall to 0 along half a cosine.
    "cosine": Schedule(_cosine, _cosine),
}


class Optimizers(NamedTuple):
    """The two optimizers of a GAN."""

    generator: optax.GradientTransformation
    critic: optax.GradientTransformation


def pair(
    name: str,
    learning_rate: optax.ScalarOrSchedule,
    *,
    critic_learning_rate: optax.ScalarOrSchedule | None = None,
    betas: Sequence[float] = (),
) -> Optimizers:
    """The same optimizer for generator and critic, each with its learning rate.

    Args:
      name: A name in ``OPTIMIZERS``, or an optimizer of optax with its settings, such as
        ``optax.lion`` or ``optax.adamw:b1=0.5,weight_decay=1e-3``.
      learning_rate: Of the generator: a number, may be traced, or a schedule.
      critic_learning_rate: Of the critic; by default the generator's.
      betas: Decay of the first and second moment, for Adam and its kin; by default 0.5 and
        0.999, and with optax's optimizers their own.

    Raises:
      InputError: If ``name`` is unknown, has other settings, or cannot train a GAN.

    Examples:
      >>> import jaxgan
      >>> optimizers = jaxgan.pair("adam", 2e-4, critic_learning_rate=4e-4)
      >>> optimizers._fields
      ('generator', 'critic')
    """
    rates = (
        learning_rate,
        learning_rate if critic_learning_rate is None else critic_learning_rate,
    )
    if canonical(name) in OPTIMIZERS:
        return Optimizers(*(OPTIMIZERS[name](rate, betas or BETAS) for rate in rates))
    return Optimizers(*(from_optax.make(name, rate, betas) for rate in rates))


def canonical(name: str) -> str:
    """The spelling of an optimizer's name that all others of the same share.

    Raises:
      InputError: If ``name`` is unknown, or has other settings.
    """
    if name.startswith(from_optax.PREFIX):
        return from_optax.canonical(name)
    if name not in OPTIMIZERS:
        choices = ", ".join(OPTIMIZERS)
        raise InputError(
            f"unknown optimizer {name!r}; choose from {choices}, or one of optax's, such as "
            "optax.lion or optax.adamw:weight_decay=1e-3"
        )
    return name
