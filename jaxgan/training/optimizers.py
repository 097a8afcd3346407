"""Optimizers and learning-rate schedules by name, and weight clipping."""

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
    """Return a transformation that keeps weights within ``[-bound, bound]``.

    It must be the last link of an ``optax.chain``, and its ``update`` needs ``params``.
    Applying the update rounds once more, so a weight may exceed the bound by one unit in the
    last place. Scales of normalisation layers are not clipped: a small bound would shrink
    every activation.

    Args:
      bound: Positive number, may be traced.

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


BETAS = (0.5, 0.999)  # default of the Adam family

OPTIMIZERS: dict[str, Callable[..., optax.GradientTransformation]] = {
    "sgd": _sgd,
    "adam": _adam,
    "rmsprop": _rmsprop,
    # Daskalakis et al., Training GANs with Optimism, arXiv 1711.00141.
    "optimistic_adam": _optimistic_adam,
}
"""Optimizers by name: ``(learning_rate, (b1, b2)) -> transformation``."""


def _constant(learning_rate, updates):
    return learning_rate


def _linear(learning_rate, updates):
    return lambda count: learning_rate * jnp.clip(2 - 2 * count / updates, 0.0, 1.0)


def _cosine(learning_rate, updates):
    return lambda count: (
        learning_rate * (1 + jnp.cos(jnp.pi * jnp.clip(count / updates, 0, 1))) / 2
    )


class Schedule(NamedTuple):
    """Schedules of both learning rates, each ``(learning_rate, updates) -> schedule``.

    Attributes:
      generator: For the generator.
      critic: For the critic; ``updates`` counts the critic's updates.
    """

    generator: Callable[..., optax.ScalarOrSchedule]
    critic: Callable[..., optax.ScalarOrSchedule]


# Without a penalty, generator and critic circle around the equilibrium. If only the
# generator's steps shrink, the critic stays close to optimal for each generator, and the
# circling dies out; if both shrink, they stop at some point of the circle. With a penalty
# they converge, and smaller final steps of both bring them closer to the equilibrium.
SCHEDULES: dict[str, Schedule] = {
    "constant": Schedule(_constant, _constant),
    "linear": Schedule(_linear, _constant),
    "cosine": Schedule(_cosine, _cosine),
}
"""Schedules by name.

``linear`` keeps the generator's rate for the first half of the updates, then lowers it
linearly to 0; the critic's rate stays constant. ``cosine`` lowers both rates to 0 along half
a cosine.
"""


class Optimizers(NamedTuple):
    """The two optimizers of a GAN; ``pair`` makes them by name."""

    generator: optax.GradientTransformation
    critic: optax.GradientTransformation


def pair(
    name: str,
    learning_rate: optax.ScalarOrSchedule,
    *,
    critic_learning_rate: optax.ScalarOrSchedule | None = None,
    betas: Sequence[float] = (),
) -> Optimizers:
    """Make the same optimizer for generator and critic, each with its own learning rate.

    Args:
      name: A name in ``OPTIMIZERS``, or an optimizer of optax with settings, such as
        ``optax.lion`` or ``optax.adamw:b1=0.5,weight_decay=1e-3``.
      learning_rate: The generator's: a number, which may be traced, or a schedule.
      critic_learning_rate: The critic's; by default the generator's.
      betas: Decay of the first and second moment, for optimizers of the Adam family; by
        default 0.5 and 0.999, or optax's own defaults with an optimizer of optax.

    Raises:
      InputError: If ``name`` or a setting in it is unknown, or the optimizer needs more than
        gradients, weights and a learning rate.

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
    """Return the canonical spelling of an optimizer's name.

    Raises:
      InputError: If ``name`` or a setting in it is unknown.
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
